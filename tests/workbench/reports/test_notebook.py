"""The notebook is valid, and its cells compute the report's numbers again."""

import json
from dataclasses import replace
from typing import Any

import nbformat
import pytest

from tests.workbench.reports.computed import computed, computed_report
from workbench.reports.document import PanelRecord, Report
from workbench.reports.notebook import call, notebook_build


def cells(report: Report, kind: str) -> list[str]:
    notebook: Any = nbformat.reads(notebook_build(report), as_version=4)
    nbformat.validate(notebook)
    return [cell.source for cell in notebook.cells if cell.cell_type == kind]


def test_notes_and_captions_are_between_the_calls() -> None:
    report = computed_report("cntp")
    noted = Report("A & B", (PanelRecord("n", "## Why\n\n*because*"), *report.panels))
    title, note, about = cells(noted, "markdown")
    assert title.startswith("# A &amp; B")
    assert note == "## Why\n\n*because*"
    assert "A *caption*." in about
    assert "demo-lm\\@" in about


def test_run_without_a_browser_it_gives_the_same_numbers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = computed_report("reagent", "cntp")
    names: dict[str, Any] = {}
    for cell in cells(report, "code"):
        exec(compile(cell, "cell", "exec"), names)
    printed = capsys.readouterr().out
    for number, method in enumerate(("reagent", "cntp"), 1):
        events = [event.model_dump(mode="json") for event in names[f"events_{number}"]]
        kinds = [event["kind"] for event in events if event["kind"] != "progress"]
        recorded = [event.value["kind"] for event in computed(method).events]
        assert kinds == [kind for kind in recorded if kind not in ("progress", "status")]
    assert "reagent" not in printed  # names of numbers, not of methods
    assert "scores" in printed
    assert "trace_end" in printed


def test_a_call_quotes_whatever_a_prompt_holds() -> None:
    run = computed("cntp")
    prompt = "'''\n\"\"\" \\ \u202e {0} %s \U0001f600"
    params = {**run.params, "prompt": prompt}
    hostile = PanelRecord("p", "", replace(run, params=params))
    code = cells(Report("t", (hostile,)), "code")[1]
    given: dict[str, Any] = {}
    seen = {"list": list, "show": lambda events: None, "analysis": Recorder(given)}
    exec(code, seen)
    assert given["params"] == params
    assert "\u202e" not in code
    assert json.loads(notebook_build(Report("t", (hostile,))))["nbformat"] == 4


def test_a_call_names_a_dtype_that_was_chosen() -> None:
    run = computed("cntp")
    for dtype, found in (("auto", None), ("bfloat16", "bfloat16")):
        code = call(replace(run, dtype=dtype), "events")
        given: dict[str, Any] = {}
        exec(code, {"list": list, "show": lambda events: None, "analysis": Recorder(given)})
        assert given.get("dtype") == found


class Recorder:
    """Replaces `analysis`: records the requested runs."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.given = given

    def run(self, method: str, **given: Any) -> list[Any]:
        self.given.update(given, method=method)
        return []
