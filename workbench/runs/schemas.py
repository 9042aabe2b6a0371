"""A run as pages and reports see it."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from workbench.answers import ErrorOut

StatusWord = Literal["queued", "running", "done", "failed", "cancelled"]


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


class StatusEvent(BaseModel):
    """A change of status inside the stream; a final one is the last event of an attempt."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["status"] = "status"
    status: Literal["running", "done", "failed", "cancelled"]
    error: ErrorOut | None = None


def event_frame(*, run: UUID, attempt: int, seq: int, at: datetime, payload: str) -> str:
    """An EventMessage as text, around a payload that is JSON text already."""
    return (
        f'{{"type":"event","run":"{run}","attempt":{attempt},"seq":{seq},'
        f'"at":"{at.isoformat()}","event":{payload}}}'
    )
