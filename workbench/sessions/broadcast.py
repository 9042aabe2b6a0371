"""Broadcasts changes of sessions and of access to watching pages."""

from uuid import UUID

from django.utils import timezone

from workbench.broadcast import group_send
from workbench.sessions.models import Session

ACCESS_GROUP = "access"


def session_group(session: UUID) -> str:
    return f"session.{session}"


def broadcast_session(session: UUID) -> None:
    """Broadcast that the session's snapshot has changed."""
    group_send(session_group(session), {"type": "session.changed", "session": str(session)})


def broadcast_access(session: UUID) -> None:
    """Broadcast that someone lost access, so that open pages check their access again."""
    group_send(session_group(session), {"type": "session.access", "session": str(session)})
    group_send(ACCESS_GROUP, {"type": "access.changed", "session": str(session)})


def session_touch(session: Session) -> None:
    """Update the session's time of change, and broadcast it."""
    session.changed_at = timezone.now()
    session.save(update_fields=["changed_at"])
    broadcast_session(session.pk)
