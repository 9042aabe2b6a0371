"""Reports of recorded runs, one of each method, for tests that load no model."""

import json
from pathlib import Path
from typing import Any

from workbench.reports.document import (
    CommentRecord,
    EventRecord,
    PanelRecord,
    Report,
    RunRecord,
    ThreadRecord,
)

FIXTURES = Path(__file__).resolve().parents[1] / "frontend" / "tests" / "fixtures"
METHODS = {
    "centred": "reagent",
    "graph_kv": "graph_kv",
    "information_flow_text": "information_flow",
    "information_flow": "information_flow",
    "seg_similarity": "seg_similarity",
    "cntp": "cntp",
    "local_leap": "local_leap",
}
CHANGES = ("running", "done")
AT = "2026-01-02T03:04:05+00:00"


def recorded_events(name: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = json.loads((FIXTURES / f"{name}.json").read_text())
    return events


def recorded_run(name: str, events: list[dict[str, Any]] | None = None) -> RunRecord:
    """A finished run of these events, or of those recorded under the name.

    As in every run, a change of status comes first and last.
    """
    given = recorded_events(name) if events is None else events
    began, ended = ({"kind": "status", "status": word, "error": None} for word in CHANGES)
    found = [began, *given, ended]
    return RunRecord(
        id=f"00000000-0000-4000-8000-{list(METHODS).index(name):012}",
        method=METHODS[name],
        method_version="1",
        model="demo-lm",
        revision="0123456789abcdef",
        params={"prompt": "Anna has the ball.", "seed": 3},
        status="done",
        error=None,
        attempt=1,
        created_at=AT,
        started_at=AT,
        finished_at=AT,
        events=tuple(EventRecord(i, AT, json.dumps(e)) for i, e in enumerate(found, 1)),
    )


def recorded_report(**changes: Any) -> Report:
    """A note, then a panel of each recorded run; two threads of comments."""
    note = PanelRecord(id="note", text="# What was found\n\nOne run of *each* method.")
    runs = (
        PanelRecord(id=name, text=f"Caption of {name}.", run=recorded_run(name)) for name in METHODS
    )
    token = {"type": "token", "index": 3, "state": {"token": "3", "item": "position:3"}}
    threads = (
        ThreadRecord("t1", "centred", token, (CommentRecord("c1", "ann", "Why so high?", AT),), AT),
        ThreadRecord(
            "t2", "note", {"type": "panel"}, (CommentRecord("c2", "tom", "Agreed.", AT),), AT, AT
        ),
    )
    given: dict[str, Any] = {
        "title": "One of each",
        "panels": (note, *runs),
        "threads": threads,
        "owner": "ann",
        **changes,
    }
    return Report(**given)
