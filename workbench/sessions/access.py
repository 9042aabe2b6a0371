"""The roles of visitors in sessions, and the links that grant them."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.utils import timezone

from workbench.accounts.visitor import Visitor
from workbench.sessions.models import Session, SessionLink, SessionMember
from workbench.sessions.roles import Role


@dataclass(frozen=True)
class Grant:
    """A role, and the link that gave it; None: ownership or a membership by name."""

    role: Role
    link: SessionLink | None = None


def valid_links(prefix: str = "") -> Q:
    """A filter for links neither revoked nor expired; `prefix`: the path to the link."""
    never = Q(**{f"{prefix}expires_at": None})
    later = Q(**{f"{prefix}expires_at__gt": timezone.now()})
    return Q(**{f"{prefix}revoked_at": None}) & (never | later)


def valid_members() -> Q:
    """A filter for memberships by name or by a valid link."""
    return Q(link=None) | valid_links("link__")


def sessions_readable(visitor: Visitor) -> QuerySet[Session]:
    """Sessions in which the visitor has any role."""
    return sessions_with_role(visitor, Role.VIEWER)


def sessions_with_role(visitor: Visitor, needs: Role) -> QuerySet[Session]:
    """Sessions in which the visitor has at least that role."""
    roles = [role for role in Role if role.allows(needs)]
    links = _links(visitor).filter(role__in=roles)
    allowed = Q(pk__in=links.values("session"))
    if visitor.user:
        named = _memberships(visitor.user).filter(role__in=roles)
        allowed |= Q(owner=visitor.user) | Q(pk__in=named.values("session"))
    return Session.objects.filter(allowed)


def is_admitted(visitor: Visitor) -> bool:
    """Whether the visitor has an account or a valid link."""
    return visitor.user is not None or _links(visitor).exists()


def session_grants(visitor: Visitor, sessions: Collection[Session]) -> dict[UUID, list[Grant]]:
    """The visitor's grants in each session, read from the database each time."""
    grants: dict[UUID, list[Grant]] = {session.pk: [] for session in sessions}
    if visitor.user:
        for session in sessions:
            if session.owner_id == visitor.user.pk:
                grants[session.pk].append(Grant(Role.OWNER))
        for member in _memberships(visitor.user).filter(session__in=grants).select_related("link"):
            grants[member.session_id].append(Grant(Role(member.role), member.link))
    for link in _links(visitor).filter(session__in=grants):
        grants[link.session_id].append(Grant(Role(link.role), link))
    return grants


def session_grant(visitor: Visitor, session: Session) -> Grant | None:
    return best_grant(session_grants(visitor, [session])[session.pk])


def best_grant(grants: Collection[Grant]) -> Grant | None:
    """The grant with the highest role; of equal ones, one without a link."""
    return max(grants, key=lambda grant: (grant.role.rank, grant.link is None), default=None)


def session_role(visitor: Visitor, session: Session) -> Role | None:
    """The visitor's role; None if the visitor may not read the session."""
    grant = session_grant(visitor, session)
    return grant.role if grant else None


def _links(visitor: Visitor) -> QuerySet[SessionLink]:
    return SessionLink.objects.filter(valid_links(), pk__in=visitor.links)


def _memberships(user: User) -> QuerySet[SessionMember]:
    return SessionMember.objects.filter(valid_members(), user=user)
