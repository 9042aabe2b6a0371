"""A report as one .zip: results, provenance, and formats that other programs read.

manifest.json, report.md, notebook.ipynb, comments.json and .csv; uploads/; and for each run a
folder with events.jsonl, arrays.npz, pictures/, tables/ and figures/. Equal reports give equal
bytes. All but the figures follow from manifest.json, comments.json, the events and the arrays.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from analysis.environment import GLASSBENCH
from workbench.reports.archive import MAX_BYTES, MAX_FILES, archive_write
from workbench.reports.arrays import arrays_write
from workbench.reports.document import CommentRecord, PanelRecord, Report, RunRecord, ThreadRecord
from workbench.reports.errors import ReportTooLarge
from workbench.reports.figures import figures_of
from workbench.reports.manifest import (
    ErrorPart,
    FilePart,
    Manifest,
    PanelPart,
    RunPart,
    SessionPart,
    models_part,
)
from workbench.reports.markdown import markdown_build
from workbench.reports.notebook import notebook_build
from workbench.reports.provenance import provenance
from workbench.reports.tables import tables_write, to_csv

MANIFEST, COMMENTS = "manifest.json", "comments.json"
EVENTS, ARRAYS = "events.jsonl", "arrays.npz"
FIGURES = "figures"
COLUMNS = ("thread", "panel", "anchor", "resolved_at", "author", "created_at", "edited_at", "body")
FilesByPanel = Mapping[str, Mapping[str, bytes]]  # by panel: files by name


def bundle_build(report: Report, *, figures: FilesByPanel | None = None) -> bytes:
    """The .zip. Raises ReportTooLarge."""
    files = bundle_files(report, figures=figures or {})
    size = sum(map(len, files.values()))
    if size > MAX_BYTES or len(files) > MAX_FILES:
        raise ReportTooLarge(
            f"The bundle would hold {len(files)} files of {size} bytes; the limits are {MAX_FILES} "
            f"files and {MAX_BYTES} bytes.",
            remedy="Choose fewer panels.",
        )
    return archive_write(files)


def bundle_files(report: Report, *, figures: FilesByPanel) -> dict[str, bytes]:
    """All files by name."""
    files: dict[str, bytes] = {}
    for number, panel in enumerate(report.panels, 1):
        if panel.run:
            folder = panel_folder(number, panel)
            for name, content in _run_files(panel.run).items():
                files[f"{folder}/{name}"] = content
            for name, content in figures.get(panel.id, {}).items():
                files[f"{folder}/{FIGURES}/{name}"] = content
    for run in report.runs:
        files |= {f"uploads/{sha256}.png": run.uploads[sha256] for sha256 in run.uploads}
    numbered = enumerate(report.panels, 1)
    links = {panel.id: _links(files, number, panel) for number, panel in numbered}
    drawn = {
        panel.id: figures_of(
            figures.get(panel.id, {}), folder=f"{panel_folder(number, panel)}/{FIGURES}"
        )
        for number, panel in enumerate(report.panels, 1)
    }
    files["report.md"] = markdown_build(report, links=links, figures=drawn).encode()
    files["notebook.ipynb"] = notebook_build(report).encode()
    files |= comment_files(report.threads)
    try:
        files[MANIFEST] = _json(manifest(report, files).model_dump(mode="json"))
    except ValidationError as error:
        raise _beyond(error) from None
    return files


def panel_folder(number: int, panel: PanelRecord) -> str:
    """The folder of a panel's files; panels are numbered from 1."""
    return f"panels/{number:02}-{panel.run.method if panel.run else 'note'}"


def manifest(report: Report, files: Mapping[str, bytes]) -> Manifest:
    """The manifest of a report in these files."""
    return Manifest(
        glassbench=GLASSBENCH,
        title=report.title,
        session=_session(report),
        panels=[_panel(number, panel) for number, panel in enumerate(report.panels, 1)],
        models=models_part(report.runs),
        files={name: _file(files[name]) for name in sorted(files)},
    )


def comment_files(threads: tuple[ThreadRecord, ...]) -> dict[str, bytes]:
    """The comments as JSON and as CSV; no files if there are no comments."""
    if not threads:
        return {}
    rows = [_comment_row(thread, comment) for thread in threads for comment in thread.comments]
    return {
        COMMENTS: _json([asdict(thread) for thread in threads]),
        "comments.csv": to_csv([COLUMNS, *rows]).encode(),
    }


def event_line(seq: int, at: str, payload: str) -> str:
    """An event as a line of events.jsonl, with the payload unchanged."""
    return f'{{"seq":{seq},"at":"{at}","event":{payload}}}\n'


def _run_files(run: RunRecord) -> dict[str, bytes]:
    lines = "".join(event_line(event.seq, event.at, event.payload) for event in run.events)
    files = {EVENTS: lines.encode()}
    if run.arrays:
        files[ARRAYS] = arrays_write(run)
    for sha256, ref in run.pictures.items():
        files[f"pictures/{sha256}.png"] = run.content(ref)
    return files | {f"tables/{name}": table for name, table in tables_write(run).items()}


def _links(files: Mapping[str, bytes], number: int, panel: PanelRecord) -> list[str]:
    """The files that the report links to: figures, tables, arrays."""
    folder = panel_folder(number, panel)
    shown = (f"{folder}/{FIGURES}/", f"{folder}/tables/", f"{folder}/{ARRAYS}")
    return sorted(name for name in files if name.startswith(shown))


def _session(report: Report) -> SessionPart | None:
    if report.id is None or report.created_at is None:
        return None
    return SessionPart(id=report.id, owner=report.owner, created_at=report.created_at)


def _panel(number: int, panel: PanelRecord) -> PanelPart:
    return PanelPart(
        id=panel.id,
        folder=panel_folder(number, panel),
        text=panel.text,
        state=panel.state,
        span=panel.span,
        height=panel.height,
        run=_run(panel.run) if panel.run else None,
    )


def _run(run: RunRecord) -> RunPart:
    seed = run.params.get("seed")
    return RunPart(
        id=run.id,
        method=run.method,
        method_version=run.method_version,
        model=run.model,
        revision=run.revision,
        params=run.params,
        defaults=run.defaults,
        seed=seed if isinstance(seed, int) else None,
        status=run.status,
        error=ErrorPart(**run.error) if run.error else None,
        attempt=run.attempt,
        created_at=run.created_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
        seconds=_seconds(run),
        environment=run.environment,
        self_check=(run.info or {}).get("self_check"),
        provenance=provenance(run),
        dtype=run.dtype,
    )


def _seconds(run: RunRecord) -> float | None:
    if run.started_at is None or run.finished_at is None:
        return None
    took = datetime.fromisoformat(run.finished_at) - datetime.fromisoformat(run.started_at)
    return took.total_seconds()


def _comment_row(thread: ThreadRecord, comment: CommentRecord) -> list[str | None]:
    anchor = json.dumps(thread.anchor, ensure_ascii=False, sort_keys=True)
    cells = [comment.author, comment.created_at, comment.edited_at, comment.body]
    return [thread.id, thread.panel, anchor, thread.resolved_at, *cells]


def _beyond(error: ValidationError) -> ReportTooLarge:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    return ReportTooLarge(
        f"The report does not fit a bundle: {where}: {first['msg']}.",
        remedy="Shorten that text, or leave its panel out.",
    )


def _file(content: bytes) -> FilePart:
    return FilePart(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def _json(value: Any) -> bytes:
    text = json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True, allow_nan=False)
    return f"{text}\n".encode()
