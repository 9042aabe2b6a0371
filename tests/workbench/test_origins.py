"""Sockets open for pages of this server, and of no other program on its machine."""

import logging
from typing import Any

import pytest
from django.contrib.auth.models import User

from tests.workbench.sockets import RunPage
from workbench.asgi import application

pytestmark = [pytest.mark.asyncio, pytest.mark.django_db(transaction=True)]
HOST = "localhost:8000"
PATHS = ["/ws", "/ws/sessions/00000000-0000-4000-8000-000000000000"]


async def opens(origin: str, path: str = "/ws", *, host: str = HOST, scheme: str = "ws") -> bool:
    page = RunPage(
        peer="127.0.0.1", origin=origin, path=path, scheme=scheme, headers={"host": host}
    )
    opened = await page.connect() == "websocket.accept"
    await page.disconnect()
    return opened


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_of_this_server_opens_a_socket(path: str) -> None:
    assert await opens(f"http://{HOST}", path)
    assert await opens("https://localhost", path, host="localhost", scheme="wss")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost",
        "http://localhost:9999",
        "http://localhost:80",
        f"https://{HOST}",
        "http://127.0.0.1:8000",
        "http://[::1]:8000",
        "http://evil.example:8000",
        f"http://{HOST}.evil.example",
        f"http://evil.example@{HOST}",
        f"ws://{HOST}",
        "null",
        "",
        "file://",
        "http://[",
    ],
)
async def test_a_page_of_another_origin_opens_none(origin: str, path: str) -> None:
    assert not await opens(origin, path)


async def test_a_wrong_host_opens_none(caplog: pytest.LogCaptureFixture) -> None:
    assert not await opens("http://evil.example", host="evil.example")
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_trusted_origin_opens_a_socket(settings: Any) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://glass.example", "https://*.lab.example"]
    assert await opens("https://glass.example")
    assert await opens("https://a.lab.example")
    assert not await opens("http://glass.example")
    assert not await opens("https://glass.example:444")


@pytest.mark.parametrize("path", ["/", "/wsx", "/ws/", "/ws/sessions/x", "/ws/other", "/api/me"])
async def test_an_address_without_socket_opens_none(
    path: str, anna: User, caplog: pytest.LogCaptureFixture
) -> None:
    assert not await opens(f"http://{HOST}", path)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_an_address_without_socket_is_not_found() -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", HOST.encode()), (b"origin", f"http://{HOST}".encode())]
    scope: Any = {
        "type": "websocket",
        "path": "/wsx",
        "query_string": b"",
        "headers": headers,
        "client": ("192.0.2.1", 5),
        "extensions": {"websocket.http.response": {}},
    }
    await application(scope, receive, send)
    assert sent[0]["status"] == 404
