"""The administrators' pages: access, and no content of users."""

import re
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from django.contrib.auth.models import User
from django.test import Client

from workbench.accounts.local import local_user
from workbench.audit.models import Action, AuditEntry
from workbench.audit.services import audit
from workbench.runs.models import Run
from workbench.sessions.models import Session, SessionLink, SessionMember

PRIVATE = "Zaphod7B"
KEY = "JBSWY3DPEHPK3PXP"
LISTS = (
    *("auth/user", "auth/group", "runs/run", "audit/auditentry", "workbench_sessions/session"),
    *("workbench_sessions/sessionlink", "workbench_sessions/sessionmember"),
)


def logged_in(name: str, password: str) -> Client:
    client = Client(REMOTE_ADDR="192.0.2.50")
    client.post("/login", {"login": name, "password": password})
    return client


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root", password="root's password")


@pytest.fixture
def root_client(root: User) -> Client:
    return logged_in("root", "root's password")


@pytest.mark.parametrize("path", ["", *(f"{name}/" for name in LISTS)])
def test_only_staff_come_in(
    root_client: Client, stranger_client: Client, anna_client: Client, path: str
) -> None:
    assert root_client.get(f"/admin/{path}").status_code == 200
    for client in (stranger_client, anna_client):
        assert client.get(f"/admin/{path}").status_code == 302
    page = stranger_client.get(f"/admin/{path}", follow=True)
    assert page.redirect_chain[-1][0] == f"/login?next=/admin/{path}"
    assert anna_client.get(f"/admin/{path}", follow=True).status_code == 403


def test_there_is_no_second_login_without_limits(stranger_client: Client, root: User) -> None:
    fields = {"username": "root", "password": "root's password"}
    assert stranger_client.post("/admin/login/?next=/admin/", fields)["Location"] == (
        "/login?next=/admin/"
    )
    assert stranger_client.get("/api/me").status_code == 401


def test_the_local_user_is_no_staff_whatever_the_account_says(db: None) -> None:
    user = local_user()
    User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
    assert Client().get("/admin/")["Location"].startswith("/admin/login/")
    assert Client().get("/admin/login/?next=/admin/")["Location"] == "/login?next=/admin/"


def test_a_second_step_that_is_set_up_is_asked_for(root_client: Client, root: User) -> None:
    TOTP.activate(root, KEY)
    refused = root_client.get("/admin/", follow=True)
    assert refused.redirect_chain[-1][0] == "/login/again/code?next=/admin/"
    code = format_hotp_value(hotp_value(KEY, int(time.time()) // 30))
    answer = root_client.post("/login/again/code?next=/admin/", {"code": code})
    assert answer["Location"] == "/admin/"
    assert root_client.get("/admin/").status_code == 200


@pytest.fixture
def secrets(make_run: Callable[..., Run], anna: User, tom: User) -> None:
    """Content of Anna's that nobody but her may read."""
    run = make_run(params={"prompt": f"{PRIVATE} has the ball."})
    Run.objects.filter(pk=run.pk).update(error={"message": PRIVATE})
    session = Session.objects.create(owner=anna, title=PRIVATE, text=PRIVATE)
    SessionMember.objects.create(session=session, user=tom, role="viewer")
    SessionLink.objects.create(
        session=session, role="viewer", token_sha256=PRIVATE, label=PRIVATE, max_runs_per_hour=1
    )
    audit(Action.SESSION_EXPORTED, actor=anna, session=session.pk, detail={"format": "html"})


def test_no_page_shows_what_somebody_wrote(root_client: Client, secrets: None) -> None:
    for name in LISTS:
        page = root_client.get(f"/admin/{name}/")
        assert PRIVATE not in page.content.decode()
        for path in re.findall(
            rf'href="(/admin/{name}/[^"?]+/change/)[^"]*"', page.content.decode()
        ):
            shown = root_client.get(path)
            assert shown.status_code == 200
            assert PRIVATE not in shown.content.decode()


@pytest.mark.parametrize("name", LISTS[2:])
def test_what_is_not_an_account_is_for_reading(
    root_client: Client, secrets: None, name: str
) -> None:
    assert root_client.get(f"/admin/{name}/add/").status_code == 403
    (path, *_) = re.findall(
        rf'href="(/admin/{name}/[^"?]+/change/)[^"]*"',
        root_client.get(f"/admin/{name}/").content.decode(),
    )
    assert root_client.post(path, {"role": "editor", "action": "login"}).status_code == 403
    assert root_client.post(path.replace("change", "delete"), {"post": "yes"}).status_code == 403


def test_a_link_lets_its_holder_choose_a_password_once(
    root_client: Client, root: User, anna: User, stranger_client: Client
) -> None:
    local_user()
    asked = {
        "action": "password_links",
        "_selected_action": list(User.objects.values_list("pk", flat=True)),
    }
    page = root_client.post("/admin/auth/user/", asked, follow=True).content.decode()
    assert "For local" not in page
    (path,) = re.findall(
        r"For anna, once, within 3 days: http://testserver(/password/[\w-]+)", page
    )
    form = stranger_client.get(path)
    fields = {"password1": "quite another 7", "password2": "quite another 7"}
    assert stranger_client.post(form["Location"], fields)["Location"] == "/password/done"
    assert logged_in("anna", "quite another 7").get("/api/me").json()["username"] == "anna"
    assert b"already used" in stranger_client.get(path).content
    created = AuditEntry.objects.filter(action="password_link_made", subject=anna)
    assert created.get().actor == root
    assert path.split("-", 1)[1] not in str(created.values())


def test_a_lost_second_step_can_be_removed(root_client: Client, anna: User) -> None:
    TOTP.activate(anna, KEY)
    asked = {"action": "second_step_remove", "_selected_action": [anna.pk]}
    root_client.post("/admin/auth/user/", asked)
    assert not Authenticator.objects.exists()
    assert AuditEntry.objects.get(action="mfa_removed").subject == anna


def test_only_superusers_can_become_somebody_else(anna: User, tom: User) -> None:
    from django.contrib.auth.models import Permission

    User.objects.filter(pk=tom.pk).update(is_staff=True)
    tom.user_permissions.set(Permission.objects.filter(content_type__model="user"))
    client = logged_in("tom", "tom's password")
    for action in ("password_links", "second_step_remove"):
        answer = client.post("/admin/auth/user/", {"action": action, "_selected_action": [anna.pk]})
        assert answer.status_code == 403


def test_deleting_an_account_there_deletes_all_of_it(
    root_client: Client, secrets: None, anna: User, root: User
) -> None:
    asked = root_client.get(f"/admin/auth/user/{anna.pk}/delete/").content.decode()
    assert "anna" in asked
    assert PRIVATE not in asked
    root_client.post(f"/admin/auth/user/{anna.pk}/delete/", {"post": "yes"})
    assert not User.objects.filter(username="anna").exists()
    assert not Run.objects.exists()
    entry = AuditEntry.objects.get(action="account_deleted")
    assert (entry.actor, entry.detail) == (root, {"by": "staff"})
    assert "deleted successfully" in root_client.get("/admin/").content.decode()
    assert "anna" not in root_client.get("/admin/").content.decode()


def test_an_account_is_made_without_a_password(root_client: Client) -> None:
    name = f"new-{uuid.uuid4().hex[:6]}"
    fields: dict[str, Any] = {"username": name, "usable_password": "false"}
    root_client.post("/admin/auth/user/add/", fields)
    assert not User.objects.get(username=name).has_usable_password()
