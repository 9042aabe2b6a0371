"""Methods that a test holds in its hand, in the place of real ones."""

from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
import pytest

from analysis.events import Array, Event
from workbench.runs.models import Run
from workbench.runs.worker import state


class Step(Event):
    """The event of the methods that tests make up."""

    kind: Literal["step"] = "step"
    number: int
    array: Array | None = None


Events = Callable[[Run], Iterator[Event]]


def steps(count: int, *, size: int = 0) -> Iterator[Event]:
    for number in range(count):
        yield Step(number=number, array=np.arange(size, dtype=np.float64) if size else None)


@pytest.fixture
def use_method(monkeypatch: pytest.MonkeyPatch) -> Callable[[Events], None]:
    """Let every run yield the events of this function."""

    def use(events: Events) -> None:
        monkeypatch.setattr("workbench.runs.tasks.analysis_events", events)

    return use


@pytest.fixture(autouse=True)
def _fresh_worker_state() -> Iterator[None]:
    yield
    state.stopping.clear()
    state.work = None


def seqs(run: Run, attempt: int = 1) -> list[int]:
    found: Any = run.events.filter(attempt=attempt).order_by("seq")
    return [row.seq for row in found]
