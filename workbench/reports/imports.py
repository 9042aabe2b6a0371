"""Creates a session from a bundle: everything is checked first, nothing is executed.

Runs, threads and comments get new ids; the original ids are stored, so that an export gives the
same bundle again. Names of people stay texts: they are not matched with accounts here.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from workbench.audit.models import Action
from workbench.audit.services import audit
from workbench.catalog.methods import method_get, method_known
from workbench.reports.document import CommentRecord, PanelRecord, Report, RunRecord, ThreadRecord
from workbench.reports.errors import BundleRefused
from workbench.reports.event_schema import drawn_by
from workbench.reports.pictures import png_size
from workbench.reports.reading import Bundle, bundle_read, refuse_altered
from workbench.runs.artifacts import artifact_save, artifacts_link
from workbench.runs.models import Run, RunEvent
from workbench.runs.params import params_check
from workbench.sessions import models as sessions
from workbench.sessions.crdt import SharedDocument
from workbench.sessions.document import (
    PanelNote,
    PanelRun,
    SessionDocument,
    document_bytes,
    in_order,
)
from workbench.sessions.services import check_session_count
from workbench.sessions.store import document_create
from workbench.uploads.services import upload_restore


def bundle_import(
    *, owner: User, content: bytes, read: Callable[[bytes], Bundle] = bundle_read
) -> sessions.Session:
    """The new session; `read` reads the bundle.

    Raises BundleUnreadable, BundleRefused, InvalidBody, InvalidText, InvalidParams, UpdateRefused,
    TooManyUploads, TooManySessions.
    """
    bundle = read(content)
    refuse_altered(bundle)
    runs = _runs(bundle.report)
    for run in runs.values():
        _check_run(run)
    ids = {run: uuid4() for run in runs}
    document = _document(bundle.report, ids)
    SharedDocument().apply(document_bytes(document))  # checks it like any change of a session
    with transaction.atomic():
        check_session_count(owner)
        session = _session(owner, bundle, sha256=hashlib.sha256(content).hexdigest())
        created = {run: _run(owner, session, ids[run], record) for run, record in runs.items()}
        document_create(session=session, document=document)
        _keep_ids(session, _threads(session, bundle.report, created))
        _audit(owner, session, bundle.report)
    return session


def _runs(report: Report) -> dict[str, RunRecord]:
    """The runs by id; several panels may show one. Raises BundleRefused."""
    runs: dict[str, RunRecord] = {}
    for run in report.runs:
        if runs.setdefault(run.id, run) != run:
            raise BundleRefused(
                f"Two different runs have the id {run.id}.", remedy="Export it again."
            )
    return runs


def _check_run(run: RunRecord) -> None:
    """Refuse params that the method does not accept. Raises InvalidParams, BundleRefused."""
    if not method_known(run.method, run.method_version):
        return
    if params_check(method=method_get(run.method), params=run.params) != run.params:
        raise BundleRefused(
            f"The params of run {run.id} are not as {run.method} stores them.",
            remedy="Export it again.",
        )


def _session(owner: User, bundle: Bundle, *, sha256: str) -> sessions.Session:
    report = bundle.report
    shown = {
        "sha256": sha256,
        "glassbench": bundle.manifest.glassbench,
        "owner": report.owner,
        "session": report.id,
        "at": timezone.now().isoformat(timespec="seconds"),
    }
    original = {"id": report.id, "owner": report.owner, "created_at": report.created_at}
    return sessions.Session.objects.create(
        owner=owner, title=report.title, imported={"shown": shown, "kept": original}
    )


def _keep_ids(session: sessions.Session, ids: dict[str, str]) -> None:
    assert session.imported is not None
    session.imported["kept"]["ids"] = ids
    session.save(update_fields=["imported"])


def _audit(owner: User, session: sessions.Session, report: Report) -> None:
    audit(
        Action.SESSION_IMPORTED,
        actor=owner,
        kind="session",
        object_id=session.pk,
        session=session.pk,
        detail={"panels": len(report.panels), "runs": len(report.runs)},
    )


def _document(report: Report, ids: dict[str, UUID]) -> SessionDocument:
    panels = (_panel(panel, ids) for panel in report.panels)
    return SessionDocument(title=report.title, panels=in_order(panels))


def _panel(panel: PanelRecord, ids: dict[str, UUID]) -> PanelRun | PanelNote:
    place: dict[str, Any] = {"place": "", "span": panel.span, "height": panel.height}
    if panel.run is None:
        return PanelNote(id=panel.id, text=panel.text, state=panel.state, **place)
    run = ids[panel.run.id]
    return PanelRun(id=panel.id, run=run, caption=panel.text, state=panel.state, **place)


def _run(owner: User, session: sessions.Session, run_id: UUID, record: RunRecord) -> Run:
    run = Run.objects.create(
        id=run_id,
        owner=owner,
        method=record.method,
        method_version=record.method_version,
        model=record.model,
        revision=record.revision or "",
        params=record.params,
        dtype=record.dtype,
        queue="",
        status=record.status,
        attempt=record.attempt,
        error=record.error,
        environment=record.environment,
        imported={
            "run": record.id,
            "defaults": record.defaults,
            "checked": drawn_by(record.method, (event.value for event in record.events)),
        },
        created_at=_time(record.created_at),
        started_at=_time(record.started_at),
        finished_at=_time(record.finished_at),
    )
    _events(run, record)
    for content in record.uploads.values():
        upload_restore(owner=owner.pk, content=content, size=png_size(content))
    sessions.SessionRun.objects.create(session=session, run=run, added_by=owner)
    return run


def _events(run: Run, record: RunRecord) -> None:
    for sha256, content in record.files.items():
        artifact_save(sha256=sha256, content=content)
    sizes = {sha256: len(content) for sha256, content in record.files.items()}
    artifacts_link(run=run, artifacts=sizes)
    RunEvent.objects.bulk_create(
        (
            RunEvent(
                run=run,
                attempt=run.attempt,
                seq=event.seq,
                at=_time(event.at),
                payload=event.payload,
            )
            for event in record.events
        ),
        batch_size=1000,
    )


def _threads(session: sessions.Session, report: Report, runs: dict[str, Run]) -> dict[str, str]:
    """Write the threads; returns the original ids of threads and comments by their new ids."""
    of_panel = {panel.id: panel.run for panel in report.panels}
    ids: dict[str, str] = {}
    for thread in report.threads:
        record = of_panel[thread.panel]
        session.said += 1  # a page reads the threads whose count is above the one that it has
        created = _thread(session, thread, runs[record.id] if record else None)
        ids[str(created.pk)] = thread.id
        for comment in thread.comments:
            ids[str(_comment(created, comment).pk)] = comment.id
    session.save(update_fields=["said"])
    return ids


def _thread(session: sessions.Session, thread: ThreadRecord, run: Run | None) -> sessions.Thread:
    return sessions.Thread.objects.create(
        session=session,
        run=run,
        panel=thread.panel,
        anchor=thread.anchor,
        said=session.said,
        created_at=_time(thread.created_at),
        resolved_at=_time(thread.resolved_at),
    )


def _comment(thread: sessions.Thread, comment: CommentRecord) -> sessions.Comment:
    return sessions.Comment.objects.create(
        thread=thread,
        author_name=comment.author,
        body=comment.body,
        created_at=_time(comment.created_at),
        edited_at=_time(comment.edited_at),
    )


def _time(text: str | None) -> Any:
    return None if text is None else datetime.fromisoformat(text)
