"""A body too large is refused before it is taken in."""

import asyncio
import json
from typing import Any

from workbench.body_limit import BodyLimit

LIMIT = 10


def ask(
    parts: list[bytes], *headers: tuple[bytes, bytes], path: str = "/api/runs"
) -> tuple[list[Any], bytes | None]:
    """What is sent to the visitor, and the body that the application read; None: hung up."""
    sent: list[Any] = []
    seen: list[bytes | None] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            event = await receive()
            if event["type"] == "http.disconnect":
                return seen.append(None)
            body += event["body"]
            if not event["more_body"]:
                return seen.append(body)

    waiting = [
        {"type": "http.request", "body": part, "more_body": n + 1 < len(parts)}
        for n, part in enumerate(parts)
    ]

    async def receive() -> Any:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    limited: Any = BodyLimit(inner, limit=LIMIT, larger={"/api/imports": 2 * LIMIT})
    scope = {"type": "http", "path": path, "headers": list(headers)}
    asyncio.run(limited(scope, receive, send))
    return sent, seen[0] if seen else None


def test_a_body_within_the_limit_passes() -> None:
    assert ask([b"12345", b"67890"], (b"content-length", b"10")) == ([], b"1234567890")


def test_a_body_that_says_it_is_too_large_is_refused_unread() -> None:
    sent, seen = ask([b"1" * 11], (b"content-length", b"11"))
    assert (sent[0]["status"], seen) == (413, None)
    refusal = json.loads(sent[1]["body"])
    assert refusal["code"] == "too_large"
    assert "11 bytes; the limit is 10" in refusal["message"]


def test_a_body_that_does_not_say_so_is_hung_up_on() -> None:
    assert ask([b"12345", b"67890", b"1"]) == ([], None)
    assert ask([b"12345678901"], (b"content-length", b"x")) == ([], None)


def test_an_address_may_take_more_and_no_further() -> None:
    imports = "/api/imports"
    assert ask([b"1" * 20], (b"content-length", b"20"), path=imports) == ([], b"1" * 20)
    assert ask([b"1" * 21], path=imports) == ([], None)
    sent, _ = ask([b"1" * 21], (b"content-length", b"21"), path=imports)
    assert "21 bytes; the limit is 20" in json.loads(sent[1]["body"])["message"]
