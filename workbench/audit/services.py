"""Writing the audit log, deleting old entries, and removing names from it."""

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
    """Write an action down, in the transaction of what it tells of.

    `actor_name` is given for one without an account ("Guest 3f2a"). `detail` holds words of the
    program and numbers (a role, a format, a count), never what somebody wrote, never a token.
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
    """Delete what is older than AUDIT_DAYS; 0 keeps everything."""
    if settings.AUDIT_DAYS:
        limit = timezone.now() - timedelta(days=settings.AUDIT_DAYS)
        AuditEntry.objects.filter(at__lt=limit).delete()


def audit_forget(*, user: AbstractBaseUser) -> None:
    """Leave the actions of a person, and those done to them, without name and address."""
    entries = AuditEntry.objects
    entries.filter(actor_id=user.pk).update(actor=None, actor_name="", address=None)
    entries.filter(subject_id=user.pk).update(subject=None, subject_name="", address=None)
