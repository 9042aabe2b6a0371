"""The soak finds what it looks for."""

import json
from pathlib import Path

import pytest

from bench.soak.outcome import Outcome, unbroken
from bench.soak.requests import count


@pytest.mark.parametrize(
    ("seqs", "whole"),
    [([], True), ([1, 2, 3], True), ([1, 3], False), ([1, 1, 2], False), ([2, 3], False)],
)
def test_a_hole_and_a_double_are_seen(seqs: list[int], whole: object) -> None:
    assert unbroken(seqs) is whole


def test_an_outcome_names_each_fault() -> None:
    outcome = Outcome("workers killed", {"runs": 2})
    outcome.check("never said", holds=True)
    outcome.check("a run is missing", holds=False)
    assert outcome.summary() == "workers killed: 2 runs; 1 faults\na run is missing"


def test_server_errors_are_counted_at_any_depth(tmp_path: Path) -> None:
    report = tmp_path / "report.ndjson"
    events = [{"a": {"response": {"status_code": 200}}}, {"b": [{"status_code": 503}]}, {"c": 1}]
    report.write_text("\n".join(map(json.dumps, events)))
    assert count(report) == {"requests": 2, "server errors": 1}
