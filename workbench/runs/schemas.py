"""The API's form of runs."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from analysis.catalog.dtypes import Dtype
from workbench.answers import ErrorOut

StatusWord = Literal["queued", "running", "done", "failed", "cancelled"]


class ImportedOut(BaseModel):
    """The origin of a run that was imported with a bundle."""

    run: UUID = Field(description="Its original id.")
    drawn: bool = Field(description="Whether this server knows the method in that version.")


class ExpectedOut(BaseModel):
    """What the run was expected to take when it was created, in seconds, loading included."""

    seconds: float
    low: float
    high: float


class RunOut(BaseModel):
    """A run, the same for all who may read it."""

    id: UUID
    owner: str
    method: str
    method_version: str
    model: str
    revision: str | None
    params: dict[str, Any]
    dtype: Dtype
    status: StatusWord
    position: int | None = Field(description="While queued: 1 is next.")
    attempt: int = Field(description="0: not started.")
    error: ErrorOut | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expected: ExpectedOut | None = Field(description="null: unknown.")
    cached_from: UUID | None = Field(description="The run whose events this one shares.")
    cache_key: str | None
    imported: ImportedOut | None


class StatusEvent(BaseModel):
    """A change of status in the stream of events; a final one is the attempt's last event."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["status"] = "status"
    status: Literal["running", "done", "failed", "cancelled"]
    error: ErrorOut | None = None


def event_frame(*, run: UUID, attempt: int, seq: int, at: datetime, payload: str) -> str:
    """An EventMessage as text; `payload` is JSON text."""
    return (
        f'{{"type":"event","run":"{run}","attempt":{attempt},"seq":{seq},'
        f'"at":"{at.isoformat()}","event":{payload}}}'
    )
