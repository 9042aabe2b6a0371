"""Serves the product below a path of its host, behind a proxy.

The proxy may strip the path (nginx: `proxy_pass http://host:port/`) or keep it.
"""

from typing import Any

from asgiref.typing import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope


class BasePath:
    """Removes `base` from request paths. `base` is BASE_PATH, such as /glass, or empty."""

    def __init__(self, inner: ASGI3Application, *, base: str) -> None:
        self.inner, self.base = inner, base

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        inner_scope: Any = scope
        path = inner_scope.get("path", "")
        if self.base and (path == self.base or path.startswith(f"{self.base}/")):
            inner_scope = {**inner_scope, "path": path[len(self.base) :] or "/"}
        await self.inner(inner_scope, receive, send)
