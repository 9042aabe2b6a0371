"""The socket: watchers receive all events of a run in order, once, even if messages are lost."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from channels.db import database_sync_to_async as in_database
from django.test import Client

from tests.workbench.sockets import Message, RunPage, page
from workbench.runs import execution
from workbench.runs.execution import Pending, event_append, run_claim, run_end, run_release
from workbench.runs.models import Run, Status
from workbench.runs.selectors import PAGE_EVENTS
from workbench.runs.services import run_cancel, run_delete
from workbench.socket import consumers

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]
Make = Callable[..., Run]


def numbers(messages: list[Message]) -> list[tuple[int, int]]:
    return [(message["attempt"], message["seq"]) for message in messages]


def append(run: Run, first: int, last: int, attempt: int = 1) -> None:
    events = [Pending(seq, f'{{"kind":"step","number":{seq}}}') for seq in range(first, last + 1)]
    event_append(run=run.id, attempt=attempt, events=events)


def finish(run: Run, attempt: int = 1) -> None:
    assert run_end(run=run.id, attempt=attempt, status=Status.DONE)


async def test_a_late_watcher_sees_the_whole_run(anna_client: Client, running: Run) -> None:
    await in_database(append)(running, 2, 450)
    await in_database(finish)(running)
    async with page(anna_client) as late:
        snapshot = await late.watch(running)
        assert snapshot["run"]["status"] == "done"
        seen = await late.until_end()
    assert numbers(seen) == [(1, seq) for seq in range(1, 452)]
    assert seen[1]["event"] == {"kind": "step", "number": 2}
    assert len(seen) > 2 * PAGE_EVENTS


async def test_a_watcher_follows_live_and_a_burst_is_whole(
    anna_client: Client, running: Run
) -> None:
    async with page(anna_client) as first, page(anna_client) as second:
        for watcher in (first, second):
            await watcher.watch(running)
            assert numbers(await watcher.events(1)) == [(1, 1)]
        for start in range(2, 502, 20):
            await in_database(append)(running, start, start + 19)
        await in_database(finish)(running)
        for watcher in (first, second):
            seen = await watcher.until_end()
            assert numbers(seen) == [(1, seq) for seq in range(2, 503)]
            assert (await watcher.receive_kind("run"))["run"]["status"] == "done"
            assert await watcher.is_quiet()


async def test_a_reconnect_goes_on_where_it_was(anna_client: Client, running: Run) -> None:
    await in_database(append)(running, 2, 10)
    async with page(anna_client) as back:
        await back.watch(running, attempt=1, after=7)
        assert numbers(await back.events(3)) == [(1, 8), (1, 9), (1, 10)]
        await in_database(append)(running, 11, 11)
        assert numbers(await back.events(1)) == [(1, 11)]


@pytest.mark.parametrize(("attempt", "after"), [(7, 3), (0, 5), (2**31 - 1, 2**31 - 1)])
async def test_a_place_of_another_attempt_starts_afresh(
    anna_client: Client, running: Run, attempt: int, after: int
) -> None:
    await in_database(append)(running, 2, 2)
    async with page(anna_client) as odd:
        await odd.watch(running, attempt=attempt, after=after)
        assert numbers(await odd.events(2)) == [(1, 1), (1, 2)]


async def test_lost_messages_are_read_again(
    anna_client: Client, running: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis drops two of three batches; the next that arrives shows the gap."""
    broadcast, batches = execution.broadcast_events, []

    def drop(**batch: Any) -> None:
        batches.append(batch)
        if len(batches) % 3 == 0:
            broadcast(**batch)

    monkeypatch.setattr(execution, "broadcast_events", drop)
    monkeypatch.setattr(consumers, "REREAD_SECONDS", 3600)
    async with page(anna_client) as watcher:
        await watcher.watch(running)
        for start in range(2, 20, 2):
            await in_database(append)(running, start, start + 1)
        seen = await watcher.events(19)
    assert numbers(seen) == [(1, seq) for seq in range(1, 20)]


async def test_a_run_is_followed_without_any_message(
    anna_client: Client, running: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("broadcast_events", "broadcast_run"):
        monkeypatch.setattr(execution, name, lambda *_, **__: None)
    monkeypatch.setattr(consumers, "REREAD_SECONDS", 0.05)
    async with page(anna_client) as watcher:
        await watcher.watch(running)
        await in_database(append)(running, 2, 5)
        await in_database(finish)(running)
        assert numbers(await watcher.until_end()) == [(1, seq) for seq in range(1, 7)]


async def test_a_socket_that_no_longer_reads_is_closed(
    anna_client: Client, running: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever ends the reading: the page notices, comes back and sees the rest."""

    async def fail(self: Any) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(consumers, "REREAD_SECONDS", 0.05)
    monkeypatch.setattr(consumers.RunConsumer, "_refresh", fail)
    async with page(anna_client) as watcher:
        output = await watcher.output()
    assert (output["type"], output["code"]) == ("websocket.close", consumers.CLOSE_AGAIN)


async def test_messages_sent_twice_or_late_are_dropped(
    anna_client: Client, running: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    broadcast, batches = execution.broadcast_events, []

    def repeat(**batch: Any) -> None:
        batches.append(batch)
        for earlier in batches:
            broadcast(**earlier)

    monkeypatch.setattr(execution, "broadcast_events", repeat)
    async with page(anna_client) as watcher:
        await watcher.watch(running)
        for seq in range(2, 8):
            await in_database(append)(running, seq, seq)
        await in_database(finish)(running)
        seen = await watcher.until_end()
        assert numbers(seen) == [(1, seq) for seq in range(1, 9)]
        await watcher.check_open()


async def test_a_new_attempt_starts_the_run_afresh(anna_client: Client, running: Run) -> None:
    async with page(anna_client) as watcher:
        await watcher.watch(running)
        await in_database(append)(running, 2, 3)
        assert numbers(await watcher.events(3)) == [(1, 1), (1, 2), (1, 3)]
        await in_database(run_release)(run=running.id, attempt=1)
        assert (await watcher.receive_kind("run"))["run"]["status"] == "queued"
        await in_database(run_claim)(run=running.id, worker="next")
        await in_database(append)(running, 2, 2, attempt=2)
        await in_database(finish)(running, attempt=2)
        assert numbers(await watcher.until_end()) == [(2, 1), (2, 2), (2, 3)]


async def test_positions_in_the_queue_are_sent(anna_client: Client, make_run: Make) -> None:
    first, second = [await in_database(make_run)() for _ in range(2)]
    async with page(anna_client) as watcher:
        assert (await watcher.watch(second))["run"]["position"] == 2
        await in_database(run_cancel)(run=first)
        assert (await watcher.receive_kind("run"))["run"]["position"] == 1
        await in_database(run_cancel)(run=second)
        assert numbers(await watcher.until_end()) == [(0, 1)]
        ended = (await watcher.receive_kind("run"))["run"]
        assert (ended["status"], ended["position"]) == ("cancelled", None)


async def test_a_cached_run_replays_under_its_own_name(
    anna_client: Client, running: Run, make_run: Make
) -> None:
    await in_database(append)(running, 2, 3)
    await in_database(finish)(running)
    copy = await in_database(make_run)(params=running.params)
    async with page(anna_client) as watcher:
        snapshot = (await watcher.watch(copy))["run"]
        assert snapshot["cached_from"] == str(running.id)
        seen = await watcher.until_end()
    assert numbers(seen) == [(1, 1), (1, 2), (1, 3), (1, 4)]
    assert {message["run"] for message in seen} == {str(copy.id)}


async def test_a_run_deleted_meanwhile_is_said_so(anna_client: Client, make_run: Make) -> None:
    run = await in_database(make_run)()
    async with page(anna_client) as watcher:
        await watcher.watch(run)
        await in_database(run_delete)(run=run)
        assert (await watcher.receive_kind("error"))["code"] == "run_not_found"
        await watcher.check_open()


async def test_unwatched_runs_are_quiet(anna_client: Client, running: Run) -> None:
    async with page(anna_client) as watcher:
        await watcher.watch(running)
        await watcher.events(1)
        await watcher.send(type="unwatch", run=running.id)
        await watcher.send(type="unwatch", run=uuid.uuid4())
        await watcher.check_open()
        await in_database(append)(running, 2, 3)
        assert await watcher.is_quiet()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[1]",
        '{"type":"watch"}',
        '{"type":"watch","run":7}',
        '{"type":"watch","run":"../../etc/passwd"}',
        '{"type":"launch"}',
        '{"type":"\\ud800"}',
        "x" * 5000,
        "[" * 4000,
    ],
)
async def test_a_wrong_message_is_refused_and_the_socket_stays(
    anna_client: Client, running: Run, text: str
) -> None:
    async with page(anna_client) as watcher:
        await watcher.send_frame(text=text)
        await watcher.refused("invalid_message")
        await watcher.watch(running)
        assert numbers(await watcher.events(1)) == [(1, 1)]


async def test_a_binary_message_is_refused(anna_client: Client) -> None:
    async with page(anna_client) as watcher:
        await watcher.send_frame(bytes=b"\xff\x00")
        await watcher.refused("invalid_message")
        await watcher.check_open()


async def test_too_many_watches_are_refused(
    anna_client: Client, make_run: Make, settings: Any
) -> None:
    settings.MAX_WATCHES = 1
    first, second = [await in_database(make_run)() for _ in range(2)]
    async with page(anna_client) as watcher:
        await watcher.watch(first)
        await watcher.watch(first)
        await watcher.send(type="watch", run=second.id)
        assert "limit is 1" in (await watcher.refused("too_many_watches"))["message"]
        await in_database(run_cancel)(run=first)
        await watcher.until_end()
        assert (await watcher.receive_kind("run"))["run"]["status"] == "cancelled"
        assert (await watcher.watch(second))["run"]["id"] == str(second.id)


async def test_a_stranger_is_refused_and_the_socket_closed(db: None) -> None:
    async with page() as stranger:
        await stranger.refused("login_required")
        assert await stranger.output() == {"type": "websocket.close", "code": 4401}


async def test_a_run_of_somebody_else_is_not_there(tom_client: Client, running: Run) -> None:
    async with page(tom_client) as other:
        await other.send(type="watch", run=running.id)
        theirs = await other.refused("run_not_found")
        unknown = uuid.uuid4()
        await other.send(type="watch", run=unknown)
        nobodys = await other.refused("run_not_found")
        assert theirs["message"].replace(str(running.id), "") == nobodys["message"].replace(
            str(unknown), ""
        )
        await in_database(append)(running, 2, 3)
        assert await other.is_quiet()
        await other.check_open()


async def test_logout_closes_the_socket(
    anna_client: Client, running: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "REREAD_SECONDS", 0.05)
    async with page(anna_client) as watcher:
        await watcher.watch(running)
        await in_database(anna_client.logout)()
        while True:
            output = await watcher.output()
            if output["type"] == "websocket.close":
                break
        assert output["code"] == 4401


async def test_a_page_of_another_site_gets_no_socket(anna_client: Client) -> None:
    evil = RunPage(client=anna_client, peer="192.0.2.1", origin="https://evil.example")
    assert await evil.connect() == "websocket.close"


async def test_whoever_sits_here_needs_no_login(db: None) -> None:
    async with page(peer="127.0.0.1") as here:
        await here.check_open()
