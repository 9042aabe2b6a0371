"""Reports over HTTP: export of a session, import of a bundle."""

from typing import Annotated
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.http import content_disposition_header
from django.utils.text import slugify
from ninja import Router, Status
from pydantic import BaseModel, ConfigDict, Field

from workbench.accounts.visitor import request_visitor
from workbench.answers import REFUSALS, ErrorOut
from workbench.audit.models import Action
from workbench.audit.services import audit
from workbench.errors import TooLarge
from workbench.reports.confined import bundle_read_confined
from workbench.reports.export import KINDS, Format, report_build
from workbench.reports.imports import bundle_import
from workbench.reports.limits import report_place
from workbench.reports.session_selectors import session_report
from workbench.routes.auth import guests
from workbench.sessions.schemas import SessionOut
from workbench.sessions.selectors import session_get, session_snapshot

router = Router(tags=["reports"])


class ExportIn(BaseModel):
    """The content of a report; captions and notes are those of the session."""

    model_config = ConfigDict(extra="forbid")

    format: Format
    panels: list[Annotated[str, Field(max_length=36)]] = Field(
        min_length=1, max_length=100, description="In the order of the report."
    )
    title: str = Field("", max_length=200, description="Empty: that of the session.")
    comments: bool = True


@router.post(
    "/sessions/{session_id}/exports",
    auth=guests,
    response={200: None, REFUSALS: ErrorOut},
    operation_id="session_export",
)
def export(request: HttpRequest, session_id: UUID, body: ExportIn) -> HttpResponse:
    """A report of these panels as a file."""
    visitor = request_visitor(request)
    session = session_get(visitor=visitor, session=session_id)
    with report_place():
        report = session_report(
            session=session, panels=body.panels, title=body.title.strip(), comments=body.comments
        )
        content = report_build(report, format=body.format)
    audit(
        Action.SESSION_EXPORTED,
        actor=visitor.user,
        actor_name=visitor.name,
        kind="session",
        object_id=session.pk,
        session=session.pk,
        detail={"format": body.format, "panels": len(report.panels)},
    )
    return _file(content, name=report.title, format=body.format)


@router.post(
    "/imports", response={201: SessionOut, REFUSALS: ErrorOut}, operation_id="bundle_import"
)
def import_bundle(request: HttpRequest) -> Status[SessionOut]:
    """Create a session from a bundle; the body is the bundle itself."""
    visitor = request_visitor(request)
    content = request.read(settings.MAX_IMPORT_BYTES + 1)
    if len(content) > settings.MAX_IMPORT_BYTES:
        raise TooLarge(
            f"The bundle is larger than {settings.MAX_IMPORT_BYTES} bytes.",
            remedy="Export fewer panels, or set MAX_IMPORT_BYTES.",
        )
    with report_place():
        session = bundle_import(owner=visitor.account, content=content, read=bundle_read_confined)
    return Status(201, session_snapshot(visitor=visitor, session=session))


def _file(content: bytes, *, name: str, format: Format) -> HttpResponse:
    kind = KINDS[format]
    stem = slugify(name, allow_unicode=True)[:80] or "report"
    answer = HttpResponse(content, content_type=kind.content_type)
    answer["Content-Disposition"] = content_disposition_header(
        as_attachment=True, filename=f"{stem}.{kind.suffix}"
    )
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Cache-Control"] = "private, no-store"
    return answer
