"""The API's form of sessions and comments."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from workbench.sessions.anchors import Anchor

RoleWord = Literal["viewer", "commenter", "editor", "owner"]
GoneWord = Literal["revoked", "expired", "removed", "deleted"]


class SessionOut(BaseModel):
    """A session for one visitor; its content is the document with the same id."""

    id: UUID
    title: str
    owner: str
    role: RoleWord = Field(description="The visitor's own role.")
    created_at: datetime
    changed_at: datetime
    archived_at: datetime | None
    template: bool
    imported: dict[str, Any] | None = Field(description="The origin of an imported bundle.")
    runs: list[UUID] = Field(description="In the order in which they were added.")
    members: int = Field(description="Number of accounts in the session, including the owner.")


class CommentOut(BaseModel):
    """A comment. A deleted one with later replies stays, without text and author."""

    id: UUID
    author: str | None = Field(description="Username; none for guests and deleted accounts.")
    author_name: str
    body: str
    mentions: list[str] = Field(description="Usernames.")
    created_at: datetime
    edited_at: datetime | None
    deleted_at: datetime | None


class ThreadOut(BaseModel):
    """Comments on one anchor, oldest first."""

    id: UUID
    session: UUID
    run: UUID | None
    panel: UUID
    anchor: Anchor
    resolved_at: datetime | None
    resolved_by: str | None
    said: int = Field(
        description="Increases with each change: of two versions, the higher is newer."
    )
    comments: list[CommentOut]
