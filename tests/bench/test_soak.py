"""The soak finds what it looks for."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from websockets.exceptions import ConnectionClosedError

from bench.soak.outcome import SoakOutcome, unbroken
from bench.soak.requests import count
from bench.soak.watcher import Watcher


@pytest.mark.parametrize(
    ("seqs", "whole"),
    [([], True), ([1, 2, 3], True), ([1, 3], False), ([1, 1, 2], False), ([2, 3], False)],
)
def test_a_hole_and_a_double_are_seen(seqs: list[int], whole: object) -> None:
    assert unbroken(seqs) is whole


def test_an_outcome_names_each_fault() -> None:
    outcome = SoakOutcome("workers killed", {"runs": 2})
    outcome.check("never said", holds=True)
    outcome.check("a run is missing", holds=False)
    assert outcome.summary() == "workers killed: 2 runs; 1 faults\na run is missing"


def test_server_errors_are_counted_at_any_depth(tmp_path: Path) -> None:
    report = tmp_path / "report.ndjson"
    events = [{"a": {"response": {"status_code": 200}}}, {"b": [{"status_code": 503}]}, {"c": 1}]
    report.write_text("\n".join(map(json.dumps, events)))
    assert count(report) == {"requests": 2, "server errors": 1}


class CuttingServer:
    """A server that cuts its first socket in the middle of a run."""

    def __init__(self) -> None:
        self.watched: list[dict[str, Any]] = []
        self.done = threading.Event()

    @contextmanager
    def socket(self, **_: object) -> Iterator["CuttingServer"]:
        yield self

    def send(self, message: str) -> None:
        self.watched.append(json.loads(message))
        self.left = iter([1, 2] if len(self.watched) == 1 else [3, 4])

    def recv(self, timeout: float) -> str:
        seq = next(self.left, None)
        if seq is None:
            if len(self.watched) > 1:
                self.done.wait(timeout)
            raise ConnectionClosedError(None, None)
        status = "done" if seq == 4 else "running"
        event = {"type": "event", "run": "a", "attempt": 2, "seq": seq, "event": {"status": status}}
        return json.dumps(event)

    def close(self) -> None:
        self.done.set()


def test_a_watcher_that_is_cut_goes_on_where_it_was() -> None:
    server = CuttingServer()
    with Watcher(cast(Any, server), ["a"]) as watcher:
        while "a" not in watcher.ended:
            pass
    assert watcher.seqs["a"] == {2: [1, 2, 3, 4]}
    assert [(w["attempt"], w["after"]) for w in server.watched] == [(0, 0), (2, 2)]
