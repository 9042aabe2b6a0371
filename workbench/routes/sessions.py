"""Sessions over HTTP, and the search in sessions and runs."""

import uuid
from typing import Annotated
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router, Status
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from workbench.accounts.visitor import request_visitor
from workbench.answers import REFUSALS, ErrorOut
from workbench.routes.auth import guests
from workbench.runs.schemas import RunOut
from workbench.runs.selectors import page_limit, run_snapshots
from workbench.sessions.models import Session
from workbench.sessions.run_access import run_search
from workbench.sessions.schemas import SessionOut
from workbench.sessions.selectors import (
    session_get,
    session_list,
    session_snapshot,
    session_snapshots,
)
from workbench.sessions.services import (
    TITLE_LENGTH,
    run_attach,
    run_detach,
    session_change,
    session_create,
    session_delete,
    session_duplicate,
)

SEARCH_LIMIT = 20

Title = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=TITLE_LENGTH)
]
Text = Annotated[str, Query(max_length=200)]

router = Router(tags=["sessions"], auth=guests)


class RequestBody(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SessionIn(RequestBody):
    """The page chooses the id, so that a repeated request creates no second session."""

    id: UUID | None = None
    title: Title
    template: UUID | None = Field(None, description="The session whose content is copied.")


class CopyIn(RequestBody):
    id: UUID | None = None


class SessionChangeIn(RequestBody):
    """Omitted fields stay unchanged. `archived` and `template` need the role owner."""

    title: Title | None = None
    archived: bool | None = None
    template: bool | None = None


class SessionRunIn(RequestBody):
    run: UUID


class FoundOut(BaseModel):
    """At most 20 of each, latest first."""

    sessions: list[SessionOut]
    runs: list[RunOut]


@router.get(
    "/sessions", response={200: list[SessionOut], REFUSALS: ErrorOut}, operation_id="session_list"
)
def sessions(
    request: HttpRequest,
    query: Text = "",
    archived: bool = False,  # noqa: FBT001, FBT002 (named in the address)
    template: bool | None = None,  # noqa: FBT001
    before: UUID | None = None,
    limit: int = 50,
) -> list[SessionOut]:
    """Sessions that the visitor may read, last changed first; `before`: those after this one."""
    visitor = request_visitor(request)
    rows = session_list(
        visitor=visitor,
        limit=page_limit(limit, most=200),
        query=query,
        archived=archived,
        template=template,
        before=before,
    )
    return session_snapshots(visitor=visitor, sessions=rows)


@router.post(
    "/sessions",
    response={200: SessionOut, 201: SessionOut, REFUSALS: ErrorOut},
    operation_id="session_create",
)
def create(request: HttpRequest, body: SessionIn) -> Status[SessionOut]:
    created = session_create(
        visitor=request_visitor(request),
        title=body.title,
        session=body.id or uuid.uuid4(),
        template=body.template,
    )
    return _created(request, *created)


@router.get(
    "/sessions/{session}",
    response={200: SessionOut, REFUSALS: ErrorOut},
    operation_id="session_get",
)
def get(request: HttpRequest, session: str) -> SessionOut:
    return _shown(request, session_get(visitor=request_visitor(request), session=session))


@router.patch(
    "/sessions/{session}",
    response={200: SessionOut, REFUSALS: ErrorOut},
    operation_id="session_change",
)
def change(request: HttpRequest, session: UUID, body: SessionChangeIn) -> SessionOut:
    changed = session_change(visitor=request_visitor(request), session=session, **body.model_dump())
    return _shown(request, changed)


@router.delete(
    "/sessions/{session}", response={204: None, REFUSALS: ErrorOut}, operation_id="session_delete"
)
def delete(request: HttpRequest, session: UUID) -> Status[None]:
    session_delete(visitor=request_visitor(request), session=session)
    return Status(204, None)


@router.post(
    "/sessions/{session}/duplicate",
    response={200: SessionOut, 201: SessionOut, REFUSALS: ErrorOut},
    operation_id="session_duplicate",
)
def duplicate(
    request: HttpRequest, session: UUID, body: CopyIn | None = None
) -> Status[SessionOut]:
    copy = body.id if body and body.id else uuid.uuid4()
    created = session_duplicate(visitor=request_visitor(request), session=session, copy=copy)
    return _created(request, *created)


@router.post(
    "/sessions/{session}/runs",
    response={204: None, REFUSALS: ErrorOut},
    operation_id="session_run_attach",
)
def attach(request: HttpRequest, session: UUID, body: SessionRunIn) -> Status[None]:
    run_attach(visitor=request_visitor(request), session=session, run=body.run)
    return Status(204, None)


@router.delete(
    "/sessions/{session}/runs/{run}",
    response={204: None, REFUSALS: ErrorOut},
    operation_id="session_run_detach",
)
def detach(request: HttpRequest, session: UUID, run: UUID) -> Status[None]:
    run_detach(visitor=request_visitor(request), session=session, run=run)
    return Status(204, None)


@router.get("/search", response={200: FoundOut, REFUSALS: ErrorOut}, operation_id="search")
def search(request: HttpRequest, query: Text) -> FoundOut:
    """Sessions by title, notes and captions; runs by method, model and params."""
    visitor = request_visitor(request)
    sessions = session_list(visitor=visitor, limit=SEARCH_LIMIT, query=query)
    runs = run_search(visitor=visitor, query=query, limit=SEARCH_LIMIT)
    return FoundOut(
        sessions=session_snapshots(visitor=visitor, sessions=sessions), runs=run_snapshots(runs)
    )


def _shown(request: HttpRequest, session: Session) -> SessionOut:
    return session_snapshot(visitor=request_visitor(request), session=session)


def _created(request: HttpRequest, session: Session, new: bool) -> Status[SessionOut]:  # noqa: FBT001
    return Status(201 if new else 200, _shown(request, session))
