"""The messages of the socket; `manage.py schema` writes their schema for the page."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from workbench.errors import InvalidMessage
from workbench.runs.schemas import RunOut, StatusEvent
from workbench.sessions.schemas import GoneWord, SessionOut, ThreadOut

Ordinal = Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)]


class Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Watch(Message):
    """Send the run's events: all (0, 0), or those after the given one."""

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
    """One event. A higher attempt restarts the run; seq counts from 1 without gaps."""

    type: Literal["event"]
    run: UUID
    attempt: int
    seq: int
    at: datetime
    event: dict[str, Any] = Field(description="An event of the method, or a StatusEvent.")


class RunMessage(Message):
    """A snapshot: at watch, and whenever status or position change."""

    type: Literal["run"] = "run"
    run: RunOut


class SessionMessage(Message):
    """A snapshot: at watch, and whenever title, role or runs change."""

    type: Literal["session"] = "session"
    session: SessionOut
    now: datetime = Field(description="The server's time; later comments are unread.")


class ThreadMessage(Message):
    """A thread of comments: each one at watch, then whenever it changes."""

    type: Literal["thread"] = "thread"
    thread: ThreadOut


class ThreadDeleted(Message):
    type: Literal["thread_deleted"] = "thread_deleted"
    session: UUID
    thread: UUID


class SessionGone(Message):
    """The page may no longer read the session, and does not watch it any more."""

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


def socket_schema() -> dict[str, Any]:
    """JSON schema of the messages in both directions and of StatusEvent."""
    server: TypeAdapter[Any] = TypeAdapter(ServerMessage)
    return {
        "ClientMessage": _CLIENT.json_schema(mode="validation"),
        "ServerMessage": server.json_schema(mode="serialization"),
        "StatusEvent": StatusEvent.model_json_schema(mode="serialization"),
    }
