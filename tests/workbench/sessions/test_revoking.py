"""Lost access ends open sockets too: at once by a broadcast, or at the next reread."""

from datetime import timedelta
from typing import Any

import pytest
from channels.db import database_sync_to_async as in_database
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from tests.workbench.sessions.calls import open_link, send, taken
from tests.workbench.sockets import RunPage, page
from workbench.runs.execution import Pending, event_append
from workbench.runs.models import Run
from workbench.sessions import services, sharing
from workbench.sessions.models import Session, SessionLink
from workbench.socket import consumers

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]


@pytest.fixture
def running(running: Run, anna_client: Client, path: str) -> Run:
    """The claimed run, attached to the session."""
    taken(send(anna_client, "post", f"{path}/runs", {"run": running.pk}), 204)
    return running


@pytest.fixture
def viewer_client(anna_client: Client, tom_client: Client, path: str) -> Client:
    """Tom, a viewer of the session by name."""
    taken(send(anna_client, "post", f"{path}/members", {"username": "tom", "role": "viewer"}))
    return tom_client


@pytest.fixture
def broadcast_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "REREAD_SECONDS", 3600)


@pytest.fixture
def reread_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (services, sharing):
        monkeypatch.setattr(module, "broadcast_access", lambda _: None)
    monkeypatch.setattr(consumers, "REREAD_SECONDS", 0.05)


async def watch(socket: RunPage, session: Session, run: Run) -> None:
    await socket.send(type="watch_session", session=session.pk)
    assert (await socket.receive_kind("session"))["session"]["id"] == str(session.pk)
    await socket.watch(run)
    await socket.events(1)


async def check_ended(socket: RunPage, session: Session, code: str, *, closes: bool) -> None:
    """Within two seconds: the session is gone, and so is the run that it showed."""
    gone = await socket.receive_kind("session_gone")
    assert gone == {"type": "session_gone", "session": str(session.pk), "code": code}
    assert (await socket.receive_kind("error"))["code"] == "run_not_found"
    if closes:
        await socket.refused("login_required")
        assert await socket.output() == {"type": "websocket.close", "code": 4401}


async def check_deaf(socket: RunPage, run: Run) -> None:
    """The socket stays open, and sends nothing about the run."""
    await in_database(event_append)(run=run.id, attempt=1, events=[Pending(2, '{"kind":"x"}')])
    await socket.send(type="ping")
    assert await socket.receive() == {"type": "pong"}


@pytest.mark.parametrize(
    ("delivery", "role"), [("broadcast_only", "viewer"), ("reread_only", "editor")]
)
async def test_a_revoked_link_closes_a_guests_socket(
    delivery: str,
    role: str,
    request: pytest.FixtureRequest,
    anna_client: Client,
    session: Session,
    path: str,
    running: Run,
    make_guest: Any,
) -> None:
    request.getfixturevalue(delivery)
    guest, link = await in_database(make_guest)(role)
    async with page(guest) as socket:
        await watch(socket, session, running)
        await in_database(anna_client.delete)(f"{path}/links/{link['id']}")
        await check_ended(socket, session, "revoked", closes=True)


async def test_an_expired_link_ends_with_the_ticker(
    reread_only: None, session: Session, running: Run, make_guest: Any
) -> None:
    guest, _ = await in_database(make_guest)("viewer")
    past = timezone.now() - timedelta(seconds=1)
    async with page(guest) as socket:
        await watch(socket, session, running)
        await in_database(SessionLink.objects.update)(expires_at=past)
        await check_ended(socket, session, "expired", closes=True)


async def test_a_member_by_a_revoked_link_keeps_the_socket(
    broadcast_only: None,
    anna_client: Client,
    tom_client: Client,
    session: Session,
    path: str,
    running: Run,
    make_link: Any,
) -> None:
    link = await in_database(make_link)("editor")
    await in_database(open_link)(tom_client, link["token"])
    async with page(tom_client) as socket:
        await watch(socket, session, running)
        await in_database(anna_client.delete)(f"{path}/links/{link['id']}")
        await check_ended(socket, session, "revoked", closes=False)
        await check_deaf(socket, running)


async def test_a_run_watched_without_its_session_ends_too(
    broadcast_only: None, anna_client: Client, viewer_client: Client, path: str, running: Run
) -> None:
    async with page(viewer_client) as socket:
        await socket.watch(running)
        await socket.events(1)
        await in_database(anna_client.delete)(f"{path}/members/tom")
        assert (await socket.receive_kind("error"))["code"] == "run_not_found"
        await check_deaf(socket, running)


@pytest.mark.parametrize("how", ["removed", "deleted"])
async def test_a_session_taken_away_is_said_so(
    broadcast_only: None,
    anna_client: Client,
    viewer_client: Client,
    session: Session,
    path: str,
    running: Run,
    how: str,
) -> None:
    address = path if how == "deleted" else f"{path}/members/tom"
    async with page(viewer_client) as socket:
        await watch(socket, session, running)
        await in_database(anna_client.delete)(address)
        await check_ended(socket, session, how, closes=False)


async def test_a_run_taken_out_of_the_session_is_not_shown_on(
    broadcast_only: None,
    anna_client: Client,
    viewer_client: Client,
    session: Session,
    path: str,
    running: Run,
) -> None:
    async with page(viewer_client) as socket:
        await watch(socket, session, running)
        await in_database(anna_client.delete)(f"{path}/runs/{running.pk}")
        assert (await socket.receive_kind("session"))["session"]["runs"] == []
        assert (await socket.receive_kind("error"))["code"] == "run_not_found"
        await check_deaf(socket, running)


async def test_a_change_of_title_or_role_is_sent(
    broadcast_only: None,
    anna_client: Client,
    viewer_client: Client,
    tom: User,
    session: Session,
    path: str,
    running: Run,
) -> None:
    async with page(viewer_client) as socket:
        await watch(socket, session, running)
        await in_database(send)(anna_client, "patch", path, {"title": "New"})
        assert (await socket.receive_kind("session"))["session"]["title"] == "New"
        await in_database(send)(anna_client, "patch", f"{path}/members/tom", {"role": "editor"})
        assert (await socket.receive_kind("session"))["session"]["role"] == "editor"


async def test_a_guest_may_watch_what_another_link_has_just_opened(
    anna_client: Client, session: Session, running: Run, make_guest: Any
) -> None:
    guest, _ = await in_database(make_guest)("viewer")
    async with page(guest) as socket:
        await watch(socket, session, running)
        created = await in_database(send)(anna_client, "post", "/api/sessions", {"title": "Other"})
        other = created.json()["id"]
        path = f"/api/sessions/{other}/links"
        link = await in_database(send)(anna_client, "post", path, {"role": "editor"})
        await in_database(open_link)(guest, link.json()["token"])
        await socket.send(type="watch_session", session=other)
        assert (await socket.receive_kind("session"))["session"]["id"] == other


async def test_too_many_sessions_are_not_watched(
    anna: User, anna_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.socket.watching.MAX_SESSIONS", 1)
    first, second = [
        await in_database(Session.objects.create)(owner=anna, title=title) for title in "ab"
    ]
    async with page(anna_client) as socket:
        await socket.send(type="watch_session", session=first.pk)
        await socket.receive_kind("session")
        await socket.send(type="watch_session", session=second.pk)
        await socket.refused("too_many_watches")
        await socket.send(type="unwatch_session", session=first.pk)
        await socket.send(type="watch_session", session=second.pk)
        assert (await socket.receive_kind("session"))["session"]["title"] == "b"
