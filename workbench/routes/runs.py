"""Runs, their events and their arrays over HTTP."""

import json
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status
from pydantic import BaseModel, ConfigDict, Field

from analysis.catalog.dtypes import AUTO, Dtype
from workbench.accounts.local import is_operator
from workbench.accounts.visitor import request_visitor
from workbench.answers import REFUSALS, ErrorOut, unchanging
from workbench.routes.auth import guests
from workbench.runs import flags
from workbench.runs.schemas import RunOut
from workbench.runs.selectors import event_list, page_limit, run_snapshot, run_snapshots
from workbench.runs.services import run_cancel, run_delete
from workbench.sessions.run_access import (
    artifact_read,
    picture_read,
    run_get,
    run_ids_readable,
    run_list,
    run_own,
    run_stoppable,
)
from workbench.sessions.run_start import run_start
from workbench.sessions.selectors import session_get

EVENTS_PER_REQUEST = 1000
Ordinal = Annotated[int, Field(ge=0, le=2**31 - 1)]

router = Router(tags=["runs"], auth=guests)


class RunIn(BaseModel):
    """A run to start; the page chooses the id, so that a repeated request starts no second run."""

    model_config = ConfigDict(extra="forbid")

    id: UUID
    method: str = Field(max_length=100)
    model: str = Field(max_length=300)
    params: dict[str, Any] = Field(default_factory=dict)
    dtype: Dtype = Field(
        AUTO,
        description="Of all models of the run; auto: float32 on a CPU, the checkpoint's own on a "
        "GPU.",
    )
    session: UUID | None = Field(None, description="The session of the run; needs the role editor.")


class EventOut(BaseModel):
    seq: int
    at: datetime
    event: dict[str, Any]


class EventsOut(BaseModel):
    """A page of an attempt's events; `more`: request those after the last."""

    attempt: int
    events: list[EventOut]
    more: bool


class WorkerOut(BaseModel):
    """A live worker. `run` is shown only to those who may read it."""

    name: str = Field(description="Machine and process, for administrators; otherwise a number.")
    state: str = Field(description="starting (loads models) or ready.")
    device: str | None
    busy: bool
    run: UUID | None


class WorkersOut(BaseModel):
    workers: list[WorkerOut]


@router.post(
    "/runs", response={200: RunOut, 201: RunOut, REFUSALS: ErrorOut}, operation_id="run_create"
)
def create(request: HttpRequest, body: RunIn) -> Status[RunOut]:
    run, created = run_start(
        visitor=request_visitor(request),
        session=body.session,
        run=body.id,
        method=body.method,
        model=body.model,
        params=body.params,
        dtype=body.dtype,
    )
    return Status(201 if created else 200, run_snapshot(run))


@router.get("/runs", response={200: list[RunOut], REFUSALS: ErrorOut}, operation_id="run_list")
def runs(
    request: HttpRequest, limit: int = 50, before: str | None = None, session: UUID | None = None
) -> list[RunOut]:
    """The visitor's own runs, or those of a session."""
    visitor, most = request_visitor(request), page_limit(limit, most=200)
    of = session_get(visitor=visitor, session=session) if session else None
    return run_snapshots(run_list(visitor=visitor, limit=most, before=before, session=of))


@router.get("/runs/{run_id}", response={200: RunOut, REFUSALS: ErrorOut}, operation_id="run_get")
def get(request: HttpRequest, run_id: str) -> RunOut:
    return run_snapshot(run_get(visitor=request_visitor(request), run=run_id))


@router.post(
    "/runs/{run_id}/cancel", response={200: RunOut, REFUSALS: ErrorOut}, operation_id="run_cancel"
)
def cancel(request: HttpRequest, run_id: str) -> RunOut:
    return run_snapshot(run_cancel(run=run_stoppable(visitor=request_visitor(request), run=run_id)))


@router.delete(
    "/runs/{run_id}", response={204: None, REFUSALS: ErrorOut}, operation_id="run_delete"
)
def delete(request: HttpRequest, run_id: str) -> Status[None]:
    run_delete(run=run_own(visitor=request_visitor(request), run=run_id))
    return Status(204, None)


@router.get(
    "/runs/{run_id}/events",
    response={200: EventsOut, REFUSALS: ErrorOut},
    operation_id="run_events",
)
def events(
    request: HttpRequest, run_id: str, attempt: Ordinal = 0, after: Ordinal = 0
) -> EventsOut:
    """Events of an attempt (0: the latest) that follow `after`."""
    run = run_get(visitor=request_visitor(request), run=run_id)
    attempt = attempt or run.attempt
    rows = event_list(run=run, attempt=attempt, after=after, limit=EVENTS_PER_REQUEST + 1)
    shown = [
        EventOut(seq=row.seq, at=row.at, event=json.loads(row.payload))
        for row in rows[:EVENTS_PER_REQUEST]
    ]
    return EventsOut(attempt=attempt, events=shown, more=len(rows) > EVENTS_PER_REQUEST)


@router.get(
    "/artifacts/{sha256}.png", response={200: None, REFUSALS: ErrorOut}, operation_id="picture"
)
def picture(request: HttpRequest, sha256: str) -> HttpResponse:
    """The PNG file of a picture; it never changes."""
    content = picture_read(visitor=request_visitor(request), sha256=sha256)
    return unchanging(request, sha256, content, "image/png")


@router.get(
    "/artifacts/{sha256}", response={200: None, REFUSALS: ErrorOut}, operation_id="artifact"
)
def artifact(request: HttpRequest, sha256: str) -> HttpResponse:
    """The bytes of an array, little-endian and row-major; they never change."""
    content = artifact_read(visitor=request_visitor(request), sha256=sha256)
    return unchanging(request, sha256, content, "application/octet-stream")


@router.get("/worker", response={200: WorkersOut, REFUSALS: ErrorOut}, operation_id="workers")
def workers(request: HttpRequest) -> WorkersOut:
    """The live workers; without any, queued runs wait."""
    states = flags.worker_list()
    busy = [UUID(state["run"]) for state in states if state["run"]]
    shown = run_ids_readable(visitor=request_visitor(request), runs=busy)
    named = is_operator(request)
    numbered = enumerate(states, 1)
    return WorkersOut(
        workers=[_worker(state, shown, None if named else number) for number, state in numbered]
    )


def _worker(state: dict[str, Any], shown: set[UUID], number: int | None) -> WorkerOut:
    """The name of machine and process is shown only to operators."""
    run = UUID(state["run"]) if state["run"] else None
    name = state["name"] if number is None else f"worker {number}"
    shown_run = run if run in shown else None
    return WorkerOut(**{**state, "name": name, "run": shown_run}, busy=run is not None)
