"""A session and its comments as pages see them."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from workbench.sessions.anchors import Anchor

RoleWord = Literal["viewer", "commenter", "editor", "owner"]
GoneWord = Literal["revoked", "expired", "removed", "deleted"]


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
