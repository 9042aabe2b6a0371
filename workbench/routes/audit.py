"""The audit log of a session, for its owner."""

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from ninja import Router
from pydantic import BaseModel, Field

from workbench.accounts.visitor import request_visitor
from workbench.answers import REFUSALS, ErrorOut
from workbench.audit.models import AuditEntry
from workbench.audit.selectors import audit_of_session
from workbench.runs.selectors import page_limit
from workbench.sessions.roles import Role
from workbench.sessions.selectors import session_get

EntryId = Annotated[int, Field(ge=1, le=2**63 - 1)]

router = Router(tags=["sessions"])


class AuditOut(BaseModel):
    """An action. Names of deleted accounts are empty."""

    id: int
    at: datetime
    action: str
    actor: str
    subject: str = Field(description="The affected user, if any.")
    kind: str = Field(description="Of the object: session, link.")
    object: str
    detail: dict[str, str | int | bool | None]


@router.get(
    "/sessions/{session_id}/audit",
    response={200: list[AuditOut], REFUSALS: ErrorOut},
    operation_id="session_audit",
)
def log(
    request: HttpRequest, session_id: str, limit: int = 100, before: EntryId | None = None
) -> list[AuditOut]:
    """Entries about the session, latest first; `before`: only those older than this entry."""
    session = session_get(visitor=request_visitor(request), session=session_id, needs=Role.OWNER)
    most = page_limit(limit, most=500)
    return [_out(row) for row in audit_of_session(session=session.pk, limit=most, before=before)]


def _out(row: AuditEntry) -> AuditOut:
    return AuditOut(
        id=row.pk,
        at=row.at,
        action=row.action,
        actor=row.actor_name,
        subject=row.subject_name,
        kind=row.kind,
        object=row.object_id,
        detail=row.detail,
    )
