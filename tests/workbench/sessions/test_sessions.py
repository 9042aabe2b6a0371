"""Sessions over HTTP: created once, found, copied, and deleted completely."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.workbench.sessions.calls import refused, send, taken
from workbench.runs.models import Run
from workbench.sessions.document import PanelNote, SessionDocument
from workbench.sessions.models import (
    Comment,
    Session,
    SessionLink,
    SessionMember,
    SessionRun,
    SessionUpdate,
    Thread,
)
from workbench.sessions.store import document_create, document_get

pytestmark = pytest.mark.django_db
Make = Callable[..., Run]


def create(client: Client, **body: Any) -> Any:
    return send(client, "post", "/api/sessions", {"title": "Balls", **body})


def listed(client: Client, query: str = "") -> list[str]:
    return [session["id"] for session in taken(client.get(f"/api/sessions{query}"))]


def test_a_session_is_made_once_however_often_it_is_asked_for(
    anna_client: Client, tom_client: Client, settings: Any
) -> None:
    settings.MAX_SESSIONS = 1
    wanted = str(uuid.uuid4())
    created = taken(create(anna_client, id=wanted, title="  <b>שלום "), 201)
    assert (created["id"], created["title"], created["role"]) == (wanted, "<b>שלום", "owner")
    assert (created["owner"], created["members"], created["runs"]) == ("anna", 1, [])
    assert taken(create(anna_client, id=wanted)) == created
    refused(create(tom_client, id=wanted), 409, "session_id_taken")
    assert "limit is 1" in refused(create(anna_client), 429, "too_many_sessions")["message"]


@pytest.mark.parametrize(
    "body",
    [
        {"title": ""},
        {"title": " \t"},
        {"title": "x" * 201},
        {"title": 7},
        {"title": "a\0"},
        {"id": "7"},
        {"owner": "tom"},
    ],
)
def test_a_wrong_session_is_refused(anna_client: Client, body: dict[str, Any]) -> None:
    assert create(anna_client, **body).status_code == 422
    assert not Session.objects.exists()


def test_lists_by_text_archive_and_template(anna_client: Client, tom_client: Client) -> None:
    first, second = [taken(create(anna_client, title=title), 201)["id"] for title in ("A", "Bee")]
    Session.objects.filter(pk=first).update(text="A note on attention")
    assert listed(anna_client) == [second, first]
    assert listed(anna_client, "?query=ATTENTION") == [first]
    assert listed(anna_client, "?query=%25") == []
    assert listed(anna_client, "?limit=1") == [second]
    assert listed(anna_client, f"?before={second}") == [first]
    taken(send(anna_client, "patch", f"/api/sessions/{first}", {"archived": True}))
    taken(send(anna_client, "patch", f"/api/sessions/{second}", {"template": True}))
    assert listed(anna_client) == [second]
    assert listed(anna_client, "?archived=true") == [first]
    assert listed(anna_client, "?template=true") == [second]
    assert listed(anna_client, "?template=false") == []
    assert listed(tom_client) == []
    refused(tom_client.get(f"/api/sessions?before={first}"), 404, "session_not_found")


@hypothesis_settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(count=st.integers(0, 7), limit=st.integers(1, 4), same_time=st.booleans())
def test_pages_give_each_session_once(
    anna: User, anna_client: Client, *, count: int, limit: int, same_time: bool
) -> None:
    Session.objects.all().delete()
    created = [Session.objects.create(owner=anna, title=str(number)) for number in range(count)]
    if same_time and created:
        Session.objects.update(changed_at=created[0].changed_at)
    seen: list[str] = []
    while page := listed(anna_client, f"?limit={limit}" + (f"&before={seen[-1]}" if seen else "")):
        seen += page
    assert sorted(seen) == sorted(str(session.pk) for session in created)


def test_what_is_left_out_of_a_change_stays(anna_client: Client, path: str) -> None:
    changed = taken(send(anna_client, "patch", path, {"archived": True}))
    again = taken(send(anna_client, "patch", path, {"title": "Other"}))
    assert (again["title"], again["archived_at"]) == ("Other", changed["archived_at"])
    assert again["changed_at"] > changed["changed_at"]
    assert taken(send(anna_client, "patch", path, {"archived": False}))["archived_at"] is None


def test_an_editor_renames_and_does_not_archive(
    anna_client: Client, tom_client: Client, path: str
) -> None:
    taken(send(anna_client, "post", f"{path}/members", {"username": "tom", "role": "editor"}))
    assert taken(send(tom_client, "patch", path, {"title": "Ours"}))["title"] == "Ours"
    for owners in ({"archived": True}, {"template": True}):
        refused(send(tom_client, "patch", path, owners), 403, "role_missing")


def test_runs_are_attached_once_and_taken_out(
    anna_client: Client, path: str, make_run: Make
) -> None:
    first, second = str(make_run().id), str(make_run().id)
    for run in (first, second, first):
        taken(send(anna_client, "post", f"{path}/runs", {"run": run}), 204)
    assert taken(anna_client.get(path))["runs"] == [first, second]
    session = path.rpartition("/")[2]
    in_session = taken(anna_client.get(f"/api/runs?session={session}"))
    assert [run["id"] for run in in_session] == [second, first]
    taken(anna_client.delete(f"{path}/runs/{first}"), 204)
    refused(anna_client.delete(f"{path}/runs/{first}"), 404, "run_not_found")
    assert taken(anna_client.get(path))["runs"] == [second]


def test_whoever_only_reads_a_run_does_not_pass_it_on(
    anna_client: Client, tom_client: Client, path: str, make_run: Make
) -> None:
    run = str(make_run().id)
    taken(send(anna_client, "post", f"{path}/runs", {"run": run}), 204)
    taken(send(anna_client, "post", f"{path}/members", {"username": "tom", "role": "viewer"}))
    own = taken(create(tom_client), 201)["id"]
    passed = send(tom_client, "post", f"/api/sessions/{own}/runs", {"run": run})
    refused(passed, 403, "role_missing")
    refused(send(tom_client, "post", f"{path}/duplicate"), 403, "role_missing")
    refused(create(tom_client, template=path.rpartition("/")[2]), 403, "role_missing")
    taken(send(anna_client, "patch", f"{path}/members/tom", {"role": "editor"}))
    taken(send(tom_client, "post", f"/api/sessions/{own}/runs", {"run": run}), 204)


def test_a_duplicate_has_the_content_and_not_the_people(
    anna_client: Client, tom_client: Client, session: Session, path: str, make_run: Make
) -> None:
    run = str(make_run().id)
    taken(send(anna_client, "post", f"{path}/runs", {"run": run}), 204)
    taken(send(anna_client, "post", f"{path}/members", {"username": "tom", "role": "editor"}))
    wanted = {"id": str(uuid.uuid4())}
    note = PanelNote(id=str(uuid.uuid4()), place="a0", text="A note")
    document_create(session=session, document=SessionDocument(title="Old", panels=(note,)))
    taken(send(anna_client, "patch", path, {"title": "New"}))
    copy = taken(send(tom_client, "post", f"{path}/duplicate", wanted), 201)
    copied = document_get(session=uuid.UUID(copy["id"]))
    assert copied == SessionDocument(title=copy["title"], panels=(note,))
    assert listed(tom_client, "?query=a%20note")[0] == copy["id"]
    assert copy["title"] == "Copy of New"
    assert (copy["owner"], copy["role"], copy["members"]) == ("tom", "owner", 1)
    assert copy["runs"] == [run]
    assert taken(send(tom_client, "post", f"{path}/duplicate", wanted)) == copy
    taken(anna_client.delete(path), 204)
    assert taken(tom_client.get(f"/api/runs/{run}"))["owner"] == "anna"


def test_a_template_may_be_used_by_all_who_read_it(
    anna_client: Client, tom_client: Client, path: str, make_run: Make
) -> None:
    run = str(make_run().id)
    taken(send(anna_client, "post", f"{path}/runs", {"run": run}), 204)
    taken(send(anna_client, "post", f"{path}/members", {"username": "tom", "role": "viewer"}))
    taken(send(anna_client, "patch", path, {"template": True}))
    created = taken(create(tom_client, title="Mine", template=path.rpartition("/")[2]), 201)
    assert (created["title"], created["template"], created["runs"]) == ("Mine", False, [run])


def test_search_finds_what_the_visitor_may_read(
    anna_client: Client, tom_client: Client, session: Session, make_run: Make
) -> None:
    Session.objects.filter(pk=session.pk).update(text='Zoë said "no"')
    run = make_run(params={"prompt": 'Zoë said "no"'})
    for query in ("zo", "Zoë", 'Zoë said "no"', "%22no%22"):
        found = taken(anna_client.get(f"/api/search?query={query}"))
        assert [one["id"] for one in found["sessions"]] == [str(session.pk)], query
        assert [one["id"] for one in found["runs"]] == [str(run.id)], query
        assert taken(tom_client.get(f"/api/search?query={query}")) == {"sessions": [], "runs": []}
    nothing = taken(anna_client.get("/api/search?query=nobody"))
    assert nothing == {"sessions": [], "runs": []}
    assert anna_client.get(f"/api/search?query={'x' * 201}").status_code == 422


def test_deletion_leaves_nothing_behind(
    anna: User, anna_client: Client, path: str, session: Session, make_run: Make, make_link: Any
) -> None:
    run = make_run()
    taken(send(anna_client, "post", f"{path}/runs", {"run": run.id}), 204)
    make_link("viewer")
    SessionUpdate.objects.create(session=session, seq=1, data=b"1")
    SessionMember.objects.create(session=session, user=anna, role="editor")
    thread = Thread.objects.create(session=session, panel="p", anchor={}, run=run)
    Comment.objects.create(thread=thread, author=anna, author_name="anna", body="Look")
    taken(anna_client.delete(path), 204)
    models = (Session, SessionUpdate, SessionMember, SessionLink, SessionRun, Thread, Comment)
    assert [model.__name__ for model in models if model.objects.exists()] == []
    assert Run.objects.filter(pk=run.pk).exists()
    refused(anna_client.get(path), 404, "session_not_found")
