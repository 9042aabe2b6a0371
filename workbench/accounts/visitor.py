"""Who is asking: an account, a guest who came by links, or both; and their role in a session."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from channels.auth import get_user
from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.db import SessionStore
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from workbench.errors import LoginRequired
from workbench.sessions.models import Session, SessionLink, SessionMember
from workbench.sessions.roles import Role

LINKS, GUEST = "links", "guest"  # what a login remembers of a guest


@dataclass(frozen=True)
class Visitor:
    """`links`: ids of the links that were opened in this login; whether they stand is asked
    of the database each time. `guest`: what tells one guest from another."""

    user: User | None
    links: frozenset[UUID] = frozenset()
    guest: str = ""

    @property
    def id(self) -> str:
        """The same in each socket and request of one person."""
        return str(self.user.pk) if self.user else f"guest-{self.guest}"

    @property
    def name(self) -> str:
        return self.user.get_username() if self.user else f"Guest {self.guest[:4]}"

    @property
    def account(self) -> User:
        """Raises LoginRequired for guests."""
        if self.user is None:
            raise LoginRequired("This needs a login.", remedy="Log in at /login.")
        return self.user


@dataclass(frozen=True)
class Grant:
    """A role, and the link that gave it; None: ownership or a membership by name."""

    role: Role
    link: SessionLink | None = None


def visitor(request: HttpRequest) -> Visitor:
    user = request.user if request.user.is_authenticated else None
    return visitor_of(user, request.session)


async def socket_visitor(scope: Mapping[str, Any]) -> Visitor:
    """Who is at the other end now: a logout or a change of password since counts."""
    if scope.get("local"):
        return Visitor(scope["user"])
    login = SessionStore(scope["session"].session_key)
    user = await get_user(cast(Any, {"session": login}))
    found = user if user.is_authenticated else None
    return await database_sync_to_async(visitor_of)(cast("User | None", found), login)


def standing_links(prefix: str = "") -> Q:
    """Links neither revoked nor expired, for a filter on them or on what refers to them."""
    never = Q(**{f"{prefix}expires_at": None})
    later = Q(**{f"{prefix}expires_at__gt": timezone.now()})
    return Q(**{f"{prefix}revoked_at": None}) & (never | later)


def standing_members() -> Q:
    """Memberships by name, or by a link that stands."""
    return Q(link=None) | standing_links("link__")


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
    """Whether anything at all is there for the visitor: an account, or a link that stands."""
    return visitor.user is not None or _links(visitor).exists()


def session_grants(visitor: Visitor, sessions: Collection[Session]) -> dict[UUID, list[Grant]]:
    """What the visitor may in each session, and through what; read anew each time."""
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
    """The highest; of equal ones that which hangs on no link."""
    return max(grants, key=lambda grant: (grant.role.rank, grant.link is None), default=None)


def session_role(visitor: Visitor, session: Session) -> Role | None:
    """None: the session is not there for this visitor."""
    grant = session_grant(visitor, session)
    return grant.role if grant else None


def _links(visitor: Visitor) -> QuerySet[SessionLink]:
    return SessionLink.objects.filter(standing_links(), pk__in=visitor.links)


def _memberships(user: User) -> QuerySet[SessionMember]:
    return SessionMember.objects.filter(standing_members(), user=user)


def visitor_of(user: User | None, login: SessionBase) -> Visitor:
    """Who has this login, of which `user` is the account."""
    if not settings.ANONYMOUS_LINKS:
        return Visitor(user)
    links = frozenset(UUID(link) for link in login.get(LINKS, ()))
    return Visitor(user, links, login.get(GUEST, ""))
