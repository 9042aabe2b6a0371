"""What travels over the socket, both ways; `manage.py schema` writes it out for the page."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from workbench.errors import InvalidMessage
from workbench.sessions.anchors import Anchor

Ordinal = Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)]
StatusWord = Literal["queued", "running", "done", "failed", "cancelled"]


RoleWord = Literal["viewer", "commenter", "editor", "owner"]
GoneWord = Literal["revoked", "expired", "removed", "deleted"]


class Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ErrorOut(BaseModel):
    """Why something was refused or failed, and what to do."""

    code: str
    message: str
    remedy: str
    field: str | None = None


class ImportedOut(BaseModel):
    """Of a run that was computed elsewhere and came in a bundle."""

    run: UUID = Field(description="Its id where it was computed.")
    drawn: bool = Field(description="Whether this server knows the method in that version.")


class RunOut(BaseModel):
    """A run as all see it who may read it."""

    id: UUID
    owner: str
    method: str
    method_version: str
    model: str
    revision: str | None
    params: dict[str, Any]
    status: StatusWord
    position: int | None = Field(description="While queued: 1 is next.")
    attempt: int = Field(description="0: not started.")
    error: ErrorOut | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cached_from: UUID | None = Field(description="The run that gave the events of this one.")
    cache_key: str | None
    imported: ImportedOut | None


class SessionOut(BaseModel):
    """A session as a visitor sees it; its content is the document of the same id."""

    id: UUID
    title: str
    owner: str
    role: RoleWord = Field(description="Of the visitor who asks.")
    created_at: datetime
    changed_at: datetime
    archived_at: datetime | None
    template: bool
    imported: dict[str, Any] | None = Field(description="Where an imported bundle comes from.")
    runs: list[UUID] = Field(description="In the order in which they came.")
    members: int = Field(description="People with an account, the owner among them.")


class CommentOut(BaseModel):
    """A deleted one that others have answered stays, without text or author."""

    id: UUID
    author: str | None = Field(description="Username; none for guests and deleted accounts.")
    author_name: str
    body: str
    mentions: list[str] = Field(description="Usernames.")
    created_at: datetime
    edited_at: datetime | None
    deleted_at: datetime | None


class ThreadOut(BaseModel):
    """Comments about one place, oldest first."""

    id: UUID
    session: UUID
    run: UUID | None
    panel: UUID
    anchor: Anchor
    resolved_at: datetime | None
    resolved_by: str | None
    said: int = Field(description="Grows with each change: of two, the higher is the newer.")
    comments: list[CommentOut]


class StatusEvent(BaseModel):
    """A change of status inside the stream; a final one is the last event of an attempt."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["status"] = "status"
    status: Literal["running", "done", "failed", "cancelled"]
    error: ErrorOut | None = None


class Watch(Message):
    """Send the run: all of it (0, 0), or what follows that event."""

    type: Literal["watch"]
    run: UUID
    attempt: Ordinal = 0
    after: Ordinal = 0


class Unwatch(Message):
    type: Literal["unwatch"]
    run: UUID


class WatchSession(Message):
    """Send the session's snapshot and its threads, now and whenever they change."""

    type: Literal["watch_session"]
    session: UUID


class UnwatchSession(Message):
    type: Literal["unwatch_session"]
    session: UUID


class Ping(Message):
    type: Literal["ping"]


class EventMessage(Message):
    """One event. A higher attempt starts the run afresh; seq counts from 1 without holes."""

    type: Literal["event"]
    run: UUID
    attempt: int
    seq: int
    at: datetime
    event: dict[str, Any] = Field(description="Of the method, or a StatusEvent.")


class RunMessage(Message):
    """A snapshot: at watch, and whenever status or position change."""

    type: Literal["run"] = "run"
    run: RunOut


class SessionMessage(Message):
    """A snapshot: at watch, and whenever title, role or runs change."""

    type: Literal["session"] = "session"
    session: SessionOut
    now: datetime = Field(description="By the server's clock; what came later is unread.")


class ThreadMessage(Message):
    """A thread of comments: each one at watch, then whenever it changes."""

    type: Literal["thread"] = "thread"
    thread: ThreadOut


class ThreadDeleted(Message):
    type: Literal["thread_deleted"] = "thread_deleted"
    session: UUID
    thread: UUID


class SessionGone(Message):
    """The session is no longer open to this page, which watches it no more."""

    type: Literal["session_gone"] = "session_gone"
    session: UUID
    code: GoneWord


class ErrorMessage(Message):
    """A refusal; the socket stays open."""

    type: Literal["error"] = "error"
    code: str
    message: str
    remedy: str
    run: UUID | None = None
    session: UUID | None = None


class Pong(Message):
    type: Literal["pong"] = "pong"


AnyClientMessage = Watch | Unwatch | WatchSession | UnwatchSession | Ping
ClientMessage = Annotated[AnyClientMessage, Field(discriminator="type")]
AnyServerMessage = (
    EventMessage
    | RunMessage
    | SessionMessage
    | SessionGone
    | ThreadMessage
    | ThreadDeleted
    | ErrorMessage
    | Pong
)
ServerMessage = Annotated[AnyServerMessage, Field(discriminator="type")]
_CLIENT: TypeAdapter[AnyClientMessage] = TypeAdapter(ClientMessage)


def read_message(text: str) -> AnyClientMessage:
    """A message of the page. Raises InvalidMessage."""
    try:
        return _CLIENT.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidMessage(
            f"{where or 'message'}: {first['msg']}.",
            remedy="Send watch {run, attempt, after}, unwatch {run}, watch_session {session}, "
            "unwatch_session {session} or ping.",
        ) from None


def event_frame(*, run: UUID, attempt: int, seq: int, at: datetime, payload: str) -> str:
    """An EventMessage as text, around a payload that is JSON text already."""
    return (
        f'{{"type":"event","run":"{run}","attempt":{attempt},"seq":{seq},'
        f'"at":"{at.isoformat()}","event":{payload}}}'
    )


def socket_schema() -> dict[str, Any]:
    """JSON schema of both directions and of the event that the server adds to a stream."""
    server: TypeAdapter[Any] = TypeAdapter(ServerMessage)
    return {
        "ClientMessage": _CLIENT.json_schema(mode="validation"),
        "ServerMessage": server.json_schema(mode="serialization"),
        "StatusEvent": StatusEvent.model_json_schema(mode="serialization"),
    }
