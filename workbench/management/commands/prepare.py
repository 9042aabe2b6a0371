"""Migrate the database, one process at a time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Migrate the database; of two starts on one DATA_DIR, the second waits for the first."

    def handle(self, *args: Any, **options: Any) -> None:
        with alone(settings.DATA_DIR / "start.lock", waiting=self.stdout.write):
            call_command("migrate", verbosity=0)


@contextmanager
def alone(file: Path, *, waiting: Any) -> Iterator[None]:
    """Lock the file; `waiting` is called if another process has locked it."""
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting("Another start prepares the database; waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
