"""Creates, changes, copies and deletes sessions, and adds runs to them.

Sharing is in sharing.py. The browsers write the content of documents.
"""

from dataclasses import replace
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from workbench.accounts.visitor import Visitor
from workbench.audit.models import Action
from workbench.audit.services import audit
from workbench.errors import RoleMissing, SessionIdTaken, TooManySessions
from workbench.runs.models import Run
from workbench.sessions.broadcast import broadcast_access, session_touch
from workbench.sessions.document import SessionDocument
from workbench.sessions.models import Session, SessionRun
from workbench.sessions.placing import check_run_count
from workbench.sessions.roles import Role
from workbench.sessions.run_access import run_get, run_not_found
from workbench.sessions.selectors import may_pass_on, session_get
from workbench.sessions.store import document_create, document_get, document_rename

TITLE_LENGTH = 200


def session_create(
    *, visitor: Visitor, title: str, session: UUID, template: UUID | None = None
) -> tuple[Session, bool]:
    """The visitor's new session, and whether it is new: a request may be repeated.

    `template`: the session whose content is copied. Raises LoginRequired, SessionIdTaken,
    SessionNotFound, RoleMissing, TooManySessions.
    """
    owner = visitor.account
    source = _template(visitor, template) if template else None
    return _make(owner, title, session, source)


def session_duplicate(*, visitor: Visitor, session: UUID, copy: UUID) -> tuple[Session, bool]:
    """A copy that the visitor owns, with notes, layout and runs; without members and comments.

    Needs the role editor, because the copy stays readable when the role ends. Raises the errors of
    `session_create`.
    """
    owner = visitor.account
    source = session_get(visitor=visitor, session=session, needs=Role.EDITOR)
    return _make(owner, f"Copy of {source.title}"[:TITLE_LENGTH], copy, source)


def session_change(
    *,
    visitor: Visitor,
    session: UUID,
    title: str | None = None,
    archived: bool | None = None,
    template: bool | None = None,
) -> Session:
    """Change the fields that are not None. Raises SessionNotFound, RoleMissing."""
    needs = Role.EDITOR if archived is None and template is None else Role.OWNER
    with transaction.atomic():
        locked = session_get(visitor=visitor, session=session, needs=needs, lock=True)
        if archived is not None:
            locked.archived_at = (locked.archived_at or timezone.now()) if archived else None
        if template is not None:
            locked.template = template
        locked.save(update_fields=["archived_at", "template"])
    if title is not None and title != locked.title:
        document_rename(session=session, title=title)
        locked.title = title
    session_touch(locked)
    return locked


def session_delete(*, visitor: Visitor, session: UUID) -> None:
    """Delete a session with its comments; its runs stay with their owners.

    Raises SessionNotFound, RoleMissing.
    """
    with transaction.atomic():
        locked = session_get(visitor=visitor, session=session, needs=Role.OWNER, lock=True)
        audit(
            Action.SESSION_DELETED,
            actor=visitor.user,
            kind="session",
            object_id=session,
            session=session,
        )
        locked.delete()
    broadcast_access(session)


def run_attach(*, visitor: Visitor, session: UUID, run: UUID) -> None:
    """Attach a run to a session. Raises SessionNotFound, RunNotFound, RoleMissing."""
    with transaction.atomic():
        locked = session_get(visitor=visitor, session=session, needs=Role.EDITOR, lock=True)
        row = run_get(visitor=visitor, run=run)
        _check_pass_on(visitor, row)
        if locked.session_runs.filter(run=row).exists():
            return
        check_run_count(locked)
        SessionRun.objects.create(session=locked, run=row, added_by=visitor.user)
    session_touch(locked)


def run_detach(*, visitor: Visitor, session: UUID, run: UUID) -> None:
    """Remove a run from a session. Raises SessionNotFound, RunNotFound, RoleMissing."""
    row = session_get(visitor=visitor, session=session, needs=Role.EDITOR)
    if not row.session_runs.filter(run=run).delete()[0]:
        raise run_not_found(run)
    session_touch(row)
    broadcast_access(session)


def _template(visitor: Visitor, template: UUID) -> Session:
    """The session to copy: a template, or one that the visitor edits."""
    source = session_get(visitor=visitor, session=template)
    if not source.template:
        session_get(visitor=visitor, session=template, needs=Role.EDITOR)
    return source


def _make(owner: User, title: str, session: UUID, source: Session | None) -> tuple[Session, bool]:
    if Session.objects.filter(pk=session).exists():
        return _same(owner, session), False
    try:
        return _insert(owner, title, session, source), True
    except IntegrityError:  # the same request, twice at the same time
        return _same(owner, session), False


def _insert(owner: User, title: str, session: UUID, source: Session | None) -> Session:
    with transaction.atomic():
        check_session_count(owner)
        created = Session(id=session, owner=owner, title=title)
        created.save(force_insert=True)
        content = document_get(session=source.pk) if source else SessionDocument()
        document_create(session=created, document=replace(content, title=title))
        if source:
            _copy_runs(source, created)
    return created


def _copy_runs(source: Session, copy: Session) -> None:
    rows = source.session_runs.order_by("at", "pk")
    SessionRun.objects.bulk_create(
        SessionRun(session=copy, run_id=row.run_id, added_by=copy.owner, at=row.at) for row in rows
    )


def _same(owner: User, session: UUID) -> Session:
    """The session that an earlier request created. Raises SessionIdTaken."""
    earlier = Session.objects.filter(pk=session, owner=owner).select_related("owner").first()
    if earlier is None:
        raise SessionIdTaken(
            f"The session {session} exists already and is another one.",
            remedy="Send it again under a new id.",
            field="id",
        )
    return earlier


def check_session_count(owner: User) -> None:
    """Raises TooManySessions. Locks the owner's row, so that parallel requests are counted."""
    User.objects.select_for_update().get(pk=owner.pk)
    count = Session.objects.filter(owner=owner).count()
    if count >= settings.MAX_SESSIONS:
        raise TooManySessions(
            f"You have {count} sessions; the limit is {settings.MAX_SESSIONS}.",
            remedy="Delete one that you no longer need.",
        )


def _check_pass_on(visitor: Visitor, run: Run) -> None:
    if not may_pass_on(visitor=visitor, run=run):
        raise RoleMissing(
            f"You may read this run of {run.owner.get_username()}'s, and not pass it on.",
            remedy="Start it again as your own, or ask for the role editor in its session.",
        )
