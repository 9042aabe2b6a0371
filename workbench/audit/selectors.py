"""Reads the audit log: of a session for its owner, of a user for that user."""

from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Q, QuerySet

from workbench.audit.models import AuditEntry


def audit_of_session(*, session: UUID, limit: int, before: int | None = None) -> list[AuditEntry]:
    """Entries about a session, latest first; `before`: only those older than this entry."""
    entries = AuditEntry.objects.filter(session=session)
    if before is not None:
        entries = entries.filter(pk__lt=before)
    return list(entries.order_by("-pk")[:limit])


def audit_of_user(*, user: AbstractBaseUser) -> QuerySet[AuditEntry]:
    """Entries in which the user is actor or subject, oldest first."""
    concerned = Q(actor_id=user.pk) | Q(subject_id=user.pk)
    return AuditEntry.objects.filter(concerned).order_by("at", "id")
