"""The local user: the person at this machine, logged in without a password.

Only when the server listens on loopback alone, the peer is loopback, and the request was not
forwarded: a proxy on this machine forwards requests of other machines.
"""

import ipaddress
import re
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from asgiref.typing import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope
from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_required
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.functional import SimpleLazyObject

View = Callable[..., HttpResponseBase]
# Headers that proxies add.
FORWARDING = re.compile(
    "forwarded|via|x-forward.*|x-(original|real|remote|envoy|amzn?|arr|azure|appengine|vercel|proxy"
    "|cluster|host|scheme|url-scheme)(-.*)?|cf-.*|cdn-.*|fly-.*|fastly-.*|akamai-.*"
    "|.*(client|user|proxyuser)-?ip"
)


def local_user() -> AbstractBaseUser:
    """The account of the local user; it has no password."""
    unusable = make_password(None)
    user, _ = get_user_model().objects.get_or_create(
        username=settings.LOCAL_USERNAME, defaults={"password": unusable}
    )
    return user


def is_local(*, peer: str | None, headers: set[str]) -> bool:
    """Whether a request with these lower-case header names comes from this machine."""
    if not settings.LOCAL or peer is None or any(map(_is_forwarding, headers)):
        return False
    try:
        return ipaddress.ip_address(peer).is_loopback
    except ValueError:
        return False


def _is_forwarding(header: str) -> bool:
    return FORWARDING.fullmatch(header.replace("_", "-")) is not None


def account_of(request: HttpRequest) -> User:
    """The user of a request that has passed the login check."""
    assert isinstance(request.user, User)
    return request.user


def request_is_local(request: HttpRequest) -> bool:
    names = {name.lower() for name in request.headers}
    return is_local(peer=request.META.get("REMOTE_ADDR"), headers=names)


def visitor_is_local(request: HttpRequest) -> bool:
    """Whether the visitor is the local user, not an account that logged in on this machine."""
    return request_is_local(request) and request.user.get_username() == settings.LOCAL_USERNAME


def is_operator(request: HttpRequest) -> bool:
    """Whether the visitor runs this server: the local user, or an administrator."""
    user = request.user
    staff = user.is_authenticated and user.is_active and user.is_staff
    return visitor_is_local(request) or staff


def as_stranger(view: View) -> View:
    """Treats the local user as not logged in, so that they can log in to an account."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if visitor_is_local(request):
            request.user = AnonymousUser()
        return view(request, *args, **kwargs)

    return wrapped


def not_local(view: View) -> View:
    """Refuses the local user, who has neither password nor second factor."""

    @login_required
    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if visitor_is_local(request):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return wrapped


def local_user_middleware(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Logs in the local user on a local request that has no login."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request_is_local(request):
            visitor = request.user
            request.user = SimpleLazyObject(  # type: ignore[assignment]
                lambda: visitor if visitor.is_authenticated else local_user()
            )
        return get_response(request)

    return middleware


class LocalUserSocket:
    """`local_user_middleware` for sockets, inside AuthMiddleware."""

    def __init__(self, inner: ASGI3Application) -> None:
        self.inner = inner

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        extended: dict[str, Any] = dict(scope)
        names = {name.decode("latin-1").lower() for name, _ in extended["headers"]}
        peer = (extended.get("client") or (None,))[0]
        if not extended["user"].is_authenticated and is_local(peer=peer, headers=names):
            extended["local"] = True
            extended["user"] = await database_sync_to_async(local_user)()
        inner: Callable[..., Awaitable[None]] = self.inner
        await inner(extended, receive, send)
