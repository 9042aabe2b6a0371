"""Limits how many reports a process writes or reads at once: each may take much memory."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from workbench.errors import Unavailable

AT_ONCE = 2
WAIT_SECONDS = 30

_places = threading.BoundedSemaphore(AT_ONCE)


@contextmanager
def report_place() -> Iterator[None]:
    """Wait for a place. Raises Unavailable."""
    if not _places.acquire(timeout=WAIT_SECONDS):
        raise Unavailable(
            f"{AT_ONCE} other reports are being made or read.", remedy="Try again in a moment."
        )
    try:
        yield
    finally:
        _places.release()
