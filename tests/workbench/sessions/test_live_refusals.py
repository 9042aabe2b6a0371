"""Invalid, large or frequent messages of the binary socket are refused."""

import asyncio
import uuid
from collections.abc import Callable

import pytest
from channels.db import database_sync_to_async as in_database
from django.contrib.auth.models import User
from django.test import Client
from pycrdt import Map

from tests.workbench.sessions.documents import rivals
from tests.workbench.sessions.pages import (
    NOTE,
    SessionPage,
    opened,
    saved_text,
    session_with_note,
)
from workbench.runs.models import Run
from workbench.sessions import allowance, consumers
from workbench.sessions.models import Session, SessionMember, SessionRun
from workbench.sessions.protocol import (
    STEP_1,
    STEP_2,
    sync_frame,
)
from workbench.sessions.roles import Role
from workbench.sessions.store import document_get

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]


@pytest.fixture
def session(anna: User) -> Session:
    return session_with_note(anna)


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
