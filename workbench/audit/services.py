"""Writes the audit log, deletes old entries, and removes names from it."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.utils import timezone

from workbench.audit.models import Action, AuditEntry

Detail = Mapping[str, str | int | bool | None]


def audit(
    action: Action,
    *,
    actor: AbstractBaseUser | None,
    actor_name: str = "",
    subject: AbstractBaseUser | None = None,
    kind: str = "",
    object_id: UUID | str = "",
    session: UUID | None = None,
    detail: Detail | None = None,
    address: str | None = None,
) -> None:
    """Record an action, in the same transaction as the action itself.

    `actor_name` names a guest ("Guest 3f2a"). `detail` holds the program's own words and numbers (a
    role, a format, a count), never a user's text and never a token.
    """
    AuditEntry.objects.create(
        action=action,
        actor_id=actor.pk if actor else None,
        actor_name=actor.get_username() if actor else actor_name,
        subject_id=subject.pk if subject else None,
        subject_name=subject.get_username() if subject else "",
        kind=kind,
        object_id=str(object_id),
        session=session,
        detail=dict(detail or {}),
        address=address,
    )


def audit_prune() -> None:
    """Delete entries older than AUDIT_DAYS; 0 keeps all."""
    if settings.AUDIT_DAYS:
        limit = timezone.now() - timedelta(days=settings.AUDIT_DAYS)
        AuditEntry.objects.filter(at__lt=limit).delete()


def audit_forget(*, user: AbstractBaseUser) -> None:
    """Remove a user's name and address from all entries."""
    entries = AuditEntry.objects
    entries.filter(actor_id=user.pk).update(actor=None, actor_name="", address=None)
    entries.filter(subject_id=user.pk).update(subject=None, subject_name="", address=None)
