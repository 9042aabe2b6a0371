"""A Ctrl+C while an event is written stops the run like any other."""

import os
import signal
import threading

import pytest
from pydantic import BaseModel, field_serializer

from workbench.runs.folder import interrupt_delayed


class Interrupted(BaseModel):
    value: int = 1

    @field_serializer("value")
    def interrupt(self, value: int) -> int:
        os.kill(os.getpid(), signal.SIGINT)
        return value


def test_it_is_raised_after_the_event_is_written() -> None:
    written = []
    with pytest.raises(KeyboardInterrupt), interrupt_delayed():
        written.append(Interrupted().model_dump(mode="json"))
    assert written == [{"value": 1}]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_threads_write_as_ever() -> None:
    written = []

    def work() -> None:
        with interrupt_delayed():
            written.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert written == [1]
