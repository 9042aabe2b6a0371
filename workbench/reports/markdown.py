"""A report as Markdown: to be read as it stands, or by any program that reads Markdown."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from analysis.errors import UnknownMethod
from analysis.summary import main_numbers
from workbench.catalog.methods import method_get
from workbench.reports.document import Panel, Report, RunRecord, Thread
from workbench.reports.provenance import changed_params, provenance
from workbench.reports.text import markdown_safe, quoted


def markdown_build(report: Report, *, links: Mapping[str, Sequence[str]] | None = None) -> str:
    """The report. `links`: by panel, the files that stand beside it, as in a bundle."""
    parts = [f"# {quoted(report.title)}"]
    for number, panel in enumerate(report.panels, 1):
        parts += _panel(number, panel, (links or {}).get(panel.id, ()))
        parts += _threads([thread for thread in report.threads if thread.panel == panel.id])
    return "\n\n".join(part for part in parts if part) + "\n"


def heading(number: int, run: RunRecord) -> str:
    """What a panel is called: its number, its method's title and its model."""
    return f"{number}. {quoted(method_title(run.method))} ({quoted(run.model)})"


def method_title(stem: str) -> str:
    """The menu text of a method up to its colon; of one that is not known here, its stem."""
    try:
        return method_get(stem).title.partition(":")[0]
    except UnknownMethod:
        return stem


def params_table(run: RunRecord) -> str:
    """The params that differ from their defaults."""
    changed = changed_params(run)
    if not changed:
        return "All parameters are the defaults."
    return _table(("parameter", "value"), [(name, _json(value)) for name, value in changed.items()])


def numbers_table(run: RunRecord) -> str:
    """The main numbers, as the notebook prints them."""
    rows = main_numbers(event.value for event in run.events)
    return _table(("number", "value"), rows) if rows else ""


def outcome(run: RunRecord) -> str:
    """How the run ended, where that was not well."""
    if run.status == "done":
        return ""
    why = f": {quoted(str(run.error['message']))}" if run.error else ""
    return f"**{run.status}**{why}"


def _panel(number: int, panel: Panel, links: Sequence[str]) -> Iterator[str]:
    if panel.run is None:
        yield markdown_safe(panel.text)
        return
    yield f"## {heading(number, panel.run)}"
    yield markdown_safe(panel.text)
    yield outcome(panel.run)
    yield params_table(panel.run)
    yield numbers_table(panel.run)
    yield "\n".join(f"- [{quoted(link.rpartition('/')[2])}]({link})" for link in links)
    yield f"*{quoted(provenance(panel.run))}*"


def _threads(threads: Sequence[Thread]) -> Iterator[str]:
    for thread in threads:
        state = ", resolved" if thread.resolved_at else ""
        yield f"**On {quoted(_json(thread.anchor))}**{state}"
        for comment in thread.comments:
            said = markdown_safe(comment.body).replace("\n", "\n> ")
            yield f"> {quoted(comment.author)}, {quoted(comment.created_at[:16])}: {said}"


def _table(columns: Sequence[str], rows: Sequence[tuple[str, str]]) -> str:
    lines = [columns, ["---"] * len(columns), *([quoted(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _json(value: Any) -> str:
    return (
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    )
