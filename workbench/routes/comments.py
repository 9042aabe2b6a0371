"""Threads of comments over HTTP, also for guests with the role."""

from typing import Annotated
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Status
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from workbench.accounts.visitor import request_visitor
from workbench.answers import REFUSALS, ErrorOut
from workbench.routes.auth import guests
from workbench.sessions.anchors import Anchor
from workbench.sessions.comments import (
    MAX_BODY,
    comment_change,
    comment_create,
    comment_delete,
    thread_create,
    thread_resolve,
)
from workbench.sessions.schemas import ThreadOut
from workbench.sessions.threads import thread_list, thread_snapshot

Body = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_BODY)]

router = Router(tags=["comments"], auth=guests)


class CommentIn(BaseModel):
    """Plain text; @username mentions a member."""

    model_config = ConfigDict(extra="forbid")

    body: Body


class ThreadIn(CommentIn):
    """An anchor other than `panel` refers to a run of the session."""

    run: UUID | None = None
    panel: UUID
    anchor: Anchor

    @model_validator(mode="after")
    def _names_its_run(self) -> "ThreadIn":
        if self.run is None and self.anchor.type != "panel":
            raise ValueError(f"an anchor of type {self.anchor.type} takes a run")
        return self


class ThreadChangeIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    resolved: Annotated[bool, Field(strict=True)]


@router.get(
    "/sessions/{session}/threads",
    response={200: list[ThreadOut], REFUSALS: ErrorOut},
    operation_id="thread_list",
)
def threads(request: HttpRequest, session: UUID) -> list[ThreadOut]:
    """All threads of a session, oldest first."""
    return thread_list(visitor=request_visitor(request), session=session)


@router.post(
    "/sessions/{session}/threads",
    response={201: ThreadOut, REFUSALS: ErrorOut},
    operation_id="thread_create",
)
def begin(request: HttpRequest, session: UUID, body: ThreadIn) -> Status[ThreadOut]:
    thread = thread_create(
        visitor=request_visitor(request),
        session=session,
        run=body.run,
        panel=body.panel,
        anchor=body.anchor,
        body=body.body,
    )
    return Status(201, thread_snapshot(thread))


@router.patch(
    "/threads/{thread}",
    response={200: ThreadOut, REFUSALS: ErrorOut},
    operation_id="thread_change",
)
def resolve(request: HttpRequest, thread: UUID, body: ThreadChangeIn) -> ThreadOut:
    """Resolve a thread, or open it again."""
    thread_resolve(visitor=request_visitor(request), thread=thread, resolved=body.resolved)
    return thread_snapshot(thread)


@router.post(
    "/threads/{thread}/comments",
    response={201: ThreadOut, REFUSALS: ErrorOut},
    operation_id="comment_create",
)
def answer(request: HttpRequest, thread: UUID, body: CommentIn) -> Status[ThreadOut]:
    comment_create(visitor=request_visitor(request), thread=thread, body=body.body)
    return Status(201, thread_snapshot(thread))


@router.patch(
    "/comments/{comment}",
    response={200: ThreadOut, REFUSALS: ErrorOut},
    operation_id="comment_change",
)
def change(request: HttpRequest, comment: UUID, body: CommentIn) -> ThreadOut:
    """Edit your own comment."""
    return thread_snapshot(
        comment_change(visitor=request_visitor(request), comment=comment, body=body.body)
    )


@router.delete(
    "/comments/{comment}",
    response={204: None, REFUSALS: ErrorOut},
    operation_id="comment_delete",
)
def take_back(request: HttpRequest, comment: UUID) -> Status[None]:
    """Only for the comment's author and the session's owner."""
    comment_delete(visitor=request_visitor(request), comment=comment)
    return Status(204, None)
