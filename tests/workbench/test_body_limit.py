"""Bodies that are too large or too slow are refused early; the limit depends on the sender."""

import asyncio
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from workbench.body_limit import STRANGER_BYTES, BodyLimit
from workbench.sessions.models import Session, SessionLink
from workbench.sessions.roles import Role
from workbench.sessions.sharing import token_hash

pytestmark = pytest.mark.django_db(transaction=True)
MIB = 2**20
LONG = (b"content-length", str(4 * MIB).encode())
CHUNKED = (b"transfer-encoding", b"chunked")

LIMIT = 10


def ask(
    parts: list[bytes],
    *headers: tuple[bytes, bytes],
    path: str = "/api/runs",
    peer: str = "127.0.0.1",
    limit: int = LIMIT,
) -> tuple[list[Any], bytes | None]:
    """The response, and the body that the application read; None: disconnected."""
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
    if waiting[-1]["body"] == b"...":
        waiting.pop()

    async def receive() -> Any:
        if not waiting:  # the sender has fallen silent
            await asyncio.Event().wait()
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    limited: Any = BodyLimit(inner, limit=limit, larger={"/api/imports": 2 * limit}, grace=0.1)
    scope = {"type": "http", "path": path, "headers": list(headers), "client": (peer, 5)}
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


def refused(sent: list[Any], status: int, code: str) -> str:
    refusal = json.loads(sent[1]["body"])
    assert (sent[0]["status"], refusal["code"]) == (status, code)
    assert (b"connection", b"close") in sent[0]["headers"]
    assert refusal["remedy"]
    return str(refusal["message"])


def test_a_body_that_does_not_say_so_is_hung_up_on() -> None:
    for sent, seen in (
        ask([b"12345", b"67890", b"1"]),
        ask([b"12345678901"], (b"content-length", b"x")),
        ask([b"12345678901"], CHUNKED),
    ):
        assert seen is None
        assert "11 bytes; the limit is 10" in refused(sent, 413, "too_large")


def test_an_address_may_take_more_and_no_further() -> None:
    imports = "/api/imports"
    assert ask([b"1" * 20], (b"content-length", b"20"), path=imports) == ([], b"1" * 20)
    sent, seen = ask([b"1" * 21], path=imports)
    assert (refused(sent, 413, "too_large"), seen) == (
        "The request has 21 bytes; the limit is 20.",
        None,
    )
    sent, _ = ask([b"1" * 21], (b"content-length", b"21"), path=imports)
    assert "21 bytes; the limit is 20" in refused(sent, 413, "too_large")


def cookie(client: Client) -> tuple[bytes, bytes]:
    return b"cookie", f"a=b; sessionid={client.cookies['sessionid'].value}".encode()


@pytest.mark.parametrize("sent_as", [LONG, CHUNKED])
@pytest.mark.parametrize(
    "known", [(), ((b"cookie", b"sessionid=" + b"a" * 32),), ((b"cookie", b"sessionid=;=,\xff"),)]
)
def test_a_stranger_sends_no_long_body(
    sent_as: tuple[bytes, bytes], known: tuple[tuple[bytes, bytes], ...]
) -> None:
    parts = [b"x" * (STRANGER_BYTES // 2)] * 3
    sent, seen = ask(parts, sent_as, *known, peer="192.0.2.1", limit=8 * MIB, path="/api/imports")
    assert seen is None
    assert f"the limit is {STRANGER_BYTES}" in refused(sent, 413, "too_large")


def test_a_stranger_sends_what_a_login_takes() -> None:
    body = b"x" * 1000
    head = (b"content-length", b"1000")
    assert ask([body], head, peer="192.0.2.1", limit=MIB) == ([], body)


@pytest.mark.parametrize("sent_as", [LONG, CHUNKED])
def test_who_has_an_account_sends_as_much_as_the_address_takes(
    sent_as: tuple[bytes, bytes], anna_client: Client
) -> None:
    body = b"x" * 4 * MIB
    known = cookie(anna_client)
    assert ask([body], sent_as, known, peer="192.0.2.1", limit=4 * MIB) == ([], body)


def test_a_logged_out_cookie_is_a_strangers(anna_client: Client) -> None:
    known = cookie(anna_client)
    anna_client.logout()
    sent, seen = ask([b"x"], LONG, known, peer="192.0.2.1", limit=8 * MIB)
    assert seen is None
    refused(sent, 413, "too_large")


def test_a_guest_sends_what_an_edit_takes(anna: User, settings: Any) -> None:
    settings.ANONYMOUS_LINKS = True
    session = Session.objects.create(owner=anna)
    link = SessionLink.objects.create(
        session=session, role=Role.EDITOR, token_sha256=token_hash("t"), max_runs_per_hour=1
    )
    guest = Client(REMOTE_ADDR="192.0.2.1")
    opened = guest.post("/api/links/open", {"token": "t"}, content_type="application/json")
    assert opened.status_code == 200, opened.content
    body = b"x" * 4 * MIB
    assert ask([body], LONG, cookie(guest), peer="192.0.2.1", limit=8 * MIB) == ([], body)
    more = (b"content-length", str(5 * MIB).encode())
    refused(ask([body], more, cookie(guest), peer="192.0.2.1", limit=8 * MIB)[0], 413, "too_large")
    link.delete()
    refused(ask([body], LONG, cookie(guest), peer="192.0.2.1", limit=8 * MIB)[0], 413, "too_large")


def test_a_body_that_does_not_come_is_given_up() -> None:
    sent, seen = ask([b"12345", b"..."], (b"content-length", b"10"))
    assert seen is None
    assert "Only 5 bytes of the request came in time" in refused(sent, 408, "too_slow")
