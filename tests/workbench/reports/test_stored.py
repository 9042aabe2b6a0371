"""Bundles and traces of earlier versions still open."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from analysis.decoding import trace
from analysis.decoding.trace_text import lines
from workbench.reports.archive import archive_read
from workbench.reports.imports import bundle_import
from workbench.reports.markdown import markdown_build
from workbench.reports.session_selectors import session_report
from workbench.runs.models import RunEvent
from workbench.runs.selectors import run_snapshot

STORED = Path(__file__).resolve().parents[2] / "stored"
BUNDLES = sorted(STORED.glob("*/*.zip"))
TRACES = sorted(STORED.glob("*/*.trace.json"))
pytestmark = pytest.mark.django_db


def name(file: Path) -> str:
    return f"{file.parent.name}-{file.name}"


@pytest.mark.parametrize("file", BUNDLES, ids=name)
def test_a_bundle_comes_in_with_every_event(file: Path, tom: User) -> None:
    came = bundle_import(owner=tom, content=file.read_bytes())
    (run,) = came.runs.all()
    shown = run_snapshot(run).imported
    assert shown is not None
    assert shown.drawn, "this version draws it"
    rows = RunEvent.objects.filter(run=run).order_by("seq")
    payloads = [json.loads(row.payload) for row in rows]
    assert [event["kind"] for event in payloads] == [event["kind"] for event in events(file)]
    assert len(payloads) > 10


@pytest.mark.parametrize("file", BUNDLES, ids=name)
def test_a_bundle_that_came_in_is_written_as_a_report(file: Path, tom: User) -> None:
    came = bundle_import(owner=tom, content=file.read_bytes())
    text = markdown_build(session_report(session=came))
    assert "demo-" in text


@pytest.mark.parametrize("file", BUNDLES, ids=name)
def test_a_bundle_is_computed_again_unless_its_method_has_changed(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        call_command("verify", str(file))
    printed = "".join(capsys.readouterr())
    assert "altered" not in printed
    if ended.value.code:
        assert "the bundle's is" in printed, printed


@pytest.mark.parametrize("file", TRACES, ids=name)
def test_a_trace_is_read_and_printed(file: Path) -> None:
    found = trace.load(file.read_text(encoding="utf-8"))
    assert found.traces
    assert "forward passes" in "\n".join(lines(found))


def events(file: Path) -> list[dict[str, Any]]:
    files = archive_read(file.read_bytes())
    (log,) = (content for path, content in files.items() if path.endswith("events.jsonl"))
    return [json.loads(line)["event"] for line in log.decode().splitlines()]
