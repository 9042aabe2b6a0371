"""All of it below a path of its host, as a proxy may serve it.

A proxy may strip the path (nginx: `proxy_pass http://host:port/`) or leave it: both arrive here
alike.
"""

from typing import Any

from asgiref.typing import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope


class BasePath:
    """Removes the path from requests, and records it for building addresses.

    `base` is BASE_PATH, such as /glass; empty: nothing is changed.
    """

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
