"""No request's body is taken in further than what its address takes is long."""

import json
from collections.abc import Mapping
from http import HTTPStatus

from asgiref.typing import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    Scope,
)

from analysis.picture_files import MAX_BYTES
from workbench.errors import TooLarge


class BodyLimit:
    """Refuses what says that it is too large, and hangs up on what does not say so.

    Django would write a body of any length to disk before it asks any view. `larger`: limits of
    those paths that take more than the largest picture is long.
    """

    def __init__(
        self,
        inner: ASGI3Application,
        *,
        limit: int = MAX_BYTES,
        larger: Mapping[str, int] | None = None,
    ) -> None:
        self.inner, self.limit, self.larger = inner, limit, larger or {}

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        if scope["type"] != "http":
            return await self.inner(scope, receive, send)
        limit = self.larger.get(scope["path"], self.limit)
        promised = dict(scope["headers"]).get(b"content-length", b"0")
        if promised.isdigit() and int(promised) > limit:
            return await self._refuse(int(promised), limit, send)
        taken = 0

        async def counted() -> ASGIReceiveEvent:
            nonlocal taken
            event = await receive()
            taken += len(event["body"]) if event["type"] == "http.request" else 0
            return {"type": "http.disconnect"} if taken > limit else event

        return await self.inner(scope, counted, send)

    async def _refuse(self, size: int, limit: int, send: ASGISendCallable) -> None:
        error = TooLarge(
            f"The request has {size} bytes; the limit is {limit}.",
            remedy="Send a smaller file or a shorter text.",
        )
        content = json.dumps(error.as_dict()).encode()
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        await send(
            {
                "type": "http.response.start",
                "status": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "headers": headers,
                "trailers": False,
            }
        )
        await send({"type": "http.response.body", "body": content, "more_body": False})
