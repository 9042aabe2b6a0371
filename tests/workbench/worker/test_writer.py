"""Events are written in batches and in order, and not after the attempt is lost."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.db import OperationalError

from tests.workbench.conftest import seqs
from workbench.errors import AttemptLost
from workbench.runs.execution import Pending, run_claim, run_release
from workbench.runs.models import Run
from workbench.worker import writer as module
from workbench.worker.writer import MOST_EVENTS, EventWriter

pytestmark = pytest.mark.django_db(transaction=True)


class Spy:
    """Replaces event_append: records the batches, and can be blocked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.batches: list[list[int]] = []
        self.error: Exception | None = None
        self.wrote = threading.Event()
        monkeypatch.setattr(module, "event_append", self)

    def __call__(self, *, events: Sequence[Pending], **_: Any) -> None:
        if self.error:
            raise self.error
        self.batches.append([event.seq for event in events])
        self.wrote.set()

    @property
    def numbers(self) -> list[int]:
        return [seq for batch in self.batches for seq in batch]


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Spy:
    return Spy(monkeypatch)


def open_writer(run: Any = None) -> EventWriter:
    return EventWriter(run=run, attempt=1, after=1)


def test_the_first_event_does_not_wait(spy: Spy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INTERVAL_SECONDS", 3600)
    with open_writer() as writer:
        writer.put("{}", {})
        assert spy.wrote.wait(10)
        assert spy.batches == [[2]]


def test_what_comes_meanwhile_is_written_together(
    spy: Spy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "INTERVAL_SECONDS", 3600)
    with open_writer() as writer:
        writer.put("{}", {})
        assert spy.wrote.wait(10)
        for _ in range(5):
            writer.put("{}", {})
    assert spy.batches == [[2], [3, 4, 5, 6, 7]]


def test_it_writes_while_the_method_is_busy(spy: Spy) -> None:
    with open_writer() as writer:
        for _ in range(2):
            spy.wrote.clear()
            writer.put("{}", {})
            assert spy.wrote.wait(10)


def test_a_burst_is_split_and_complete(spy: Spy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INTERVAL_SECONDS", 3600)
    with open_writer() as writer:
        for _ in range(1000):
            writer.put("{}", {})
    assert spy.numbers == list(range(2, 1002))
    assert max(map(len, spy.batches)) <= MOST_EVENTS


def test_large_events_are_not_heaped_up(spy: Spy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INTERVAL_SECONDS", 3600)
    monkeypatch.setattr(module, "MOST_BYTES", 100)
    with open_writer() as writer:
        for _ in range(9):
            writer.put("x" * 60, {})
    assert max(map(len, spy.batches)) <= 2
    assert spy.numbers == list(range(2, 11))


@pytest.mark.parametrize("kind", [AttemptLost, OperationalError, OSError, TypeError])
def test_a_failure_reaches_the_method(spy: Spy, kind: type[Exception]) -> None:
    spy.error = kind("planted")

    def write() -> None:
        with open_writer() as writer:
            for _ in range(5000):  # more than the queue holds: it must not block
                writer.put("{}", {})
                time.sleep(0.0001)

    with pytest.raises(kind, match="planted"):
        write()


def test_a_failure_at_the_end_is_raised_too(spy: Spy) -> None:
    spy.error = OSError("planted")
    writer = open_writer()
    with pytest.raises(OSError, match="planted"), writer:
        writer._offer(Pending(2, "{}"))


def test_a_lost_attempt_leaves_whole_events_only(make_run: Callable[..., Run]) -> None:
    run = make_run()
    assert run_claim(run=run.id, worker="w")

    def write() -> None:
        with EventWriter(run=run.id, attempt=1, after=1) as writer:
            for number in range(100_000):
                writer.put("{}", {})
                if number == 50:
                    run_release(run=run.id, attempt=1)

    with pytest.raises(AttemptLost):
        write()
    written = seqs(run)
    assert written == list(range(1, len(written) + 1))
