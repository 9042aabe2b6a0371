"""The client side of a page's socket."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from asgiref.testing import ApplicationCommunicator
from django.test import Client

from workbench.asgi import application
from workbench.runs.models import Run

Message = dict[str, Any]
SECONDS = 10


class RunPage:
    """One page's socket."""

    def __init__(
        self,
        *,
        client: Client | None = None,
        peer: str,
        origin: str,
        path: str = "/ws",
        scheme: str = "ws",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        headers = {"origin": origin, "host": "localhost", **(headers or {})}
        if client and "sessionid" in client.cookies:
            headers["cookie"] = f"sessionid={client.cookies['sessionid'].value}"
        scope = {
            "type": "websocket",
            "path": path,
            "scheme": scheme,
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": (peer, 5),
            "subprotocols": [],
        }
        self.app = ApplicationCommunicator(application, scope)

    async def connect(self) -> str:
        """websocket.accept, or websocket.close."""
        await self.app.send_input({"type": "websocket.connect"})
        return str((await self.output())["type"])

    async def disconnect(self) -> None:
        await self.app.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.app.wait(timeout=SECONDS)

    async def output(self) -> Message:
        message: Message = await self.app.receive_output(timeout=SECONDS)
        return message

    async def is_quiet(self) -> bool:
        return bool(await self.app.receive_nothing(timeout=0.2))

    async def send_frame(self, **frame: Any) -> None:
        await self.app.send_input({"type": "websocket.receive", **frame})

    async def send(self, **message: Any) -> None:
        await self.send_frame(text=json.dumps(message, default=str))

    async def receive(self) -> Message:
        output = await self.output()
        assert output["type"] == "websocket.send", output
        message: Message = json.loads(output["text"])
        return message

    async def receive_kind(self, kind: str) -> Message:
        while True:
            message = await self.receive()
            if message["type"] == kind:
                return message

    async def watch(self, run: Run, *, attempt: int = 0, after: int = 0) -> Message:
        await self.send(type="watch", run=run.id, attempt=attempt, after=after)
        return await self.receive_kind("run")

    async def events(self, count: int) -> list[Message]:
        return [await self.receive_kind("event") for _ in range(count)]

    async def until_end(self) -> list[Message]:
        """Events up to and with the one that ends the attempt."""
        found = []
        while True:
            message = await self.receive_kind("event")
            found.append(message)
            if message["event"].get("status") in {"done", "failed", "cancelled"}:
                return found

    async def refused(self, code: str) -> Message:
        message = await self.receive()
        assert (message["type"], message.get("code")) == ("error", code), message
        assert message["message"]
        assert message["remedy"]
        return message

    async def check_open(self) -> None:
        await self.send(type="ping")
        assert await self.receive_kind("pong") == {"type": "pong"}


@asynccontextmanager
async def page(
    client: Client | None = None, *, peer: str = "192.0.2.1", path: str = "/ws"
) -> AsyncIterator[RunPage]:
    opened = RunPage(client=client, peer=peer, origin="http://localhost", path=path)
    assert await opened.connect() == "websocket.accept"
    try:
        yield opened
    finally:
        await opened.disconnect()
