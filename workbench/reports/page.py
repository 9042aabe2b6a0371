"""What the report page reads, as JSON inside it; `manage.py schema` writes it out for the page."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from analysis.catalog.dtypes import Dtype
from analysis.errors import UnknownMethod
from workbench.catalog.methods import method_get
from workbench.reports.document import PanelRecord, Report, RunRecord, ThreadRecord


class PagePart(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PageComment(PagePart):
    author: str
    body: str
    created_at: str
    edited: bool


class PageThread(PagePart):
    anchor: dict[str, Any] = Field(description="What is commented, by the run's own indices.")
    resolved: bool
    comments: list[PageComment]


class PageRun(PagePart):
    """A run but for its events: these are in the element with the id `events-<number of panel>`."""

    id: str
    method: str
    method_version: str
    title: str = Field(description="What the method is called.")
    model: str
    revision: str | None
    params: dict[str, Any]
    dtype: Dtype
    defaults: dict[str, Any]
    status: str
    problem: str | None = Field(description="Why it failed.")
    started_at: str | None
    finished_at: str | None


class PagePanel(PagePart):
    """A run with its caption, or a note; `text` is Markdown."""

    id: str
    text: str
    state: dict[str, str] = Field(description="The view's state, as in the address of a run.")
    run: PageRun | None
    threads: list[PageThread]


class PageReport(PagePart):
    """All of the report but what its views draw from."""

    title: str
    owner: str
    made_at: str
    panels: list[PagePanel]


class FigureFiles(PagePart):
    """A figure as the page gives it away; `svg` and `png` are null where only a table is drawn.

    `png` is in base64, and null too where the picture is larger than a canvas can be.
    """

    panel: str
    stem: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,80}$")
    title: str
    csv: str
    svg: str | None
    png: str | None


def page_report(report: Report, *, made_at: str) -> PageReport:
    """The report as the page reads it. Threads on panels that were left out are left out."""
    return PageReport(
        title=report.title,
        owner=report.owner,
        made_at=made_at,
        panels=[_panel(panel, report.threads) for panel in report.panels],
    )


def page_schema() -> dict[str, Any]:
    named = (PageReport, FigureFiles)
    return {one.__name__: one.model_json_schema(mode="serialization") for one in named}


def _panel(panel: PanelRecord, threads: tuple[ThreadRecord, ...]) -> PagePanel:
    return PagePanel(
        id=panel.id,
        text=panel.text,
        state=panel.state,
        run=_run(panel.run) if panel.run else None,
        threads=[_thread(thread) for thread in threads if thread.panel == panel.id],
    )


def _run(run: RunRecord) -> PageRun:
    return PageRun(
        id=run.id,
        method=run.method,
        method_version=run.method_version,
        title=_title(run.method),
        model=run.model,
        revision=run.revision,
        params=run.params,
        dtype=run.dtype,
        defaults=run.defaults,
        status=run.status,
        problem=str(run.error["message"]) if run.error else None,
        started_at=run.started_at,
        finished_at=run.finished_at,
    )


def _title(stem: str) -> str:
    """The menu text of the method; of one that this server does not know, its stem."""
    try:
        return method_get(stem).title
    except UnknownMethod:
        return stem


def _thread(thread: ThreadRecord) -> PageThread:
    return PageThread(
        anchor=thread.anchor,
        resolved=thread.resolved_at is not None,
        comments=[
            PageComment(
                author=comment.author,
                body=comment.body,
                created_at=comment.created_at,
                edited=comment.edited_at is not None,
            )
            for comment in thread.comments
        ],
    )
