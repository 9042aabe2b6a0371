"""The binary socket: edits reach all pages, saved ones are never lost, roles apply at once."""

import asyncio
import json
import random
import string
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from channels.db import database_sync_to_async as in_database
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client
from pycrdt import Map

from tests.workbench.sessions.pages import NOTE, Process, SessionPage, opened, process
from tests.workbench.sessions.test_crdt import rivals
from workbench.runs.models import Run
from workbench.sessions import allowance, consumers, live_document, peers, room
from workbench.sessions.broadcast import broadcast_access
from workbench.sessions.document import PanelNote, SessionDocument
from workbench.sessions.models import Session, SessionMember, SessionRun, SessionUpdate
from workbench.sessions.protocol import (
    GONE,
    STEP_1,
    STEP_2,
    UPDATE,
    PresenceEntry,
    people_frame,
    sync_frame,
)
from workbench.sessions.roles import Role
from workbench.sessions.store import document_create, document_get, document_rename

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]


@pytest.fixture
def session(anna: User) -> Session:
    created = Session.objects.create(owner=anna)
    note = PanelNote(id=NOTE, place="a0", text="Tom.")
    document_create(session=created, document=SessionDocument(title="Ball", panels=(note,)))
    return created


@pytest.fixture
def member(session: Session, tom: User) -> SessionMember:
    return SessionMember.objects.create(session=session, user=tom, role=Role.EDITOR)


@pytest.fixture
def other() -> Iterator[Process]:
    with process() as running:
        yield running


@pytest.fixture
def slow_reread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "REREAD_SECONDS", 3600)


async def saved_text(session: Session) -> str:
    (panel,) = (await in_database(document_get)(session=session.pk)).panels
    assert isinstance(panel, PanelNote)
    return panel.text


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
    session: Session, anna_client: Client, other: Process, slow_reread: None
) -> None:
    far = SessionPage(session, anna_client)
    await other.run(far.start())
    async with opened(session, anna_client) as near:
        near.type("near ")
        await near.until_saved()
        await other.run(far.until(lambda: far.text() == "near Tom."))
        far.type("far ")
        await other.run(far.until_saved())
        await near.until(lambda: near.text() == "far near Tom.")
    await other.run(far.leave())
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
    session: Session, anna_client: Client, other: Process, monkeypatch: pytest.MonkeyPatch
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
    await other.run(far.start())
    async with opened(session, anna_client) as near:
        near.type("1 ")
        await near.until_saved()
        await other.run(far.until(lambda: far.text() == "1 Tom."))
        losing = "some"
        monkeypatch.setattr(room, "REREAD_SECONDS", 3600)
        await asyncio.sleep(0.3)
        for number in range(2, 12):
            near.type(f"{number} ")
            await near.until_saved()
        await other.run(far.until(lambda: "9 " in far.text()))
    await other.run(far.leave())


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
    session: Session, anna_client: Client, other: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_document, "FOLD_UPDATES", 5)
    far = SessionPage(session, anna_client)
    await other.run(far.start())
    async with opened(session, anna_client) as near:
        for number in range(12):
            near.type(f"{number} ")
            await near.until_saved()
    rows = await in_database(SessionUpdate.objects.filter(session=session).count)()
    assert rows < 12
    await other.run(far.until(lambda: far.text() == near.text()))
    await other.run(far.leave())
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
    session: Session, anna_client: Client, other: Process, seed: int
) -> None:
    """Pages type at random through either process, whose connections are cut at random."""
    chance = random.Random(seed)
    pages = [SessionPage(session, anna_client, number=number) for number in range(1, 5)]
    home: list[Process | None] = [None, other, None, other]

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
            home[index] = chance.choice([None, other])
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


async def test_a_wrong_change_ends_its_page_and_spoils_nothing(
    session: Session, anna_client: Client, slow_reread: None
) -> None:
    async with opened(session, anna_client) as good:
        bad = await SessionPage(session, anna_client).start()
        good.type("1 ")
        bad.panels[NOTE]["onclick"] = "alert(1)"
        await asyncio.gather(good.flush(), bad.flush())
        assert await bad.until_closed() == consumers.CLOSE_REFUSED
        assert "onclick" in bad.refusals[0]
        good.type("2 ")
        await good.until_saved()
        assert await saved_text(session) == good.text() == "2 1 Tom."
        await bad.leave()
    async with opened(session, anna_client) as fresh:
        assert sorted(fresh.panels[NOTE].keys()) == sorted(good.panels[NOTE].keys())


async def test_a_run_must_be_attached(
    session: Session, anna: User, anna_client: Client, make_run: Callable[..., Run]
) -> None:
    run = await in_database(make_run)()
    page = await SessionPage(session, anna_client).start()
    page.panels[str(uuid.uuid4())] = Map({"kind": "run", "run": str(run.pk), "place": "a1"})
    await page.flush()
    assert await page.until_closed() == consumers.CLOSE_REFUSED
    assert str(run.pk) in page.refusals[0]
    await page.leave()
    await in_database(SessionRun.objects.create)(session=session, run=run, added_by=anna)
    await page.start()
    await page.until_saved()
    await page.leave()
    assert len((await in_database(document_get)(session=session.pk)).panels) == 2


@pytest.mark.parametrize(
    "frame", [b"", b"\0", b"\0\2\xff", b"\x63", b"\0\0\1\xff", b"\0\2\3\1\2\3", b"\1\2\1\1"]
)
async def test_a_frame_that_cannot_be_read_ends_the_socket(
    session: Session, anna_client: Client, frame: bytes
) -> None:
    page = await SessionPage(session, anna_client).start()
    await page.send(frame) if frame else await page.app.send_input(
        {"type": "websocket.receive", "text": "{}"}
    )
    assert await page.until_closed() == consumers.CLOSE_REFUSED
    assert page.refusals
    await page.leave()


async def test_too_many_messages_end_the_socket(
    session: Session, anna_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allowance, "MESSAGES_AT_ONCE", 20)
    monkeypatch.setattr(allowance, "MESSAGES_PER_SECOND", 0.001)
    page = await SessionPage(session, anna_client).start()
    for _ in range(60):
        await page.send(b"\3")
    assert await page.until_closed() == consumers.CLOSE_RATE
    await page.leave()


async def test_a_page_that_does_not_read_is_sent_away(
    session: Session, anna_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await SessionPage(session, anna_client).start()
    monkeypatch.setattr(consumers, "MAX_QUEUED_BYTES", 10)
    page.type("a long text of many letters")
    await page.flush()
    assert await page.until_closed() == 1013
    await page.leave()
    assert await saved_text(session) == page.text()


async def test_too_many_bytes_end_the_socket(
    session: Session, tom_client: Client, member: SessionMember
) -> None:
    await in_database(SessionMember.objects.update)(role=Role.VIEWER)
    page = await SessionPage(session, tom_client).start()
    for _ in range(3):
        await page.send(sync_frame(STEP_2, bytes(allowance.READER_BYTES_AT_ONCE // 2)))
    assert await page.until_closed() == consumers.CLOSE_RATE
    await page.leave()


async def test_a_reader_s_update_is_refused_unread(
    session: Session, tom_client: Client, member: SessionMember
) -> None:
    await in_database(SessionMember.objects.update)(role=Role.VIEWER)
    page = await SessionPage(session, tom_client).start()
    await page.send(sync_frame(STEP_2, b"\1" + b"\xff" * 1000))  # no update at all
    await page.until(lambda: page.refusals)
    assert Role.VIEWER.value in page.refusals[0]
    await page.leave()


async def test_a_state_vector_of_many_clients_ends_the_socket(
    session: Session, anna_client: Client
) -> None:
    page = await SessionPage(session, anna_client).start()
    await page.send(sync_frame(STEP_1, bytes(consumers.MAX_STEP_1_BYTES + 1)))
    assert await page.until_closed() == consumers.CLOSE_REFUSED
    assert str(consumers.MAX_STEP_1_BYTES) in page.refusals[0]
    await page.leave()


async def test_a_document_that_was_poisoned_before_is_refused(
    session: Session, anna_client: Client
) -> None:
    poison = rivals(range(1, 3_001))
    await in_database(Session.objects.filter(pk=session.pk).update)(state=poison)
    page = SessionPage(session, anna_client)
    with pytest.raises(AssertionError, match="cannot be opened"):
        await page.start()
    await page.leave()


@pytest.mark.parametrize("role", [Role.VIEWER, Role.COMMENTER])
async def test_who_may_only_read_changes_nothing(
    session: Session, anna_client: Client, tom_client: Client, member: SessionMember, role: Role
) -> None:
    await in_database(SessionMember.objects.update)(role=role)
    async with opened(session, anna_client) as anna:
        reader = await SessionPage(session, tom_client).start()
        await reader.until(lambda: reader.saved == reader.sent == 1)
        assert reader.refusals == []
        reader.type("no ")
        await reader.flush()
        await reader.until(lambda: reader.refusals)
        assert role.value in reader.refusals[0]
        await reader.send(sync_frame(STEP_2, reader.doc.get_update()))
        await reader.until(lambda: len(reader.refusals) == 2)
        anna.type("yes ")
        await anna.until_saved()
        await reader.until(lambda: "yes" in reader.text())
        await reader.say(reader.doc.client_id, view={"panel": NOTE})
        await anna.until(lambda: anna.people)
        assert await saved_text(session) == anna.text() == "yes Tom."
        await reader.leave()


async def test_strangers_and_others_are_turned_away(
    session: Session, tom_client: Client, stranger_client: Client
) -> None:
    stranger = await SessionPage(session, None).connect()
    assert await stranger.until_closed() == consumers.CLOSE_LOGIN
    await stranger.leave()
    nowhere = Session(pk=uuid.uuid4())
    for where in (session, nowhere):
        tom = await SessionPage(where, tom_client).connect()
        assert await tom.until_closed() == 4404
        await tom.leave()


async def test_a_revoked_member_is_cut_off_at_once(
    session: Session, tom_client: Client, member: SessionMember, slow_reread: None
) -> None:
    tom = await SessionPage(session, tom_client).start()
    await in_database(member.delete)()
    await in_database(broadcast_access)(session.pk)
    assert await tom.until_closed() == consumers.CLOSE_ROLE
    await tom.leave()


async def test_a_revoked_member_is_cut_off_without_any_message(
    session: Session, tom_client: Client, member: SessionMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "REREAD_SECONDS", 0.1)
    tom = await SessionPage(session, tom_client).start()
    await in_database(member.delete)()
    assert await tom.until_closed() == consumers.CLOSE_ROLE
    await tom.leave()


async def test_a_lowered_role_counts_at_once(
    session: Session, tom_client: Client, member: SessionMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "REREAD_SECONDS", 0.05)
    async with opened(session, tom_client) as tom:
        await in_database(SessionMember.objects.update)(role=Role.VIEWER)
        await asyncio.sleep(0.5)
        tom.type("too late ")
        await tom.flush()
        await tom.until(lambda: tom.refusals)
        assert await saved_text(session) == "Tom."


@pytest.mark.parametrize("what", ["session", "login"])
async def test_a_session_deleted_or_a_login_ended_closes_the_socket(
    session: Session, anna_client: Client, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(room, "REREAD_SECONDS", 0.1)
    page = await SessionPage(session, anna_client).start()
    await in_database(session.delete if what == "session" else anna_client.logout)()
    assert await page.until_closed() == (4404 if what == "session" else consumers.CLOSE_LOGIN)
    await page.leave()


async def test_people_see_each_other_under_their_own_names(
    session: Session,
    anna: User,
    anna_client: Client,
    tom_client: Client,
    member: SessionMember,
    other: Process,
    slow_reread: None,
) -> None:
    far = SessionPage(session, tom_client)
    await other.run(far.start())
    async with opened(session, anna_client) as one, opened(session, anna_client) as two:
        await one.say(1, user={"id": "9", "name": "Tom", "colour": "blue"}, view={"panel": NOTE})
        shown = {
            "user": {"id": str(anna.pk), "name": "anna", "colour": "blue"},
            "view": {"panel": NOTE},
        }
        await two.until(lambda: 1 in two.people)
        assert json.loads(two.people[1].state) == shown
        await other.run(far.until(lambda: 1 in far.people))
        assert json.loads(far.people[1].state) == shown
        late = await SessionPage(session, anna_client).start()
        await late.until(lambda: 1 in late.people)
        # Nobody speaks for another: not for a client of somebody else, nor for a second one.
        await other.run(far.say(1, view={"panel": None}))
        await other.run(far.say(7, view={"panel": "of Tom"}))
        await two.say(2)
        await two.say(3)
        await two.send(people_frame([PresenceEntry(1, 99, GONE), PresenceEntry(2, 9, "{}")]))
        await late.until(lambda: late.people.get(2) and late.people[2].clock == 9)
        assert json.loads(late.people[1].state) == shown
        assert 7 not in late.people
        assert 3 not in late.people
        await late.leave()
        await one.leave()
        await two.until(lambda: two.people[1].state == GONE)
        await other.run(far.until(lambda: far.people[1].state == GONE))
        await one.connect()
    await other.run(far.leave())


async def test_a_page_that_comes_back_is_seen_again(
    session: Session, anna_client: Client, slow_reread: None
) -> None:
    """Its clock stops while the server counts its leaving; it is notified, and continues."""
    async with opened(session, anna_client) as watcher:
        page = await SessionPage(session, anna_client).start()
        await page.say(1)
        await watcher.until(lambda: 1 in watcher.people)
        await page.leave()
        await watcher.until(lambda: watcher.people[1].state == GONE)
        await page.start()
        page.clock -= 1
        await page.say(1)
        await page.until(lambda: page.people.get(1) and page.people[1].state == GONE)
        page.clock = page.people[1].clock
        await page.say(1)
        await watcher.until(lambda: watcher.people[1].state != GONE)
        await page.leave()


async def test_too_long_a_state_is_refused(session: Session, anna_client: Client) -> None:
    page = await SessionPage(session, anna_client).start()
    await page.say(1, view="x" * 5000)
    assert await page.until_closed() == consumers.CLOSE_REFUSED
    assert "4096" in page.refusals[0]
    await page.leave()


async def test_an_unsaved_change_is_not_shown_to_new_pages(
    session: Session, anna_client: Client, monkeypatch: pytest.MonkeyPatch, slow_reread: None
) -> None:
    """While a change is being saved, who asks for the document waits for it."""
    append = live_document.document_append
    saving, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait(**given: Any) -> bool:
        loop.call_soon_threadsafe(saving.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(10)
        return append(**given)

    async with opened(session, anna_client) as writer, opened(session, anna_client) as reader:
        await writer.until_saved()
        await reader.until_saved()
        monkeypatch.setattr(live_document, "document_append", wait)
        writer.type("1 ")
        await writer.flush()
        await saving.wait()
        await reader.send(sync_frame(STEP_1, b"\0"))
        assert await reader.is_quiet()
        go_on.set()
        await writer.until(lambda: writer.saved == writer.sent)
        await reader.until(lambda: reader.text() == "1 Tom.")
