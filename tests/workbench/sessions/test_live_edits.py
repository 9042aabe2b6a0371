"""Edits over the binary socket reach all pages, and saved ones are never lost."""

import asyncio
import random
import string
from collections.abc import Callable
from typing import Any

import pytest
from channels.db import database_sync_to_async as in_database
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client

from tests.workbench.sessions.pages import (
    Process,
    SessionPage,
    opened,
    saved_text,
    session_with_note,
)
from workbench.sessions import live_document, peers, room
from workbench.sessions.models import Session, SessionMember, SessionUpdate
from workbench.sessions.protocol import (
    UPDATE,
    sync_frame,
)
from workbench.sessions.store import document_rename

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]


@pytest.fixture
def session(anna: User) -> Session:
    return session_with_note(anna)


async def test_an_edit_is_saved_then_acknowledged_and_seen(
    session: Session,
    anna_client: Client,
    tom_client: Client,
    member: SessionMember,
    slow_reread: None,
) -> None:
    async with opened(session, anna_client) as anna, opened(session, tom_client) as tom:
        assert anna.text() == tom.text() == "Tom."
        anna.type("Anna and ")
        await anna.until_saved()
        assert await saved_text(session) == "Anna and Tom."
        await tom.until(lambda: tom.text() == "Anna and Tom.")
        tom.type("!", at=13)
        await tom.until_saved()
        await anna.until(lambda: anna.text() == "Anna and Tom.!")


async def test_an_edit_reaches_another_process(
    session: Session, anna_client: Client, other_process: Process, slow_reread: None
) -> None:
    far = SessionPage(session, anna_client)
    await other_process.run(far.start())
    async with opened(session, anna_client) as near:
        near.type("near ")
        await near.until_saved()
        await other_process.run(far.until(lambda: far.text() == "near Tom."))
        far.type("far ")
        await other_process.run(far.until_saved())
        await near.until(lambda: near.text() == "far near Tom.")
    await other_process.run(far.leave())
    assert await saved_text(session) == "far near Tom."


async def test_a_page_that_was_away_brings_its_edits_and_gets_the_others(
    session: Session, anna_client: Client, tom_client: Client, member: SessionMember
) -> None:
    away = await SessionPage(session, tom_client).start()
    await away.leave()
    away.type("[away] ")
    async with opened(session, anna_client) as anna:
        anna.type("[here] ")
        await anna.until_saved()
        await away.start()
        await away.until_saved()
        await anna.until(lambda: "[away]" in anna.text())
        assert anna.text() == away.text() == await saved_text(session)
        assert sorted(anna.text().split()) == ["Tom.", "[away]", "[here]"]
        await away.leave()


async def test_nothing_is_broadcast_or_acknowledged_before_it_is_saved(
    session: Session,
    anna_client: Client,
    monkeypatch: pytest.MonkeyPatch,
    slow_reread: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The database fails: pages are disconnected, and send their edits again."""
    append, begun = live_document.document_append, asyncio.Event()
    loop = asyncio.get_running_loop()

    def fail(**given: Any) -> bool:
        loop.call_soon_threadsafe(begun.set)
        raise OperationalError("disk full")

    watcher = await SessionPage(session, anna_client).start()
    writer = await SessionPage(session, anna_client).start()
    monkeypatch.setattr(live_document, "document_append", fail)
    writer.type("unsaved ")
    await writer.flush()
    await begun.wait()
    assert await writer.until_closed() == await watcher.until_closed() == 1013
    assert writer.saved < writer.sent
    assert watcher.text() == "Tom."
    assert await saved_text(session) == "Tom."
    monkeypatch.setattr(live_document, "document_append", append)
    await watcher.leave()
    await writer.leave()
    assert "disk full" in caplog.text
    await watcher.start()
    await writer.start()
    await writer.until_saved()
    await watcher.until(lambda: watcher.text() == "unsaved Tom.")
    assert await saved_text(session) == "unsaved Tom."
    await writer.leave()
    await watcher.leave()


async def test_an_edit_in_the_mail_is_saved_though_its_page_leaves_at_once(
    session: Session, anna_client: Client
) -> None:
    page = await SessionPage(session, anna_client).start()
    for number in range(20):
        page.type(f"{number} ")
        await page.flush()
    await page.leave()
    assert await saved_text(session) == page.text()
    fresh = await in_database(Session.objects.get)(pk=session.pk)
    assert fresh.text == f"Ball\n{page.text()}"


async def test_news_that_redis_loses_are_read_from_the_database(
    session: Session, anna_client: Client, other_process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First all messages are lost, then two of three: a reread or the gap recovers them."""
    send, sent = peers.Peers.send, []

    async def lose(self: peers.Peers, message: dict[str, Any], group: str | None = None) -> None:
        sent.append(message)
        if losing == "some" and len(sent) % 3 == 0:
            await send(self, message, group)

    losing = "all"
    monkeypatch.setattr(peers.Peers, "send", lose)
    monkeypatch.setattr(room, "REREAD_SECONDS", 0.1)
    far = SessionPage(session, anna_client)
    await other_process.run(far.start())
    async with opened(session, anna_client) as near:
        near.type("1 ")
        await near.until_saved()
        await other_process.run(far.until(lambda: far.text() == "1 Tom."))
        losing = "some"
        monkeypatch.setattr(room, "REREAD_SECONDS", 3600)
        await asyncio.sleep(0.3)
        for number in range(2, 12):
            near.type(f"{number} ")
            await near.until_saved()
        await other_process.run(far.until(lambda: "9 " in far.text()))
    await other_process.run(far.leave())


async def test_an_update_without_its_predecessor_is_asked_for(
    session: Session, anna_client: Client
) -> None:
    async with opened(session, anna_client) as page:
        page.type("1 ")
        page.type("2 ")
        _, second = page.waiting
        page.waiting.clear()
        await page.send(sync_frame(UPDATE, second))
        await page.until(lambda: page.saved == page.sent == 3)
        assert await saved_text(session) == "2 1 Tom."


async def test_updates_are_folded_and_a_page_behind_receives_all(
    session: Session, anna_client: Client, other_process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_document, "FOLD_UPDATES", 5)
    far = SessionPage(session, anna_client)
    await other_process.run(far.start())
    async with opened(session, anna_client) as near:
        for number in range(12):
            near.type(f"{number} ")
            await near.until_saved()
    rows = await in_database(SessionUpdate.objects.filter(session=session).count)()
    assert rows < 12
    await other_process.run(far.until(lambda: far.text() == near.text()))
    await other_process.run(far.leave())
    async with opened(session, anna_client) as late:
        assert late.text() == near.text()


async def test_the_title_is_the_session_s(session: Session, anna_client: Client) -> None:
    async with opened(session, anna_client) as page:
        page.meta["title"] = "Who has it?"
        await page.until_saved()
        await in_database(session.refresh_from_db)()
        assert session.title == "Who has it?"
        await in_database(document_rename)(session=session.pk, title="Tom has it")
        await page.until(lambda: page.meta["title"] == "Tom has it")


@pytest.mark.parametrize("seed", range(3))
async def test_edits_through_two_processes_with_deaths_converge(
    session: Session, anna_client: Client, other_process: Process, seed: int
) -> None:
    """Pages type at random through either process, whose connections are cut at random."""
    chance = random.Random(seed)
    pages = [SessionPage(session, anna_client, number=number) for number in range(1, 5)]
    home: list[Process | None] = [None, other_process, None, other_process]

    async def on(index: int, work: Callable[[], Any]) -> Any:
        place = home[index]
        return await (place.run(work()) if place else work())

    for index, page in enumerate(pages):
        await on(index, page.start)
    written = "Tom."
    for letter in string.ascii_letters[:40]:
        index = chance.randrange(4)
        page = pages[index]
        page.type(letter, at=chance.randrange(len(page.text()) + 1))
        written += letter
        await on(index, page.flush)
        if chance.random() < 0.2:
            await on(index, page.kill)
            home[index] = chance.choice([None, other_process])
            await on(index, page.start)
    for index, page in enumerate(pages):
        await on(index, page.leave)
    for index, page in enumerate(pages):
        await on(index, page.start)
        await on(index, page.until_saved)
    whole = await saved_text(session)
    assert sorted(whole) == sorted(written)
    for index, page in enumerate(pages):
        await on(index, lambda page=page: page.until(lambda: page.text() == whole))
        await on(index, page.leave)
