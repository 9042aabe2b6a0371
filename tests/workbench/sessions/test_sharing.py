"""Members, links and guests: granted by the owner, ended at once, tokens stored as hashes."""

import hashlib
import json
import logging
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core import serializers
from django.test import Client
from django.utils import timezone

from tests.workbench.conftest import PARAMS
from tests.workbench.sessions.calls import open_link, refused, send, taken
from workbench.management.commands.serve import server_config
from workbench.runs.models import Run
from workbench.sessions.models import Session, SessionLink, SessionRun

pytestmark = pytest.mark.django_db
Guest = Callable[..., tuple[Client, Any]]


def start_run(client: Client, session: Session | None, **changes: Any) -> Any:
    body = {"id": uuid.uuid4(), "method": "reagent", "model": "toy", "params": PARAMS, **changes}
    return send(client, "post", "/api/runs", {**body, "session": session and session.pk})


def test_a_member_comes_changes_and_goes(
    anna_client: Client, tom_client: Client, tom: User, path: str
) -> None:
    refused(tom_client.get(path), 404, "session_not_found")
    tom_views = {"username": "tom", "role": "viewer"}
    added = taken(send(anna_client, "post", f"{path}/members", tom_views))
    assert added == {**tom_views, "by_link": False}
    assert taken(tom_client.get(path))["role"] == "viewer"
    taken(send(anna_client, "patch", f"{path}/members/tom", {"role": "commenter"}))
    people = taken(tom_client.get(f"{path}/members"))
    assert [(one["username"], one["role"]) for one in people] == [
        ("anna", "owner"),
        ("tom", "commenter"),
    ]
    taken(anna_client.delete(f"{path}/members/tom"), 204)
    refused(tom_client.get(path), 404, "session_not_found")
    refused(anna_client.delete(f"{path}/members/tom"), 404, "member_not_found")
    changed = send(anna_client, "patch", f"{path}/members/tom", {"role": "viewer"})
    refused(changed, 404, "member_not_found")


def test_a_member_leaves_and_throws_nobody_out(
    anna_client: Client, tom_client: Client, tom: User, path: str
) -> None:
    taken(send(anna_client, "post", f"{path}/members", {"username": "tom", "role": "editor"}))
    refused(tom_client.delete(f"{path}/members/anna"), 403, "role_missing")
    taken(tom_client.delete(f"{path}/members/tom"), 204)
    refused(tom_client.get(path), 404, "session_not_found")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"username": "nobody", "role": "viewer"}, 422, "user_not_found"),
        ({"username": "anna", "role": "viewer"}, 409, "owner_is_member"),
        ({"username": "tom", "role": "owner"}, 422, "invalid_body"),
        ({"username": "tom", "role": "king"}, 422, "invalid_body"),
        ({"username": "t" * 151, "role": "viewer"}, 422, "invalid_body"),
        ({"username": "tom"}, 422, "invalid_body"),
    ],
)
def test_a_wrong_member_is_refused(
    anna_client: Client, tom: User, path: str, body: Any, status: int, code: str
) -> None:
    refused(send(anna_client, "post", f"{path}/members", body), status, code)
    assert taken(anna_client.get(path))["members"] == 1


def test_members_and_links_are_limited(
    anna_client: Client, tom: User, path: str, make_link: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.sessions.sharing.MAX_MEMBERS", 1)
    monkeypatch.setattr("workbench.sessions.sharing.MAX_LINKS", 1)
    User.objects.create_user("bob")
    for role in ("viewer", "editor"):
        taken(send(anna_client, "post", f"{path}/members", {"username": "tom", "role": role}))
    third = send(anna_client, "post", f"{path}/members", {"username": "bob", "role": "viewer"})
    refused(third, 429, "too_many_members")
    link = make_link("viewer")
    second = send(anna_client, "post", f"{path}/links", {"role": "viewer"})
    refused(second, 429, "too_many_links")
    taken(anna_client.delete(f"{path}/links/{link['id']}"), 204)
    make_link("viewer")


def test_handing_over_swaps_the_roles(
    anna_client: Client, tom_client: Client, tom: User, path: str
) -> None:
    heir = {"username": "tom"}
    refused(send(anna_client, "post", f"{path}/handover", heir), 404, "member_not_found")
    taken(send(anna_client, "post", f"{path}/members", {**heir, "role": "viewer"}))
    refused(send(tom_client, "post", f"{path}/handover", heir), 403, "role_missing")
    handed = taken(send(anna_client, "post", f"{path}/handover", heir))
    assert (handed["owner"], handed["role"], handed["members"]) == ("tom", "editor", 2)
    assert taken(tom_client.get(path))["role"] == "owner"
    taken(send(tom_client, "post", f"{path}/handover", {"username": "anna"}))
    assert taken(anna_client.get(path))["role"] == "owner"


def test_a_link_makes_an_account_a_member_until_it_ends(
    anna_client: Client, tom_client: Client, path: str, make_link: Any
) -> None:
    link = make_link("commenter", label="For the seminar")
    opened = taken(open_link(tom_client, link["token"]))
    assert opened == {"session": path.rpartition("/")[2], "role": "commenter"}
    assert taken(open_link(tom_client, link["token"])) == opened
    assert taken(anna_client.get(path))["members"] == 2
    assert taken(anna_client.get(f"{path}/members"))[1]["by_link"] is True
    assert [one["id"] for one in taken(tom_client.get("/api/sessions"))] == [opened["session"]]
    taken(anna_client.delete(f"{path}/links/{link['id']}"), 204)
    refused(tom_client.get(path), 404, "session_not_found")
    assert taken(tom_client.get("/api/sessions")) == []
    assert taken(anna_client.get(path))["members"] == 1
    ended = taken(anna_client.get(f"{path}/links"))[0]
    assert ended["label"] == "For the seminar"
    assert ended["revoked_at"]
    taken(anna_client.delete(f"{path}/links/{link['id']}"), 204)
    refused(anna_client.delete(f"{path}/links/{uuid.uuid4()}"), 404, "link_not_found")


def test_unknown_expired_and_revoked_tokens_get_one_answer(
    anna_client: Client, tom_client: Client, path: str, make_link: Any
) -> None:
    expired, revoked = make_link("viewer"), make_link("editor")
    SessionLink.objects.filter(pk=expired["id"]).update(
        expires_at=timezone.now() - timedelta(seconds=1)
    )
    taken(anna_client.delete(f"{path}/links/{revoked['id']}"), 204)
    tokens = (expired["token"], revoked["token"], "unknown", "", "ש" * 200)
    answers = [refused(open_link(tom_client, token), 404, "link_not_found") for token in tokens]
    assert all(answer == answers[0] for answer in answers)


def test_a_link_holds_by_the_clock_of_the_server(
    anna_client: Client, path: str, make_link: Any
) -> None:
    day = 24 * 3600
    began = timezone.now()
    created = make_link("viewer", holds_seconds=day)
    link = SessionLink.objects.get()
    assert link.expires_at is not None
    assert began <= link.expires_at - timedelta(seconds=day) <= timezone.now()
    assert created["state"] == "open"
    assert 0 < created["seconds_left"] <= day

    def state() -> tuple[str, int | None]:
        (shown,) = taken(anna_client.get(f"{path}/links"))
        return shown["state"], shown["seconds_left"]

    SessionLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert state() == ("expired", None)
    SessionLink.objects.update(expires_at=None)
    assert state() == ("open", None)
    taken(anna_client.delete(f"{path}/links/{created['id']}"), 204)
    assert state() == ("revoked", None)


def test_links_are_opened_only_so_often(
    tom_client: Client, eve_client: Client, make_link: Any, settings: Any
) -> None:
    settings.LINK_OPENS_PER_MINUTE = 3
    link = make_link("viewer")
    for _ in range(3):
        refused(open_link(tom_client, "guess"), 404, "link_not_found")
    refused(open_link(tom_client, link["token"]), 429, "too_many_tries")
    taken(open_link(eve_client, link["token"]))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"role": "owner"}, "role"),
        ({"role": "viewer", "label": "x" * 101}, "label"),
        ({"role": "viewer", "expires_at": "2100-01-01T00:00:00Z"}, "expires_at"),
        ({"role": "viewer", "holds_seconds": 0}, "holds_seconds"),
        ({"role": "viewer", "holds_seconds": -86400}, "holds_seconds"),
        ({"role": "viewer", "holds_seconds": 1e300}, "holds_seconds"),
        ({"role": "viewer", "holds_seconds": 2**53}, "holds_seconds"),
        ({"role": "viewer", "max_runs_per_hour": -1}, "max_runs_per_hour"),
        ({"role": "viewer", "token": "mine"}, "token"),
    ],
)
def test_a_wrong_link_is_refused(anna_client: Client, path: str, body: Any, field: str) -> None:
    answer = refused(send(anna_client, "post", f"{path}/links", body), 422, "invalid_body")
    assert answer["field"] == field
    assert not SessionLink.objects.exists()


def test_a_token_is_128_bits_and_kept_nowhere(
    anna_client: Client,
    tom_client: Client,
    path: str,
    make_link: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    created = [make_link("viewer") for _ in range(20)]
    tokens = {link["token"] for link in created}
    assert len(tokens) == 20
    assert {len(token) for token in tokens} == {22}  # 16 bytes in base64
    taken(open_link(tom_client, created[0]["token"]))
    refused(open_link(tom_client, created[0]["token"] + "x"), 404, "link_not_found")
    send(tom_client, "post", "/api/links/open", {"token": created[1]["token"], "more": 1})
    send(tom_client, "post", "/api/links/open", {"token": created[2]["token"] * 20})
    rows = [row for model in apps.get_models() for row in model._default_manager.all()]
    stored = json.dumps(serializers.serialize("json", rows))
    hashes = {hashlib.sha256(token.encode()).hexdigest() for token in tokens}
    assert all(one in stored for one in hashes)
    shown = json.dumps(taken(anna_client.get(f"{path}/links")))
    for token in tokens:
        assert token not in stored + caplog.text + shown
    for one in hashes:
        assert one not in caplog.text + shown
    assert not server_config().access_log


def test_without_guests_a_link_asks_for_a_login(stranger_client: Client, make_link: Any) -> None:
    token = make_link("viewer")["token"]
    for tried in (token, "unknown"):
        refused(open_link(stranger_client, tried), 401, "login_required")


def test_a_guest_sees_the_session_and_its_runs_alone(
    anna_client: Client, session: Session, path: str, make_run: Any, make_guest: Guest
) -> None:
    run, other = str(make_run().id), str(make_run().id)
    taken(send(anna_client, "post", f"{path}/runs", {"run": run}), 204)
    guest, _ = make_guest("viewer")
    assert taken(guest.get(path))["role"] == "viewer"
    assert [one["id"] for one in taken(guest.get("/api/sessions"))] == [str(session.pk)]
    assert taken(guest.get(f"/api/runs/{run}"))["id"] == run
    assert taken(guest.get(f"/api/runs/{run}/events"))["events"] == []
    refused(guest.get(f"/api/runs/{other}"), 404, "run_not_found")
    refused(guest.get("/api/runs"), 401, "login_required")
    me = taken(guest.get("/api/me"))
    assert me["username"].startswith("Guest ")
    assert me["id"].startswith("guest-")


def test_a_guest_keeps_what_other_links_gave(make_guest: Guest, make_link: Any, path: str) -> None:
    guest, _ = make_guest("viewer")
    name = taken(guest.get("/api/me"))["id"]
    taken(open_link(guest, make_link("editor")["token"]))
    assert taken(guest.get(path))["role"] == "editor"
    assert taken(guest.get("/api/me"))["id"] == name


def test_links_of_guests_count_only_while_the_server_has_guests(
    make_guest: Guest, path: str, settings: Any
) -> None:
    guest, _ = make_guest("editor")
    settings.ANONYMOUS_LINKS = False
    refused(guest.get(path), 401, "login_required")


def test_a_guests_login_gets_a_key_of_its_own_once(make_link: Any, settings: Any) -> None:
    """The first link changes it, against planted keys; open sockets depend on later keys."""
    settings.ANONYMOUS_LINKS = True
    client = Client(REMOTE_ADDR="192.0.2.5")
    keys = [client.session.session_key]
    for _ in range(2):
        taken(open_link(client, make_link("viewer")["token"]))
        keys.append(client.session.session_key)
    planted, first, second = keys
    assert planted
    assert planted != first == second


def test_a_request_from_another_site_opens_no_link(make_link: Any, settings: Any) -> None:
    settings.ANONYMOUS_LINKS = True
    client = Client(REMOTE_ADDR="192.0.2.5", enforce_csrf_checks=True)
    refused(open_link(client, make_link("viewer")["token"]), 403, "forbidden")


def test_an_editor_starts_a_run_that_all_members_see(
    anna_client: Client, tom_client: Client, eve_client: Client, session: Session, path: str
) -> None:
    for name, role in (("tom", "editor"), ("eve", "viewer")):
        taken(send(anna_client, "post", f"{path}/members", {"username": name, "role": role}))
    run = uuid.uuid4()
    started = taken(start_run(tom_client, session, id=run), 201)
    assert started["owner"] == "tom"
    assert taken(start_run(tom_client, session, id=run)) == started
    assert taken(eve_client.get(path))["runs"] == [str(run)]
    assert taken(anna_client.get(f"/api/runs/{run}"))["id"] == str(run)
    refused(start_run(eve_client, session), 403, "role_missing")
    refused(eve_client.post(f"/api/runs/{run}/cancel"), 403, "role_missing")
    refused(anna_client.delete(f"/api/runs/{run}"), 403, "role_missing")
    assert taken(anna_client.post(f"/api/runs/{run}/cancel"))["status"] == "cancelled"
    assert Run.objects.count() == 1


def test_a_guests_run_is_the_owners_and_counts_against_the_link(
    anna_client: Client, session: Session, make_guest: Guest
) -> None:
    guest, link = make_guest("editor", max_runs_per_hour=2)
    for seed in range(2):
        run = taken(start_run(guest, session, params={**PARAMS, "seed": seed}), 201)
        assert run["owner"] == "anna"
    third = {**PARAMS, "seed": 2}
    answer = refused(start_run(guest, session, params=third), 429, "too_many_runs")
    assert "limit is 2" in answer["message"]
    assert Run.objects.count() == 2
    row = SessionRun.objects.filter(link=link["id"])
    row.update(at=timezone.now() - timedelta(hours=1))
    taken(start_run(guest, session, params=third), 201)
    refused(start_run(guest, None), 401, "login_required")


def test_a_member_by_link_counts_against_it_and_one_by_name_does_not(
    anna_client: Client, tom_client: Client, session: Session, path: str, make_link: Any
) -> None:
    link = make_link("editor", max_runs_per_hour=0)
    taken(open_link(tom_client, link["token"]))
    refused(start_run(tom_client, session), 429, "too_many_runs")
    taken(send(anna_client, "post", f"{path}/members", {"username": "tom", "role": "editor"}))
    taken(start_run(tom_client, session), 201)


def test_a_guest_learns_of_no_other_run_of_the_owner(
    session: Session, make_run: Any, make_guest: Guest
) -> None:
    secret = make_run(params=PARAMS)
    Run.objects.update(status="done")
    guest, _ = make_guest("editor")
    copied = taken(start_run(guest, session, params=secret.params), 201)
    assert (copied["cached_from"], copied["status"]) == (None, "queued")
    same = start_run(guest, session, id=secret.id, params=secret.params)
    refused(same, 409, "run_id_taken")
