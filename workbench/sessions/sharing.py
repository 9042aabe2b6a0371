"""Sharing of sessions: members, links, change of owner. Only the owner may change these."""

import hashlib
import secrets
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from analysis.errors import shortened
from workbench.accounts.visitor import Visitor
from workbench.audit.models import Action
from workbench.audit.services import audit
from workbench.errors import (
    LinkNotFound,
    MemberNotFound,
    OwnerIsMember,
    TooManyLinks,
    TooManyMembers,
    UserNotFound,
)
from workbench.sessions.access import valid_links, valid_members
from workbench.sessions.broadcast import broadcast_access, session_touch
from workbench.sessions.models import Session, SessionLink, SessionMember
from workbench.sessions.roles import Role
from workbench.sessions.selectors import session_get

MAX_MEMBERS = 200
MAX_LINKS = 50
TOKEN_BYTES = 16


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def member_set(*, visitor: Visitor, session: UUID, username: str, role: Role) -> SessionMember:
    """Add a member by name, or change the role; replaces memberships by links.

    Raises SessionNotFound, RoleMissing, UserNotFound, OwnerIsMember, TooManyMembers.
    """
    with transaction.atomic():
        locked = session_get(visitor=visitor, session=session, needs=Role.OWNER, lock=True)
        user = _user(username)
        if user == locked.owner:
            raise OwnerIsMember(
                f"{username} owns this session.", remedy="Hand it over to change that."
            )
        known = locked.members.filter(user=user)
        action = Action.MEMBER_CHANGED if known.exists() else Action.MEMBER_ADDED
        if not known.filter(link=None).exists():
            _check_members(locked)
        known.exclude(link=None).delete()
        member, _ = locked.members.update_or_create(user=user, link=None, defaults={"role": role})
        _audit(action, visitor, locked, subject=user, detail={"role": role.value})
    _broadcast(locked)
    return member


def member_change(*, visitor: Visitor, session: UUID, username: str, role: Role) -> SessionMember:
    """`member_set` for an existing member. Also raises MemberNotFound."""
    row = session_get(visitor=visitor, session=session, needs=Role.OWNER)
    _members(row, username)
    return member_set(visitor=visitor, session=session, username=username, role=role)


def member_remove(*, visitor: Visitor, session: UUID, username: str) -> None:
    """Remove a member, or leave. Raises SessionNotFound, RoleMissing, MemberNotFound."""
    leaves = visitor.user is not None and visitor.user.get_username() == username
    needs = Role.VIEWER if leaves else Role.OWNER
    with transaction.atomic():
        locked = session_get(visitor=visitor, session=session, needs=needs, lock=True)
        members = _members(locked, username)
        _audit(Action.MEMBER_REMOVED, visitor, locked, subject=members[0].user)
        locked.members.filter(user=members[0].user).delete()
    _broadcast(locked)


def session_hand_over(*, visitor: Visitor, session: UUID, username: str) -> Session:
    """Make a member the session's owner; the former owner becomes an editor.

    Raises SessionNotFound, RoleMissing, MemberNotFound.
    """
    with transaction.atomic():
        locked = session_get(visitor=visitor, session=session, needs=Role.OWNER, lock=True)
        heir, former = _members(locked, username)[0].user, locked.owner
        locked.members.filter(user=heir).delete()
        locked.members.update_or_create(user=former, link=None, defaults={"role": Role.EDITOR})
        locked.owner = heir
        locked.save(update_fields=["owner"])
        _audit(Action.SESSION_HANDED_OVER, visitor, locked, subject=heir)
    _broadcast(locked)
    return locked


def link_create(
    *,
    visitor: Visitor,
    session: UUID,
    role: Role,
    label: str,
    holds: timedelta | None,
    max_runs_per_hour: int | None,
) -> tuple[SessionLink, str]:
    """A link and its token, which is not stored; `holds`: None means until revoked.

    Raises SessionNotFound, RoleMissing, TooManyLinks.
    """
    token = secrets.token_urlsafe(TOKEN_BYTES)
    limit = settings.LINK_RUNS_PER_HOUR if max_runs_per_hour is None else max_runs_per_hour
    with transaction.atomic():
        locked = session_get(visitor=visitor, session=session, needs=Role.OWNER, lock=True)
        _check_links(locked)
        link = locked.links.create(
            role=role,
            token_sha256=token_hash(token),
            label=label,
            created_by=visitor.user,
            expires_at=timezone.now() + holds if holds else None,
            max_runs_per_hour=limit,
        )
        _audit(Action.LINK_CREATED, visitor, locked, link=link, detail={"role": role.value})
    return link, token


def link_revoke(*, visitor: Visitor, session: UUID, link: UUID) -> None:
    """Revoke a link, and with it all access that it gave.

    Raises SessionNotFound, RoleMissing, LinkNotFound.
    """
    with transaction.atomic():
        locked = session_get(visitor=visitor, session=session, needs=Role.OWNER, lock=True)
        row = locked.links.filter(pk=link).first()
        if row is None:
            raise link_not_found()
        if row.revoked_at is None:
            row.revoked_at = timezone.now()
            row.save(update_fields=["revoked_at"])
            _audit(Action.LINK_REVOKED, visitor, locked, link=row)
    _broadcast(locked)


def link_open(*, visitor: Visitor, token: str) -> SessionLink:
    """The valid link with that token; an account becomes a member. Raises LinkNotFound."""
    links = SessionLink.objects.filter(valid_links(), token_sha256=token_hash(token))
    link = links.select_related("session__owner").first()
    if link is None:
        raise link_not_found()
    if visitor.user and visitor.user != link.session.owner:
        _join(link, visitor.user)
    _audit(Action.LINK_OPENED, visitor, link.session, link=link)
    return link


def link_not_found() -> LinkNotFound:
    return LinkNotFound(
        "This link is not valid.",
        remedy="Ask the person who sent it for a new one.",
    )


def _join(link: SessionLink, user: User) -> None:
    member = {"session": link.session, "role": link.role}
    _, joined = SessionMember.objects.get_or_create(link=link, user=user, defaults=member)
    if joined:
        session_touch(link.session)


def _broadcast(session: Session) -> None:
    session_touch(session)
    broadcast_access(session.pk)


def _audit(
    action: Action,
    visitor: Visitor,
    session: Session,
    *,
    subject: User | None = None,
    link: SessionLink | None = None,
    detail: dict[str, str | int | bool | None] | None = None,
) -> None:
    audit(
        action,
        actor=visitor.user,
        actor_name=visitor.name,
        subject=subject,
        kind="link" if link else "session",
        object_id=link.pk if link else session.pk,
        session=session.pk,
        detail=detail,
    )


def _user(username: str) -> User:
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        raise UserNotFound(
            f"There is no account {shortened(username)}.",
            remedy="Check the name, or share a link instead.",
            field="username",
        )
    return user


def _members(session: Session, username: str) -> list[SessionMember]:
    """The valid rows of a member, at least one. Raises MemberNotFound."""
    members = session.members.filter(valid_members(), user__username=username)
    rows = list(members.select_related("user"))
    if not rows:
        raise MemberNotFound(
            f"{shortened(username)} is not a member of this session.",
            remedy="Choose one of its members.",
        )
    return rows


def _check_members(session: Session) -> None:
    named = session.members.filter(link=None).count()
    if named >= MAX_MEMBERS:
        raise TooManyMembers(
            f"This session has {named} members; the limit is {MAX_MEMBERS}.",
            remedy="Remove one, or share a link.",
        )


def _check_links(session: Session) -> None:
    count = session.links.filter(valid_links()).count()
    if count >= MAX_LINKS:
        raise TooManyLinks(
            f"This session has {count} links; the limit is {MAX_LINKS}.",
            remedy="Revoke one that is no longer needed.",
        )
