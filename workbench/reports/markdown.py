"""A report as Markdown: inputs, the model's text, findings, figures and tables.

The sentences about a method's results come from the method (`analysis.findings`); the tables are
those that the page shows with its figures.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from analysis import findings
from analysis.errors import UnknownMethod
from analysis.findings import Recorded
from analysis.summary import main_numbers
from workbench.catalog.methods import method_get
from workbench.reports.anchor_names import anchor_name
from workbench.reports.document import PanelRecord, Report, RunRecord, ThreadRecord
from workbench.reports.figures import Figure
from workbench.reports.provenance import changed_params, provenance, warning
from workbench.reports.text import markdown_safe, quoted

log = logging.getLogger(__name__)
TEXTS = (
    "prompt",
    "prefix",
    "question",
    "continuation",
    "answer",
)  # params with texts for the model
SEGMENTS = "segments"
# Raised for events of another version of the method, as in an imported bundle.
ANOTHER_FORM = (AssertionError, AttributeError, LookupError, TypeError, ValueError)
FiguresByPanel = Mapping[str, Sequence[Figure]]  # by panel


def markdown_build(
    report: Report,
    *,
    links: Mapping[str, Sequence[str]] | None = None,
    figures: FiguresByPanel | None = None,
) -> str:
    """The report. `links`: by panel, the files to link to, as in a bundle."""
    parts = [f"# {quoted(report.title)}"]
    for number, panel in enumerate(report.panels, 1):
        shown = (figures or {}).get(panel.id, ())
        parts += _panel(number, panel, (links or {}).get(panel.id, ()), shown)
        names = _tokens(panel.run) if panel.run else []
        parts += _threads([one for one in report.threads if one.panel == panel.id], names)
    return "\n\n".join(part for part in parts if part) + "\n"


def recorded(run: RunRecord) -> Recorded:
    """The run in the form that `analysis.findings` reads."""
    return Recorded(tuple(event.value for event in run.events), run.files.__getitem__)


def heading(number: int, run: RunRecord) -> str:
    """A panel's heading: its number, its method's title and its model."""
    return f"{number}. {quoted(method_title(run.method))} ({quoted(run.model)})"


def method_title(stem: str) -> str:
    """A method's menu text up to its colon; its stem if this server does not know it."""
    try:
        return method_get(stem).title.partition(":")[0]
    except UnknownMethod:
        return stem


def method_words(stem: str) -> str:
    """A method's menu text: its name and the question that it answers."""
    try:
        return method_get(stem).title
    except UnknownMethod:
        return stem


def params_table(run: RunRecord) -> str:
    """The params that differ from their defaults, without the texts for the model."""
    asked = {*TEXTS, SEGMENTS}
    changed = {name: value for name, value in changed_params(run).items() if name not in asked}
    if not changed:
        return "All other parameters are the defaults."
    return _table(("parameter", "value"), [(name, _json(value)) for name, value in changed.items()])


def numbers_table(run: RunRecord) -> str:
    """The main numbers, as the notebook prints them."""
    rows = main_numbers(event.value for event in run.events)
    return _table(("number", "value"), rows) if rows else ""


def outcome(run: RunRecord) -> str:
    """How the run ended, unless it is done."""
    if run.status == "done":
        return ""
    why = f": {quoted(str(run.error['message']))}" if run.error else ""
    return f"**{run.status}**{why}"


def _panel(
    number: int, panel: PanelRecord, links: Sequence[str], figures: Sequence[Figure]
) -> Iterator[str]:
    if panel.run is None:
        yield markdown_safe(panel.text)
        return
    yield f"## {heading(number, panel.run)}"
    yield markdown_safe(panel.text)
    yield outcome(panel.run)
    yield from _asked(panel.run)
    sentences = list(_findings(panel.run))
    yield from sentences
    for figure in figures:
        yield from _figure(figure)
    yield params_table(panel.run)
    yield "" if sentences else numbers_table(panel.run)
    yield "\n".join(f"- [{quoted(link.rpartition('/')[2])}]({link})" for link in links)
    yield _warning(panel.run)
    yield f"*{quoted(provenance(panel.run))}*"


def _warning(run: RunRecord) -> str:
    text = warning(run)
    return f"**{quoted(text)}**" if text else ""


def _asked(run: RunRecord) -> Iterator[str]:
    """The method and the texts for the model."""
    yield f"**Method.** {quoted(method_words(run.method))}"
    params = run.params
    for name in TEXTS:
        if isinstance(params.get(name), str) and params[name]:
            yield f"**{name.capitalize()}.** {quoted(params[name])}"
    own = _of_run(findings.asked, run)
    if own and own != params.get("question"):
        yield f"**Question.** {quoted(own)}"
    if _lists(params, SEGMENTS):
        lines = (f"- {quoted(one['id'])}: {quoted(one['text'])}" for one in params[SEGMENTS])
        yield "**Segments.**\n\n" + "\n".join(lines)


def _lists(params: Mapping[str, Any], name: str) -> bool:
    """Whether the param is a list of texts with ids."""
    value = params.get(name) or []
    named = {"id", "text"}
    return isinstance(value, list) and bool(value) and all(named <= set(one) for one in value)


def _of_run(ask: Callable[[str, Recorded], Any], run: RunRecord) -> Any:
    """A finding of the run; None if its events are incomplete."""
    try:
        return ask(run.method, recorded(run))
    except ANOTHER_FORM:
        return None


def _findings(run: RunRecord) -> Iterator[str]:
    """The model's text and the method's findings; none if the events are incomplete."""
    source = recorded(run)
    try:
        text = findings.model_output(run.method, source)
        sentences = findings.findings(run.method, source)
    except ANOTHER_FORM as error:
        log.info("Run %s of %s gives no sentences: %r", run.id, run.method, error)
        return
    if text:
        yield f"**The model wrote.** {quoted(text)}"
    if sentences:
        yield "**Found.**\n\n" + "\n".join(f"- {quoted(sentence)}" for sentence in sentences)


def _tokens(run: RunRecord) -> list[str]:
    return _of_run(findings.tokens, run) or []


def _figure(figure: Figure) -> Iterator[str]:
    yield f"### {quoted(figure.title)}"
    if figure.picture:
        yield f"![{quoted(figure.title)}]({figure.picture})"
    if figure.rows:
        yield _table(figure.columns, figure.rows)
    if figure.more_rows and figure.table:
        yield f"{figure.more_rows} more rows are in [the table]({figure.table})."


def _threads(threads: Sequence[ThreadRecord], tokens: Sequence[str]) -> Iterator[str]:
    for thread in threads:
        state = ", resolved" if thread.resolved_at else ""
        yield f"**Comment on {quoted(anchor_name(thread.anchor, tokens))}**{state}"
        for comment in thread.comments:
            body = markdown_safe(comment.body).replace("\n", "\n> ")
            yield f"> {quoted(comment.author)}, {quoted(comment.created_at[:16])}: {body}"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = [quoted(name) for name in columns]
    lines = [head, ["---"] * len(columns), *([quoted(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _json(value: Any) -> str:
    """A text unchanged, edges between segments as arrows, other values as JSON."""
    if isinstance(value, str):
        return value
    edges = value if isinstance(value, list) else []
    if edges and all(isinstance(one, dict) and {"source", "target"} == set(one) for one in edges):
        return "; ".join(f"{one['source']} → {one['target']}" for one in edges)
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
