"""Converts errors of a full or read-only disk and of a busy database to typed errors."""

import errno

from django.db import OperationalError

from analysis.errors import GlassbenchError
from workbench.errors import EdgeError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
CLOSED = {errno.EROFS, errno.EACCES, errno.EPERM}
# Parts of the messages of SQLite and PostgreSQL.
FULL_WORDS = ("disk is full", "no space left", "disk full")
CLOSED_WORDS = ("readonly database", "read-only", "unable to open database file")


class DiskFull(EdgeError, code="disk_full", status=503):
    """The server's disk is full."""


class DiskReadOnly(EdgeError, code="disk_read_only", status=503):
    """The server may not write to its data folder."""


class DatabaseAway(EdgeError, code="unavailable", status=503):
    """The database is locked by another program, or does not answer."""


def storage_refusal(error: BaseException) -> GlassbenchError | None:
    """The typed error for a full or read-only disk; None for other errors."""
    number = error.errno if isinstance(error, OSError) else None
    words = str(error).lower() if isinstance(error, OperationalError) else ""
    if number in FULL or any(word in words for word in FULL_WORDS):
        return DiskFull(
            "The server's disk is full.",
            remedy="Free space where the server keeps its data (DATA_DIR), then try again.",
        )
    if number in CLOSED or any(word in words for word in CLOSED_WORDS):
        return DiskReadOnly(
            "The server may not write to its disk.",
            remedy="Make the folder where the server keeps its data (DATA_DIR) writable, then try "
            "again.",
        )
    return None


def database_away() -> GlassbenchError:
    return DatabaseAway(
        "The database did not answer in time, several times.",
        remedy="Look whether another program holds it locked, then run it again.",
    )
