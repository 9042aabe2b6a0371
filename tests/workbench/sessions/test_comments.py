"""Comments: who may write, change and delete what, their anchors, and who is notified."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from channels.db import database_sync_to_async as in_database
from django.contrib.auth.models import User
from django.test import Client

from tests.workbench.socket.test_consumers import page
from workbench.accounts.visitor import Visitor
from workbench.errors import NotTheAuthor, RoleMissing
from workbench.runs.execution import Pending, event_append, run_claim
from workbench.runs.models import Run
from workbench.sessions import comments
from workbench.sessions.anchors import PanelAnchor
from workbench.sessions.comments import comment_change, comment_delete, thread_create
from workbench.sessions.models import (
    Comment,
    Session,
    SessionLink,
    SessionMember,
    SessionRun,
    Thread,
)
from workbench.sessions.roles import Role
from workbench.sessions.schemas import ThreadOut

pytestmark = pytest.mark.django_db
Json = dict[str, Any]
PANEL = "11111111-1111-4111-8111-111111111111"
WHOLE: Json = {"panel": PANEL, "anchor": {"type": "panel"}, "body": "Why?"}


def call(client: Client, verb: str, path: str, body: Json | None = None) -> Any:
    return client.generic(verb, path, json.dumps(body or {}), content_type="application/json")


def refused(answer: Any, status: int, code: str) -> Json:
    found: Json = answer.json()
    assert (answer.status_code, found["code"]) == (status, code), found
    assert found["message"]
    assert found["remedy"]
    return found


@pytest.fixture
def session(anna: User) -> Session:
    return Session.objects.create(owner=anna, title="Who has the ball?")


@pytest.fixture
def member(session: Session, tom: User) -> SessionMember:
    return SessionMember.objects.create(session=session, user=tom, role=Role.COMMENTER)


@pytest.fixture
def path(session: Session) -> str:
    return f"/api/sessions/{session.pk}/threads"


@pytest.fixture
def run(session: Session, anna: User, make_run: Callable[..., Run]) -> Run:
    """Attached to the session, with a text of seven tokens."""
    created = make_run()
    SessionRun.objects.create(session=session, run=created, added_by=anna)
    assert run_claim(run=created.id, worker="w")
    tokens = Pending(2, '{"kind":"tokens","start":0,"total":7,"tokens":[]}')
    event_append(run=created.id, attempt=1, events=[tokens])
    return created


def begin(client: Client, path: str, **changes: Any) -> Json:
    answer = call(client, "POST", path, WHOLE | changes)
    assert answer.status_code == 201, answer.content
    thread: Json = answer.json()
    assert ThreadOut.model_validate(thread)
    return thread


def reply(client: Client, thread: Json, body: str) -> Json:
    answer = call(client, "POST", f"/api/threads/{thread['id']}/comments", {"body": body})
    assert answer.status_code == 201, answer.content
    found: Json = answer.json()
    return found


def bodies(thread: Json) -> tuple[str, list[str]]:
    return thread["id"], [comment["body"] for comment in thread["comments"]]


def listed(client: Client, path: str) -> list[Json]:
    answer = client.get(path)
    assert answer.status_code == 200
    found: list[Json] = answer.json()
    return found


def test_a_thread_is_begun_and_answered(
    anna_client: Client, tom_client: Client, path: str, member: SessionMember, run: Run
) -> None:
    anchor = {"type": "span", "start": 2, "end": 7, "state": {"layer": "3"}}
    begun = begin(anna_client, path, run=str(run.pk), anchor=anchor, body="  <b>Why</b>? \u202e ")
    assert begun["anchor"] == anchor
    assert begun["comments"][0]["body"] == "<b>Why</b>? \u202e"
    answered = reply(tom_client, begun, "Because.")
    assert [(comment["author"], comment["body"]) for comment in answered["comments"]] == [
        ("anna", "<b>Why</b>? \u202e"),
        ("tom", "Because."),
    ]
    assert listed(tom_client, path) == [answered]


@pytest.mark.parametrize(
    "anchor",
    [
        {"type": "panel"},
        {"type": "token", "index": 6},
        {"type": "span", "start": 0, "end": 7},
        {"type": "cell", "row": 3, "column": 4},
        {"type": "cell", "row": 3, "column": 4, "layer": 0, "head": 11},
        {"type": "edge", "source": 2, "target": 5},
        {"type": "node", "id": "trial:3"},
        {"type": "step", "index": 12},
    ],
)
def test_every_kind_of_place_is_kept_as_given(
    anna_client: Client, path: str, run: Run, anchor: Json
) -> None:
    begin(anna_client, path, run=str(run.pk), anchor=anchor)
    assert Thread.objects.get().anchor == anchor
    (thread,) = listed(anna_client, path)
    shown = {key: value for key, value in thread["anchor"].items() if value is not None}
    assert shown == anchor


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"anchor": {"type": "pixel", "x": 3, "y": 4}}, "anchor"),
        ({"anchor": {}}, "anchor"),
        ({"anchor": {"type": "token", "index": -1}}, "anchor.token.index"),
        ({"anchor": {"type": "token", "index": 1.5}}, "anchor.token.index"),
        ({"anchor": {"type": "token", "index": True}}, "anchor.token.index"),
        ({"anchor": {"type": "token", "index": 2**40}}, "anchor.token.index"),
        ({"anchor": {"type": "token", "index": 7}}, "anchor"),
        ({"anchor": {"type": "span", "start": 0, "end": 8}}, "anchor"),
        ({"anchor": {"type": "span", "start": 3, "end": 3}}, "anchor.span"),
        ({"anchor": {"type": "cell", "row": 1}}, "anchor.cell.column"),
        ({"anchor": {"type": "node", "id": "n" * 201}}, "anchor.node.id"),
        ({"anchor": {"type": "panel", "x": 3}}, "anchor.panel.x"),
        ({"anchor": {"type": "panel", "state": {"layer": 3}}}, "anchor.panel.state.layer"),
        ({"anchor": {"type": "panel", "state": {str(k): "" for k in range(65)}}}, None),
        ({"run": None, "anchor": {"type": "token", "index": 0}}, ""),
        ({"panel": "first"}, "panel"),
        ({"body": "   "}, "body"),
        ({"body": "b" * 10_001}, "body"),
        ({"body": None}, "body"),
        ({"author": "tom"}, "author"),
    ],
)
def test_a_wrong_comment_is_refused_and_not_kept(
    anna_client: Client, path: str, run: Run, changes: Json, field: str | None
) -> None:
    answer = call(anna_client, "POST", path, WHOLE | {"run": str(run.pk)} | changes)
    found = refused(answer, 422, "invalid_body")
    assert field is None or (found["field"] or "") == field
    assert not Thread.objects.exists()


def test_where_the_tokens_are_not_known_only_bounds_hold(
    anna_client: Client, path: str, session: Session, make_run: Callable[..., Run]
) -> None:
    bare = make_run()
    SessionRun.objects.create(session=session, run=bare)
    assert begin(anna_client, path, run=str(bare.pk), anchor={"type": "token", "index": 10**6})


def test_a_run_of_elsewhere_is_not_there(
    anna_client: Client, path: str, make_run: Callable[..., Run]
) -> None:
    for run in (make_run().pk, uuid.uuid4()):
        answer = call(anna_client, "POST", path, WHOLE | {"run": str(run)})
        refused(answer, 404, "run_not_found")


def test_threads_and_comments_have_limits(
    anna_client: Client, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comments, "MAX_THREADS", 1)
    monkeypatch.setattr(comments, "MAX_COMMENTS", 2)
    thread = begin(anna_client, path)
    refused(call(anna_client, "POST", path, WHOLE), 429, "too_many_comments")
    reply(anna_client, thread, "2")
    where = f"/api/threads/{thread['id']}/comments"
    refused(call(anna_client, "POST", where, {"body": "3"}), 429, "too_many_comments")


def test_members_are_mentioned(
    anna_client: Client, path: str, member: SessionMember, db: None
) -> None:
    User.objects.create_user("eve")
    thread = begin(anna_client, path, body="@tom. and (@anna) see @eve, mail@tom or @nobody @tom")
    assert thread["comments"][0]["mentions"] == ["anna", "tom"]
    comment = thread["comments"][0]["id"]
    changed = call(anna_client, "PATCH", f"/api/comments/{comment}", {"body": "@anna"}).json()
    assert changed["comments"][0]["mentions"] == ["anna"]


def test_a_comment_is_changed_by_its_author_alone(
    anna_client: Client, tom_client: Client, path: str, member: SessionMember
) -> None:
    thread = begin(tom_client, path)
    where = f"/api/comments/{thread['comments'][0]['id']}"
    refused(call(anna_client, "PATCH", where, {"body": "Mine"}), 403, "not_the_author")
    (comment,) = call(tom_client, "PATCH", where, {"body": "Why not?"}).json()["comments"]
    assert comment["body"] == "Why not?"
    assert comment["edited_at"]
    assert comment["created_at"] == thread["comments"][0]["created_at"]


def test_what_was_answered_keeps_its_place_and_the_last_goes_altogether(
    anna_client: Client, tom_client: Client, path: str, member: SessionMember
) -> None:
    thread = reply(anna_client, begin(tom_client, path, body="@anna secret"), "Answer")
    first, second = (f"/api/comments/{comment['id']}" for comment in thread["comments"])
    refused(call(tom_client, "DELETE", second), 403, "not_the_author")
    assert call(tom_client, "DELETE", first).status_code == 204
    (left,) = listed(anna_client, path)
    assert [comment["body"] for comment in left["comments"]] == ["", "Answer"]
    grave = left["comments"][0]
    assert (grave["author"], grave["author_name"], grave["mentions"]) == (None, "", [])
    assert grave["deleted_at"]
    for verb in ("PATCH", "DELETE"):
        refused(call(tom_client, verb, first, {"body": "again"}), 404, "thread_not_found")
    assert call(anna_client, "DELETE", second).status_code == 204
    assert listed(anna_client, path) == []
    assert not Thread.objects.exists()
    assert not Comment.objects.exists()


def test_the_owner_may_delete_what_others_said(
    anna_client: Client, tom_client: Client, path: str, member: SessionMember
) -> None:
    thread = begin(tom_client, path)
    where = f"/api/comments/{thread['comments'][0]['id']}"
    assert call(anna_client, "DELETE", where).status_code == 204
    assert listed(anna_client, path) == []


def test_a_thread_is_resolved_and_opened_again(
    anna_client: Client, tom_client: Client, path: str, member: SessionMember
) -> None:
    thread = begin(anna_client, path)
    where = f"/api/threads/{thread['id']}"
    closed = call(tom_client, "PATCH", where, {"resolved": True}).json()
    assert closed["resolved_at"]
    assert closed["resolved_by"] == "tom"
    opened = call(anna_client, "PATCH", where, {"resolved": False}).json()
    assert thread["said"] < closed["said"] < opened["said"]
    assert opened == {**thread, "said": opened["said"]}
    refused(call(anna_client, "PATCH", where, {"resolved": "yes"}), 422, "invalid_body")


def test_a_guest_is_known_by_their_login(session: Session, anna: User) -> None:
    link = SessionLink.objects.create(
        session=session, role=Role.COMMENTER, token_sha256="t", max_runs_per_hour=1
    )
    guest, other = (
        Visitor(None, frozenset([link.pk]), guest) for guest in ("3f2a" * 4, "77aa" * 4)
    )
    thread = thread_create(
        visitor=guest,
        session=session.pk,
        run=None,
        panel=uuid.uuid4(),
        anchor=PanelAnchor(type="panel"),
        body="Hello",
    )
    comment = Comment.objects.get(thread=thread)
    assert (comment.author, comment.author_name) == (None, "Guest 3f2a")
    with pytest.raises(NotTheAuthor):
        comment_change(visitor=other, comment=comment.pk, body="No")
    comment_change(visitor=guest, comment=comment.pk, body="Yes")
    link.role = Role.VIEWER
    link.save()
    with pytest.raises(RoleMissing):
        comment_delete(visitor=guest, comment=comment.pk)


@pytest.mark.parametrize("role", [None, Role.VIEWER, Role.COMMENTER, Role.EDITOR])
def test_roles_hold_for_every_address(
    anna_client: Client, tom: User, tom_client: Client, session: Session, path: str, role: Role
) -> None:
    thread = begin(anna_client, path)
    if role:
        SessionMember.objects.create(session=session, user=tom, role=role)
    one = f"/api/threads/{thread['id']}"
    comment = f"/api/comments/{thread['comments'][0]['id']}"
    writing = [
        ("POST", path, WHOLE, 201),
        ("POST", f"{one}/comments", {"body": "?"}, 201),
        ("PATCH", one, {"resolved": True}, 200),
        ("PATCH", comment, {"body": "?"}, 403),
        ("DELETE", comment, None, 403),
    ]
    assert tom_client.get(path).status_code == (200 if role else 404)
    for verb, where, body, status in writing:
        answer = call(tom_client, verb, where, body)
        if role is None:
            refused(answer, 404, "session_not_found" if where == path else "thread_not_found")
        elif role == Role.VIEWER:
            refused(answer, 403, "role_missing")
        else:
            assert answer.status_code == status, (verb, where)


def test_strangers_are_asked_to_log_in(stranger_client: Client, path: str) -> None:
    refused(stranger_client.get(path), 401, "login_required")
    refused(call(stranger_client, "POST", path, WHOLE), 401, "login_required")


@pytest.mark.django_db(transaction=True)
@pytest.mark.asyncio
async def test_watchers_of_the_session_are_notified(
    anna_client: Client, tom_client: Client, path: str, member: SessionMember, session: Session
) -> None:
    thread = await in_database(begin)(anna_client, path)
    async with page(tom_client) as watcher:
        await watcher.send(type="watch_session", session=session.pk)
        opened = await watcher.receive()
        assert opened["type"] == "session"
        assert thread["comments"][0]["created_at"] < opened["now"]
        assert bodies((await watcher.receive_kind("thread"))["thread"]) == (thread["id"], ["Why?"])
        answered = await in_database(reply)(anna_client, thread, "And?")
        received = (await watcher.receive_kind("thread"))["thread"]
        assert bodies(received) == (thread["id"], ["Why?", "And?"])
        for comment in reversed(answered["comments"]):
            where = f"/api/comments/{comment['id']}"
            assert (await in_database(call)(anna_client, "DELETE", where)).status_code == 204
        gone = await watcher.receive_kind("thread_deleted")
        assert (gone["session"], gone["thread"]) == (str(session.pk), thread["id"])


def test_a_comment_of_nobody_is_nobodys(session: Session) -> None:
    """An imported comment and a deleted account's have no author, nor have some visitors a name."""
    thread = Thread.objects.create(session=session, panel=PANEL, anchor={"type": "panel"})
    comment = Comment.objects.create(thread=thread, author_name="anna", body="Why?")
    link = SessionLink.objects.create(
        session=session, role=Role.COMMENTER, token_sha256="0" * 64, max_runs_per_hour=0
    )
    nameless = Visitor(None, frozenset({link.pk}), guest="")
    with pytest.raises(NotTheAuthor):
        comment_change(visitor=nameless, comment=comment.pk, body="Because.")
    with pytest.raises(NotTheAuthor):
        comment_delete(visitor=nameless, comment=comment.pk)
    comment.refresh_from_db()
    assert (comment.body, comment.deleted_at) == ("Why?", None)
