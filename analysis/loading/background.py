"""Reading a model in a thread, so that a run yields events meanwhile and can be closed at once.

transformers changes settings of the whole process while it reads, so that one thread reads at a
time. A reading whose run was closed ends with the next tensor; its result is dropped.
"""

import threading
from collections.abc import Callable, Collection, Generator, Iterator
from typing import Any

from transformers.utils.logging import set_tqdm_hook

from analysis.events import Event, Progress
from analysis.model import Model
from analysis.model.memory import default_device, release

POLL_SECONDS = 0.3
STAGE = "loading the model"
_reading = threading.Lock()


class ReadingStopped(BaseException):
    """Ends a thread whose run was closed; no `except Exception` of a library may catch it."""


class _Reader(threading.Thread):
    """Calls `read`, counting the tensors that transformers has read."""

    def __init__(self, read: Callable[[], Model]) -> None:
        super().__init__(name="reader", daemon=True)
        self._read = read
        self.stopped = threading.Event()
        self.done = self.total = 0
        self.model: Model | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        with _reading:
            previous = set_tqdm_hook(self._bar)
            try:
                self._stop_here()
                self.model = self._read()
                self._stop_here()
            except ReadingStopped:
                self.drop()
            except BaseException as error:  # noqa: BLE001 (raised where the reading is waited for)
                self.error = error
            finally:
                set_tqdm_hook(previous)
            if self.stopped.is_set():
                release()

    def drop(self) -> None:
        """Forget model and error, whose traceback refers to a part of the model."""
        self.model = self.error = None

    def take(self) -> Model:
        """The model. Raises what `read` raised."""
        model, error = self.model, self.error
        self.drop()
        try:
            if error is not None:
                raise error
            assert model is not None
            return model
        finally:
            del error

    def progress(self) -> Progress:
        return Progress(stage=STAGE, done=self.done, total=self.total, unit="tensors")

    def _stop_here(self) -> None:
        if self.stopped.is_set():
            raise ReadingStopped

    def _bar(self, bar: Callable[..., Any], args: Any, options: dict[str, Any]) -> Any:
        if not args or not isinstance(args[0], Collection):
            return bar(*args, **options)
        return bar(self._counted(args[0]), *args[1:], **options)

    def _counted(self, tensors: Collection[Any]) -> Iterator[Any]:
        self.total += len(tensors)
        for tensor in tensors:
            self._stop_here()
            yield tensor
            self.done += 1


def read_in_background(read: Callable[[], Model]) -> Generator[Event, None, Model]:
    """Yield progress while `read` runs in a thread; return its result, or raise its error."""
    reader = _Reader(read)
    reader.start()
    try:
        while reader.is_alive():
            yield reader.progress()
            reader.join(POLL_SECONDS)
        return reader.take()
    finally:
        reader.stopped.set()
        reader.drop()


def wait_for_stopped() -> Iterator[Event]:
    """Yield until no reading goes on that changes the dtype of new tensors: on a GPU alone."""
    while default_device() != "cpu" and _reading.locked():
        yield Progress(stage="waiting for a stopped load to end", done=0, total=0, unit="models")
        if _reading.acquire(timeout=POLL_SECONDS):
            _reading.release()
