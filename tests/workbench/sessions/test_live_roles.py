"""Roles apply at once to open binary sockets."""

import asyncio
import uuid

import pytest
from channels.db import database_sync_to_async as in_database
from django.contrib.auth.models import User
from django.test import Client

from tests.workbench.sessions.pages import (
    NOTE,
    SessionPage,
    opened,
    saved_text,
    session_with_note,
)
from workbench.sessions import consumers, room
from workbench.sessions.broadcast import broadcast_access
from workbench.sessions.models import Session, SessionMember
from workbench.sessions.protocol import (
    STEP_2,
    sync_frame,
)
from workbench.sessions.roles import Role

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]


@pytest.fixture
def session(anna: User) -> Session:
    return session_with_note(anna)


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
