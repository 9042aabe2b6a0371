"""Sockets open for pages of this server alone, as Django takes forms from them alone."""

import io
from typing import Any

from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.middleware.csrf import CsrfViewMiddleware

SCHEMES = {"ws": "http", "wss": "https"}


class SameOrigin:
    """Refuses a socket unless scheme, host and port of its Origin are those that it is sent to.

    Origins in CSRF_TRUSTED_ORIGINS pass too. A socket without Origin is no page's.
    """

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        await (self.inner if is_same_origin(scope) else refuse)(scope, receive, send)


def is_same_origin(scope: Any) -> bool:
    """The rule of Django's check of forms, for a socket."""
    scheme = SCHEMES.get(scope.get("scheme", "ws"), "")
    asked = {**scope, "type": "http", "method": "GET", "scheme": scheme}
    request = ASGIRequest(asked, io.BytesIO())
    if "HTTP_ORIGIN" not in request.META:
        return False
    check: Any = CsrfViewMiddleware(lambda request: HttpResponse())
    return bool(check._origin_verified(request))


async def refuse(scope: Any, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Answer 403 before the socket opens."""
    await receive()
    await send({"type": "websocket.close", "code": 4403, "reason": None})


async def nothing_here(scope: Any, receive: Any, send: Any) -> None:
    """Answer 404 to a socket on an address that has none."""
    await receive()
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 4404})
        return
    await send({"type": "websocket.http.response.start", "status": 404, "headers": []})
    await send({"type": "websocket.http.response.body", "body": b""})
