"""Connections that send no request, or half of one, end by themselves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from workbench.deadlines import HEAD_SECONDS, Deadlines
from workbench.management.commands.serve import server_config

pytestmark = pytest.mark.asyncio
SECONDS = 30
WHOLE = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"


class Short(Deadlines):
    head_seconds = 0.3


@asynccontextmanager
async def served(http: Any = Short) -> AsyncIterator[Any]:
    """Opens connections to a server whose answers take longer than the head of a request may."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await asyncio.sleep(2 * Short.head_seconds)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"answer"})

    config = uvicorn.Config(app, port=0, http=http, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield lambda: asyncio.open_connection("127.0.0.1", port)
    finally:
        server.should_exit = True
        await task


@pytest.mark.parametrize("sent", [b"", b"GET / HT", WHOLE[:-2], WHOLE[:-1]])
async def test_half_a_request_is_closed(sent: bytes) -> None:
    async with served() as connect:
        reader, writer = await connect()
        writer.write(sent)
        assert await asyncio.wait_for(reader.read(), SECONDS) == b""
        writer.close()


async def test_half_a_request_after_a_whole_one_is_closed() -> None:
    async with served() as connect:
        reader, writer = await connect()
        writer.write(WHOLE + WHOLE[:-1])
        answers = await asyncio.wait_for(reader.read(), SECONDS)
        assert answers.count(b"200 OK") == 1
        writer.close()


async def test_a_slow_answer_and_a_slow_body_are_none_of_it() -> None:
    async with served() as connect:
        reader, writer = await connect()
        writer.write(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\n\r\nab")
        await asyncio.sleep(2 * Short.head_seconds)
        writer.write(b"cd")
        assert b"200 OK" in await asyncio.wait_for(reader.readline(), SECONDS)
        writer.close()


async def test_the_server_has_these_deadlines() -> None:
    assert server_config().http is Deadlines
    assert Deadlines.head_seconds == HEAD_SECONDS <= 60
