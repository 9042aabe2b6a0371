"""The visitor of a request or socket: an account, a guest who opened links, or both."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from channels.auth import get_user
from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest

from workbench.errors import LoginRequired

LINKS, GUEST = "links", "guest"  # keys of a guest's data in a login


@dataclass(frozen=True)
class Visitor:
    """`links`: ids of the links opened in this login; their validity is read from the database
    each time. `guest`: a random id of the guest."""

    user: User | None
    links: frozenset[UUID] = frozenset()
    guest: str = ""

    @property
    def id(self) -> str:
        """The same for all sockets and requests of one person."""
        return str(self.user.pk) if self.user else f"guest-{self.guest}"

    @property
    def name(self) -> str:
        return self.user.get_username() if self.user else f"Guest {self.guest[:4]}"

    @property
    def account(self) -> User:
        """Raises LoginRequired for guests."""
        if self.user is None:
            raise LoginRequired("Log in to continue.", remedy="Log in at /login.")
        return self.user


def request_visitor(request: HttpRequest) -> Visitor:
    user = request.user if request.user.is_authenticated else None
    return login_visitor(user, request.session)


async def socket_visitor(scope: Mapping[str, Any]) -> Visitor:
    """The socket's visitor now: a logout or password change since it opened takes effect."""
    if scope.get("local"):
        return Visitor(scope["user"])
    login = SessionStore(scope["session"].session_key)
    user = await get_user(cast(Any, {"session": login}))
    account = user if user.is_authenticated else None
    return await database_sync_to_async(login_visitor)(cast("User | None", account), login)


def login_visitor(user: User | None, login: SessionBase) -> Visitor:
    """The visitor with this login; `user` is its account."""
    if not settings.ANONYMOUS_LINKS:
        return Visitor(user)
    links = frozenset(UUID(link) for link in login.get(LINKS, ()))
    return Visitor(user, links, login.get(GUEST, ""))
