"""Deleting an account and all that is the person's. What the log keeps has no name.

Each step stands for itself, so that no lock is held for long; one that is interrupted is made
good by deleting again, as the account itself goes last.
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
    """The person's sessions that have other members; `heirs` of each: who can take it over."""
    members = SessionMember.objects.filter(valid_members()).select_related("user")
    shared = Session.objects.filter(owner=user, pk__in=members.values("session"))
    heirs = Prefetch("members", members.order_by("user__username"), to_attr="heirs")
    return list(shared.prefetch_related(heirs).order_by("-changed_at"))


def account_delete(
    *, user: User, by: User | None = None, heirs: Mapping[UUID, User] | None = None
) -> None:
    """Delete the account. `heirs`: who takes over which session; `by`: the administrator.

    Raises MemberNotFound, before anything is lost, if an heir is no longer a member.
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
    """Copies before what they are copies of; arrays with the last run that holds them."""
    runs = Run.objects.filter(owner=user)
    while run := runs.exclude(status__in=TERMINAL).first():  # read again: a worker may take it
        flags.cancel_ask(run=run.id)
        run_end(run=run.id, attempt=run.attempt, status=Status.CANCELLED, was=Status(run.status))
    for run in [*runs.exclude(cached_from=None), *runs.filter(cached_from=None)]:
        hashes = list(run.artifacts.values_list("pk", flat=True))
        run_delete(run=run)
        artifacts_delete(hashes=hashes)


def _uploads_delete(user: User) -> None:
    """The rows with their files, and files whose rows an interruption had taken."""
    for upload in Upload.objects.filter(owner=user):
        upload_delete(upload=upload)
    folder = f"uploads/{user.pk}"
    if default_storage.exists(folder):
        for name in default_storage.listdir(folder)[1]:
            default_storage.delete(f"{folder}/{name}")


def _names_forget(user: User) -> None:
    """Take the person out of what stays: links to others' sessions, the logs."""
    SessionLink.objects.filter(created_by=user).delete()
    audit_forget(user=user)
    kind = ContentType.objects.get_for_model(User)
    LogEntry.objects.filter(content_type=kind, object_id=str(user.pk)).update(object_repr="")
