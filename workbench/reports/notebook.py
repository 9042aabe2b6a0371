"""A report as a Jupyter notebook that runs each panel again (format 4.5)."""

import base64
import json
from collections.abc import Iterator
from typing import Any

from analysis.catalog.dtypes import AUTO
from analysis.environment import GLASSBENCH
from workbench.reports.document import PanelRecord, Report, RunRecord
from workbench.reports.markdown import heading, outcome
from workbench.reports.provenance import provenance, template_date
from workbench.reports.text import markdown_safe, quoted

Cell = dict[str, Any]
START = """\
import analysis
from analysis.summary import show
"""
PICTURES = """\
import base64

from analysis.images.files import read_picture

files = {files}
pictures = {{sha256: read_picture(base64.b64decode(file)) for sha256, file in files.items()}}
"""


def notebook_build(report: Report) -> str:
    """The notebook as JSON text: notes, captions, and a call for each run."""
    cells = [cell for cell in _cells(report) if cell["source"]]
    notebook = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def call(run: RunRecord, name: str) -> str:
    """The call that computes the run again, with all its params."""
    params = "".join(f"        {key!r}: {value!r},\n" for key, value in run.params.items())
    given = f"{{\n{params}    }}" if params else "{}"
    pictures = "    pictures=pictures.__getitem__,\n" if run.uploads else ""
    day = template_date(run)
    today = f"    today=date({day.year}, {day.month}, {day.day}),\n" if day else ""
    rest = pictures + today + (f"    dtype={run.dtype!r},\n" if run.dtype != AUTO else "")
    return (
        f"{name} = list(analysis.run(\n"
        f"    {run.method!r},\n    model={run.model!r},\n    params={given},\n{rest}))\n"
        f"show({name})\n"
    )


def _cells(report: Report) -> Iterator[Cell]:
    yield _markdown("title", f"# {quoted(report.title)}\n\n{_how()}")
    yield _code("start", START + _dates(report) + _pictures(report))
    for number, panel in enumerate(report.panels, 1):
        yield from _panel(number, panel)


def _how() -> str:
    return (
        f"Made by Glassbench {GLASSBENCH}. Run it where Glassbench is installed and its folder is "
        "on the path; same model, parameters and seed give the same numbers."
    )


def _panel(number: int, panel: PanelRecord) -> Iterator[Cell]:
    text = markdown_safe(panel.text)
    if panel.run is None:
        yield _markdown(f"note-{number}", text)
        return
    parts = [f"## {heading(number, panel.run)}", text, outcome(panel.run)]
    parts.append(f"*{quoted(provenance(panel.run))}*")
    yield _markdown(f"about-{number}", "\n\n".join(part for part in parts if part))
    yield _code(f"run-{number}", call(panel.run, f"events_{number}"))


def _dates(report: Report) -> str:
    return "from datetime import date\n" if any(map(template_date, report.runs)) else ""


def _pictures(report: Report) -> str:
    """A cell with the uploaded pictures that params name."""
    files = {sha256: file for run in report.runs for sha256, file in run.uploads.items()}
    if not files:
        return ""
    lines = "".join(
        f"    {sha256!r}: {base64.b64encode(file).decode()!r},\n" for sha256, file in files.items()
    )
    return "\n" + PICTURES.format(files=f"{{\n{lines}}}")


def _markdown(name: str, text: str) -> Cell:
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": _lines(text)}


def _code(name: str, code: str) -> Cell:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": name,
        "metadata": {},
        "outputs": [],
        "source": _lines(code.rstrip("\n")),
    }


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)
