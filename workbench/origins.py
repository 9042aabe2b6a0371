"""Accepts sockets only from pages of this server, as Django does with forms."""

import io
from typing import Any

from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.middleware.csrf import CsrfViewMiddleware

SCHEMES = {"ws": "http", "wss": "https"}


class SameOrigin:
    """Refuses a socket whose Origin differs from the server's scheme, host and port.

    Origins in CSRF_TRUSTED_ORIGINS are accepted too. A socket without an Origin is refused.
    """

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        await (self.inner if is_same_origin(scope) else refuse)(scope, receive, send)


def is_same_origin(scope: Any) -> bool:
    """Django's origin check of forms, applied to a socket."""
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
    """Answer 404 to a socket at an unknown address."""
    await receive()
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 4404})
        return
    await send({"type": "websocket.http.response.start", "status": 404, "headers": []})
    await send({"type": "websocket.http.response.body", "body": b""})
