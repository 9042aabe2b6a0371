"""Ending the run of this process inside a forward or backward pass, which yields no events.

A thread beside the run calls `request`; the run calls `check` before each large operation.
"""

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager


class RunStopped(BaseException):
    """Ends a run where it is; no `except Exception` of a library may catch it."""


class _Requests:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.current: Hashable = None
        self.requested = False


_requests = _Requests()


@contextmanager
def stoppable(run: Hashable) -> Iterator[None]:
    """While the block runs, `request(run)` makes `check` raise RunStopped."""
    _set(run)
    try:
        yield
    finally:
        _set(None)


def request(run: Hashable) -> None:
    """Stop `run`. No effect if another run has begun in the meantime."""
    with _requests.lock:
        if _requests.current == run:
            _requests.requested = True


def check() -> None:
    """Raise RunStopped if the current run was requested to stop."""
    if _requests.requested:
        raise RunStopped


def _set(run: Hashable) -> None:
    with _requests.lock:
        _requests.current, _requests.requested = run, False
