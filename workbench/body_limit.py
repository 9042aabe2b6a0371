"""Limits the size and the duration of request bodies, by sender."""

import asyncio
import http.cookies
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, cast

from asgiref.typing import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope
from channels.auth import get_user
from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore

from analysis.images.files import MAX_BYTES
from workbench.accounts.local import is_local
from workbench.accounts.visitor import login_visitor
from workbench.errors import EdgeError, TooLarge, TooSlow
from workbench.sessions.access import is_admitted

STRANGER_BYTES = 64 * 2**10
# Time for a body: a base, plus time for each byte received.
GRACE_SECONDS, BYTES_PER_SECOND = 30.0, 16 * 2**10


class BodyLimit:
    """Refuses bodies that are too large or too slow, before they are stored.

    Django would write a body of any length to disk before it calls a view. `larger`: limits of
    paths that accept more than the largest picture. A guest may send as much as a form or an edit
    needs, a stranger as much as a login needs.
    """

    def __init__(
        self,
        inner: ASGI3Application,
        *,
        limit: int = MAX_BYTES,
        larger: Mapping[str, int] | None = None,
        grace: float = GRACE_SECONDS,
    ) -> None:
        self.inner, self.limit, self.larger, self.grace = inner, limit, larger or {}, grace

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        if scope["type"] != "http":
            return await self.inner(scope, receive, send)
        limit = self.larger.get(scope["path"], self.limit)
        promised = promised_bytes(scope)
        if promised is None or promised > STRANGER_BYTES:
            limit = min(limit, await sender_limit(scope))
        if promised is not None and promised > limit:
            return await refuse(send, too_large(promised, limit))
        body = IncomingBody(receive, send, limit=limit, grace=self.grace)
        await self.inner(scope, cast(Any, body.receive), cast(Any, body.send))
        if body.refusal and not body.answered:
            await refuse(send, body.refusal)


@dataclass
class IncomingBody:
    """A request's body while it is received; on refusal the application gets a disconnect."""

    source: ASGIReceiveCallable
    target: ASGISendCallable
    limit: int
    grace: float
    taken: int = 0
    whole: bool = False
    answered: bool = False
    refusal: EdgeError | None = None
    began: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    async def receive(self) -> Any:
        if self.refusal:
            return {"type": "http.disconnect"}
        if self.whole:
            return await self.source()
        until = self.began + self.grace + self.taken / BYTES_PER_SECOND
        try:
            async with asyncio.timeout_at(until):
                event: Any = await self.source()
        except TimeoutError:
            self.refusal = too_slow(self.taken)
            return {"type": "http.disconnect"}
        self.taken += len(event.get("body", b""))
        self.whole = not event.get("more_body", False)
        if self.taken > self.limit:
            self.refusal = too_large(self.taken, self.limit)
            return {"type": "http.disconnect"}
        return event

    async def send(self, message: Any) -> None:
        self.answered = True
        await self.target(message)


def promised_bytes(scope: Any) -> int | None:
    """The body's length as announced in the headers; None: not announced."""
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"0")
    return int(length) if length.isdigit() and b"transfer-encoding" not in headers else None


async def sender_limit(scope: Any) -> int:
    """The maximum body size of this sender, in bytes."""
    account: int = settings.MAX_IMPORT_BYTES + MAX_BYTES
    headers = {name.decode("latin-1").lower(): value for name, value in scope["headers"]}
    if is_local(peer=(scope.get("client") or (None,))[0], headers=set(headers)):
        return account
    login = SessionStore(_cookie(headers.get("cookie", b""), settings.SESSION_COOKIE_NAME))
    user = await get_user(cast(Any, {"session": login}))
    if user.is_authenticated:
        return account
    guest = await database_sync_to_async(_is_guest)(login)
    limit: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE if guest else STRANGER_BYTES
    return limit


def _is_guest(login: SessionStore) -> bool:
    return is_admitted(login_visitor(None, login))


def _cookie(header: bytes, name: str) -> str | None:
    try:
        cookie = http.cookies.SimpleCookie(header.decode("latin-1")).get(name)
    except http.cookies.CookieError:
        return None
    return cookie.value if cookie else None


def too_large(size: int, limit: int) -> TooLarge:
    remedy = "Send a smaller file or a shorter text."
    if limit <= STRANGER_BYTES:
        remedy = "Log in to send more."
    return TooLarge(f"The request has {size} bytes; the limit is {limit}.", remedy=remedy)


def too_slow(taken: int) -> TooSlow:
    return TooSlow(
        f"Only {taken} bytes of the request came in time; after {GRACE_SECONDS:.0f} s at least "
        f"{BYTES_PER_SECOND} bytes a second must come.",
        remedy="Send it again, over a faster connection.",
    )


async def refuse(send: ASGISendCallable, error: EdgeError) -> None:
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    start = {"type": "http.response.start", "status": HTTPStatus(error.status), "headers": headers}
    body = {"type": "http.response.body", "body": json.dumps(error.as_dict()).encode()}
    await send(cast(Any, {**start, "trailers": False}))
    await send(cast(Any, {**body, "more_body": False}))
