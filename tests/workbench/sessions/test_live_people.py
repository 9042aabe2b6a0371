"""People in a session: names, reconnects, limits, and documents that are being saved."""

import asyncio
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.workbench.sessions.pages import (
    NOTE,
    Process,
    SessionPage,
    opened,
    session_with_note,
)
from workbench.sessions import consumers, live_document
from workbench.sessions.models import Session, SessionMember
from workbench.sessions.protocol import (
    GONE,
    STEP_1,
    PresenceEntry,
    people_frame,
    sync_frame,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]


@pytest.fixture
def session(anna: User) -> Session:
    return session_with_note(anna)


async def test_people_see_each_other_under_their_own_names(
    session: Session,
    anna: User,
    anna_client: Client,
    tom_client: Client,
    member: SessionMember,
    other_process: Process,
    slow_reread: None,
) -> None:
    far = SessionPage(session, tom_client)
    await other_process.run(far.start())
    async with opened(session, anna_client) as one, opened(session, anna_client) as two:
        await one.say(1, user={"id": "9", "name": "Tom", "colour": "blue"}, view={"panel": NOTE})
        shown = {
            "user": {"id": str(anna.pk), "name": "anna", "colour": "blue"},
            "view": {"panel": NOTE},
        }
        await two.until(lambda: 1 in two.people)
        assert json.loads(two.people[1].state) == shown
        await other_process.run(far.until(lambda: 1 in far.people))
        assert json.loads(far.people[1].state) == shown
        late = await SessionPage(session, anna_client).start()
        await late.until(lambda: 1 in late.people)
        # Nobody speaks for another: not for a client of somebody else, nor for a second one.
        await other_process.run(far.say(1, view={"panel": None}))
        await other_process.run(far.say(7, view={"panel": "of Tom"}))
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
        await other_process.run(far.until(lambda: far.people[1].state == GONE))
        await one.connect()
    await other_process.run(far.leave())


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
