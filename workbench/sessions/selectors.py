"""Reads sessions that the visitor may read."""

from collections.abc import Collection, Mapping
from uuid import UUID

from django.db.models import Q, QuerySet

from analysis.errors import shortened
from workbench.accounts.visitor import Visitor
from workbench.errors import RoleMissing, SessionNotFound
from workbench.runs.models import Run
from workbench.sessions.access import (
    Grant,
    best_grant,
    session_grants,
    session_role,
    sessions_readable,
    sessions_with_role,
    valid_links,
    valid_members,
)
from workbench.sessions.models import Session, SessionLink, SessionMember, SessionRun
from workbench.sessions.roles import Role
from workbench.sessions.schemas import GoneWord, SessionOut


def session_get(
    *, visitor: Visitor, session: UUID | str, needs: Role = Role.VIEWER, lock: bool = False
) -> Session:
    """The session, for a visitor with at least that role; `lock`: its row is locked.

    Raises SessionNotFound (also if the visitor has no role in it), RoleMissing.
    """
    rows = _sessions(Session.objects.all())
    rows = rows.select_for_update(of=("self",)) if lock else rows
    try:
        session_id = session if isinstance(session, UUID) else UUID(session)
        one = rows.get(pk=session_id)
    except (Session.DoesNotExist, ValueError):
        raise _not_found(session) from None
    role = session_role(visitor, one)
    if role is None:
        raise _not_found(session)
    if not role.allows(needs):
        raise RoleMissing(
            f"You are {role.value} of this session; this takes the role {needs.value}.",
            remedy=f"Ask {one.owner.get_username()}, who owns it.",
        )
    return one


def session_list(
    *,
    visitor: Visitor,
    limit: int,
    query: str = "",
    archived: bool = False,
    template: bool | None = None,
    before: UUID | None = None,
) -> list[Session]:
    """Sessions that the visitor may read, last changed first; `before`: those after this one.

    Raises SessionNotFound.
    """
    rows = sessions_readable(visitor).filter(archived_at__isnull=not archived)
    if query:
        rows = rows.filter(Q(title__icontains=query) | Q(text__icontains=query))
    if template is not None:
        rows = rows.filter(template=template)
    if before:
        last = session_get(visitor=visitor, session=before)
        earlier = Q(changed_at=last.changed_at, pk__gt=last.pk)
        rows = rows.filter(Q(changed_at__lt=last.changed_at) | earlier)
    return list(_sessions(rows).order_by("-changed_at", "pk")[:limit])


def session_snapshots(*, visitor: Visitor, sessions: Collection[Session]) -> list[SessionOut]:
    """The API's form of each session that the visitor may read; others are omitted."""
    ids = [session.pk for session in sessions]
    grants = session_grants(visitor, sessions)
    runs = _runs_of(ids)
    members = _members_of(ids)
    return [
        _snapshot(session, grant, runs.get(session.pk, []), members.get(session.pk, set()))
        for session in sessions
        if (grant := best_grant(grants[session.pk]))
    ]


def session_snapshot(*, visitor: Visitor, session: Session) -> SessionOut:
    """Raises SessionNotFound."""
    shown = session_snapshots(visitor=visitor, sessions=[session])
    if not shown:
        raise _not_found(session.pk)
    return shown[0]


def sessions_seen(
    *, visitor: Visitor, seen: Mapping[UUID, SessionOut]
) -> tuple[list[SessionOut], dict[UUID, GoneWord]]:
    """Of the sessions in `seen`: the changed ones, and the unreadable ones with the reason."""
    there = _sessions(Session.objects.all()).in_bulk(list(seen))
    shown = session_snapshots(visitor=visitor, sessions=list(there.values()))
    changed = [snapshot for snapshot in shown if snapshot != seen[snapshot.id]]
    gone = set(seen) - {snapshot.id for snapshot in shown}
    return changed, {session: _gone(visitor, session, there) for session in gone}


def member_list(*, visitor: Visitor, session: UUID) -> list[SessionMember]:
    """One row for each member except the owner, with the member's highest role; oldest first.

    Needs the role commenter, who can mention people. Raises SessionNotFound, RoleMissing.
    """
    members = session_get(visitor=visitor, session=session, needs=Role.COMMENTER).members
    rows = members.filter(valid_members()).select_related("user")
    highest: dict[int, SessionMember] = {}
    for row in rows.order_by("since", "pk"):
        known = highest.setdefault(row.user_id, row)
        if Role(row.role).rank > Role(known.role).rank:
            highest[row.user_id] = row
    return list(highest.values())


def link_list(*, visitor: Visitor, session: UUID) -> list[SessionLink]:
    """All links, also ended ones, latest first. Raises SessionNotFound, RoleMissing."""
    row = session_get(visitor=visitor, session=session, needs=Role.OWNER)
    return list(row.links.select_related("created_by").order_by("-created_at", "pk"))


def may_pass_on(*, visitor: Visitor, run: Run) -> bool:
    """Whether the visitor may add the run to another session.

    True for own runs, and runs in a template or in a session that the visitor edits. A reader could
    otherwise keep and share a run after losing the role.
    """
    if visitor.user and run.owner_id == visitor.user.pk:
        return True
    edited = Q(session__in=sessions_with_role(visitor, Role.EDITOR))
    templates = Q(session__in=sessions_readable(visitor).filter(template=True))
    return SessionRun.objects.filter(edited | templates, run=run).exists()


def _sessions(sessions: QuerySet[Session]) -> QuerySet[Session]:
    """The sessions without their documents, which may be large."""
    return sessions.select_related("owner").defer("state", "text")


def _gone(visitor: Visitor, session: UUID, there: Mapping[UUID, Session]) -> GoneWord:
    if session not in there:
        return "deleted"
    used = Q(pk__in=visitor.links)
    if visitor.user:
        used |= Q(members__user=visitor.user)
    ended = SessionLink.objects.filter(used, session=session).exclude(valid_links())
    if ended.exclude(revoked_at=None).exists():
        return "revoked"
    return "expired" if ended.exists() else "removed"


def _runs_of(sessions: list[UUID]) -> dict[UUID, list[UUID]]:
    rows = SessionRun.objects.filter(session__in=sessions).order_by("at", "pk")
    runs: dict[UUID, list[UUID]] = {}
    for session, run in rows.values_list("session", "run"):
        runs.setdefault(session, []).append(run)
    return runs


def _members_of(sessions: list[UUID]) -> dict[UUID, set[int]]:
    rows = SessionMember.objects.filter(valid_members(), session__in=sessions)
    members: dict[UUID, set[int]] = {}
    for session, user in rows.values_list("session", "user"):
        members.setdefault(session, set()).add(user)
    return members


def _snapshot(session: Session, grant: Grant, runs: list[UUID], members: set[int]) -> SessionOut:
    return SessionOut(
        id=session.pk,
        title=session.title,
        owner=session.owner.get_username(),
        role=grant.role.value,
        created_at=session.created_at,
        changed_at=session.changed_at,
        archived_at=session.archived_at,
        template=session.template,
        imported=session.imported and session.imported["shown"],
        runs=runs,
        members=len(members | {session.owner_id}),
    )


def _not_found(session: UUID | str) -> SessionNotFound:
    return SessionNotFound(
        f"There is no session {shortened(str(session))}, or it is not shared with you.",
        remedy="Choose one from the list of sessions, or ask for a new link.",
    )
