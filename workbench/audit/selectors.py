"""Reading the log: a session's for its owners, a person's for themselves."""

from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Q, QuerySet

from workbench.audit.models import AuditEntry


def audit_of_session(*, session: UUID, limit: int, before: int | None = None) -> list[AuditEntry]:
    """What was done to a session, latest first; `before`: entries made before that one."""
    entries = AuditEntry.objects.filter(session=session)
    if before is not None:
        entries = entries.filter(pk__lt=before)
    return list(entries.order_by("-pk")[:limit])


def audit_of_user(*, user: AbstractBaseUser) -> QuerySet[AuditEntry]:
    """What a person did and what was done to them, in order."""
    concerned = Q(actor_id=user.pk) | Q(subject_id=user.pk)
    return AuditEntry.objects.filter(concerned).order_by("at", "id")
