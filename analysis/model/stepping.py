"""Running code that yields no events so that it pauses before each forward pass.

The code runs in a thread that works only while its generator is asked for the next step: one of
the two threads works at a time, and numbers are those of a direct call.
"""

import threading
from collections.abc import Callable, Generator
from contextvars import ContextVar, copy_context
from itertools import count
from typing import Generic, TypeVar

import torch

from analysis.events import Event, Progress

Step = TypeVar("Step")
Result = TypeVar("Result")


def _go_on() -> None:
    """Code that nobody steps through does not pause."""


_pause: ContextVar[Callable[[], None]] = ContextVar("_pause", default=_go_on)


def pause() -> None:
    """Called before each forward pass."""
    _pause.get()()


def by_pass(work: Callable[[], Result]) -> Generator[None, None, Result]:
    """Yield before each forward pass of `work`; return its result, or raise its error.

    Closing the generator ends `work` where it pauses.
    """
    return _stepped(work, lambda _: None)


def told_passes(stage: str, work: Callable[[], Result]) -> Generator[Event, None, Result]:
    """Likewise, with a Progress of `stage` before each pass."""
    return _stepped(work, lambda done: Progress(stage=stage, done=done, total=0, unit="passes"))


def _stepped(
    work: Callable[[], Result], step: Callable[[int], Step]
) -> Generator[Step, None, Result]:
    worker, done = _Worker(work), count()
    worker.start()
    try:
        while worker.goes_on():
            yield step(next(done))
    finally:
        worker.stop()
    return worker.take()


class _Stopped(BaseException):
    """Ends the thread; no `except Exception` of a library may catch it."""


class _Worker(threading.Thread, Generic[Result]):
    """Calls `work`, and stands still between two calls of `goes_on`."""

    def __init__(self, work: Callable[[], Result]) -> None:
        super().__init__(name="stepping", daemon=True)
        self._work, self._context = work, copy_context()
        self._gradients = torch.is_grad_enabled()  # a setting of each thread
        self._resumed, self._paused = threading.Semaphore(0), threading.Semaphore(0)
        self._stopped = self._ended = False
        self._results: list[Result] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        self._resumed.acquire()
        try:
            if not self._stopped:
                self._context.run(self._call)
        except _Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 (raised by `take`)
            self._error = error
        self._ended = True
        self._paused.release()

    def goes_on(self) -> bool:
        """Let `work` go on to its next pause; False: it has ended."""
        self._resumed.release()
        self._paused.acquire()
        return not self._ended

    def stop(self) -> None:
        self._stopped = True
        self._resumed.release()
        self.join()

    def take(self) -> Result:
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
            return self._results.pop()
        finally:
            del error

    def _call(self) -> None:
        _pause.set(self._stand)
        with torch.set_grad_enabled(self._gradients):
            self._results.append(self._work())

    def _stand(self) -> None:
        self._paused.release()
        self._resumed.acquire()
        if self._stopped:
            raise _Stopped
