"""Reads a session into a report. The caller checks that the visitor may read it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Prefetch

from analysis.errors import shortened
from workbench.reports.document import CommentRecord, PanelRecord, Report, ThreadRecord
from workbench.reports.errors import PanelUnknown
from workbench.reports.selectors import run_record, sorted_keys, time_text
from workbench.runs.models import Run
from workbench.sessions import models
from workbench.sessions.document import PanelNote, PanelRun
from workbench.sessions.models import Session
from workbench.sessions.store import document_get


def session_report(
    *,
    session: Session,
    panels: Sequence[str] | None = None,
    title: str | None = None,
    comments: bool = True,
) -> Report:
    """A report of these panels in this order, or of all panels that are marked for reports.

    Raises PanelUnknown, RunUnfinished.
    """
    chosen = tuple(_panels(session, panels))
    if not chosen:
        raise PanelUnknown("No panel is chosen.", remedy="Choose at least one panel.")
    original: dict[str, Any] = session.imported["kept"] if session.imported else {}
    ids: dict[str, str] = original.get("ids", {})
    return Report(
        title=title or session.title or "Untitled",
        panels=chosen,
        threads=_threads(session, {panel.id for panel in chosen}, ids) if comments else (),
        id=original.get("id", str(session.pk)),
        owner=original.get("owner", session.owner.get_username()),
        created_at=original.get("created_at", session.created_at.isoformat()),
    )


def _panels(session: Session, chosen: Sequence[str] | None) -> Iterator[PanelRecord]:
    panels = {panel.id: panel for panel in document_get(session=session.pk).panels}
    if chosen is None:
        chosen = [panel.id for panel in panels.values() if panel.report]
    runs = {run.pk: run for run in session.runs.select_related("owner", "cached_from")}
    for panel in dict.fromkeys(chosen):
        if panel not in panels:
            raise _no_panel(f"There is no panel {shortened(panel)}")
        yield _panel(panels[panel], runs)


def _panel(panel: PanelRun | PanelNote, runs: Mapping[UUID, Run]) -> PanelRecord:
    place: dict[str, Any] = {
        "state": dict(sorted(panel.state.items())),
        "span": panel.span,
        "height": panel.height,
    }
    if isinstance(panel, PanelNote):
        return PanelRecord(id=panel.id, text=panel.text, **place)
    if panel.run not in runs:
        raise _no_panel(f"The run of panel {shortened(panel.id)} is not in the session")
    return PanelRecord(
        id=panel.id, text=panel.caption, run=run_record(run=runs[panel.run]), **place
    )


def _threads(
    session: Session, panels: set[str], ids: Mapping[str, str]
) -> tuple[ThreadRecord, ...]:
    """The comments on these panels, oldest first; `ids`: original ids of an imported session."""
    rows = models.Thread.objects.filter(session=session, panel__in=panels)
    comments = models.Comment.objects.filter(deleted_at=None).select_related("author")
    threads = [
        _thread(thread, ids)
        for thread in rows.prefetch_related(Prefetch("comments", queryset=comments))
    ]
    answered = [thread for thread in threads if thread.comments]
    return tuple(sorted(answered, key=lambda thread: (thread.created_at, thread.id)))


def _thread(thread: models.Thread, ids: Mapping[str, str]) -> ThreadRecord:
    comments = [
        CommentRecord(
            id=ids.get(str(comment.pk), str(comment.pk)),
            author=comment.author.get_username() if comment.author else comment.author_name,
            body=comment.body,
            created_at=comment.created_at.isoformat(),
            edited_at=time_text(comment.edited_at),
        )
        for comment in thread.comments.all()
    ]
    return ThreadRecord(
        id=ids.get(str(thread.pk), str(thread.pk)),
        panel=thread.panel,
        anchor=sorted_keys(thread.anchor),
        comments=tuple(sorted(comments, key=lambda comment: (comment.created_at, comment.id))),
        created_at=thread.created_at.isoformat(),
        resolved_at=time_text(thread.resolved_at),
    )


def _no_panel(why: str) -> PanelUnknown:
    return PanelUnknown(f"{why}.", remedy="Leave it out, or load the session again.")
