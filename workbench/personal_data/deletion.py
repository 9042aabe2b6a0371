"""Deletes an account with all its data, and its name from the audit log.

Each step is a transaction of its own, so that no lock is held for long. An interrupted deletion is
completed by deleting again, because the account itself is deleted last.
"""

from collections.abc import Mapping
from uuid import UUID

from django.contrib.admin.models import LogEntry
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session as Login
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Prefetch

from workbench.accounts.visitor import Visitor
from workbench.audit.models import Action
from workbench.audit.services import audit, audit_forget
from workbench.runs import flags
from workbench.runs.artifacts import artifacts_delete
from workbench.runs.execution import run_end
from workbench.runs.models import TERMINAL, Run, Status
from workbench.runs.services import run_delete
from workbench.sessions.access import valid_members
from workbench.sessions.comments import comments_forget
from workbench.sessions.models import Session, SessionLink, SessionMember
from workbench.sessions.services import session_delete
from workbench.sessions.sharing import session_hand_over
from workbench.uploads.models import Upload
from workbench.uploads.services import upload_delete


def sessions_shared(*, user: User) -> list[Session]:
    """The user's sessions that have other members; `heirs` of each: the members."""
    members = SessionMember.objects.filter(valid_members()).select_related("user")
    shared = Session.objects.filter(owner=user, pk__in=members.values("session"))
    heirs = Prefetch("members", members.order_by("user__username"), to_attr="heirs")
    return list(shared.prefetch_related(heirs).order_by("-changed_at"))


def account_delete(
    *, user: User, by: User | None = None, heirs: Mapping[UUID, User] | None = None
) -> None:
    """Delete the account. `heirs`: the new owners of sessions; `by`: the administrator.

    Raises MemberNotFound if an heir is no longer a member; nothing is deleted then.
    """
    owner = Visitor(user)
    for session, heir in (heirs or {}).items():
        session_hand_over(visitor=owner, session=session, username=heir.get_username())
    _lock_out(user)
    for session in Session.objects.filter(owner=user).values_list("pk", flat=True):
        session_delete(visitor=owner, session=session)
    _runs_delete(user)
    _uploads_delete(user)
    comments_forget(user=user)
    with transaction.atomic():
        _names_forget(user)
        audit(Action.ACCOUNT_DELETED, actor=by, detail={"by": "staff" if by else "themselves"})
        user.delete()


def _lock_out(user: User) -> None:
    """Disable the account."""
    user.is_active = False
    user.set_unusable_password()
    user.save(update_fields=["is_active", "password"])
    for login in Login.objects.iterator(chunk_size=100):
        if login.get_decoded().get(SESSION_KEY) == str(user.pk):
            login.delete()


def _runs_delete(user: User) -> None:
    """Delete copies before their sources, and arrays with the last run that refers to them."""
    runs = Run.objects.filter(owner=user)
    while run := runs.exclude(status__in=TERMINAL).first():  # read again: a worker may claim it
        flags.cancel_ask(run=run.id)
        run_end(run=run.id, attempt=run.attempt, status=Status.CANCELLED, was=Status(run.status))
    for run in [*runs.exclude(cached_from=None), *runs.filter(cached_from=None)]:
        hashes = list(run.artifacts.values_list("pk", flat=True))
        run_delete(run=run)
        artifacts_delete(hashes=hashes)


def _uploads_delete(user: User) -> None:
    """Delete the rows with their files, and files left by an interrupted deletion."""
    for upload in Upload.objects.filter(owner=user):
        upload_delete(upload=upload)
    folder = f"uploads/{user.pk}"
    if default_storage.exists(folder):
        for name in default_storage.listdir(folder)[1]:
            default_storage.delete(f"{folder}/{name}")


def _names_forget(user: User) -> None:
    """Remove the user from remaining data: links to sessions of others, the logs."""
    SessionLink.objects.filter(created_by=user).delete()
    audit_forget(user=user)
    kind = ContentType.objects.get_for_model(User)
    LogEntry.objects.filter(content_type=kind, object_id=str(user.pk)).update(object_repr="")
