"""Login by password and second step, and its audit entries."""

import re
import time
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session as Login
from django.test import Client
from django.utils import timezone

from workbench.accounts.logins import logins_prune
from workbench.audit.models import AuditEntry

PASSWORD = "anna's password"


def code(secret: str, *, later: int = 0) -> str:
    """What an authenticator app shows, `later` periods of 30 s from now."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + later))


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("id").values_list("action", flat=True))


@pytest.fixture
def client(anna: User) -> Client:
    """Anna, logged in through the login page."""
    client = Client(REMOTE_ADDR="192.0.2.1")
    client.post("/login", {"login": "anna", "password": PASSWORD})
    return client


def prove(client: Client, path: str) -> str:
    """Open a page that asks for the password again, and give it; the page."""
    asked = client.get(path)
    assert asked["Location"].startswith("/login/again?next=")
    back = client.post(asked["Location"], {"password": PASSWORD})
    assert back["Location"] == path
    return client.get(path).content.decode()


def secret_of(page: str) -> str:
    found = re.search(r'<code id="secret">(\w+)</code>', page)
    assert found
    return found[1]


@pytest.fixture
def secret(client: Client, django_capture_on_commit_callbacks: Any) -> str:
    """The key of the second step that Anna has just set up."""
    key = secret_of(prove(client, "/account/mfa/app"))
    with django_capture_on_commit_callbacks(execute=True):
        created = client.post("/account/mfa/app", {"code": code(key)})
    assert created["Location"] == "/account/mfa/codes"
    return key


def log_in(client: Client) -> None:
    answer = client.post("/login?next=/models", {"login": "anna", "password": PASSWORD})
    assert answer["Location"].startswith("/login/code")
    assert client.get("/api/me").status_code == 401


def test_the_second_step_is_required_after_the_password(client: Client, secret: str) -> None:
    client.post("/logout")
    log_in(client)
    wrong = client.post("/login/code", {"code": "000000"})
    assert b"Incorrect code" in wrong.content
    assert client.get("/api/me").status_code == 401
    right = client.post("/login/code", {"code": code(secret)})
    assert right["Location"] == "/models"
    assert client.get("/api/me").json()["mfa"] is True
    assert actions() == ["login", "mfa_added", "mfa_added", "login_failed", "login"]


def test_a_code_is_good_once(client: Client, secret: str) -> None:
    client.post("/logout")
    log_in(client)
    used = code(secret, later=1)
    assert client.post("/login/code", {"code": used}).status_code == 302
    client.post("/logout")
    log_in(client)
    assert b"Incorrect code" in client.post("/login/code", {"code": used}).content


def test_recovery_codes_are_shown_once_and_work_once(client: Client, secret: str) -> None:
    shown = re.findall(
        r"<li><code>(\d+)</code></li>", client.get("/account/mfa/codes").content.decode()
    )
    assert len(set(shown)) == 10
    again = client.get("/account/mfa/codes").content.decode()
    assert "10 of 10 codes are unused" in again
    assert not any(one in again for one in shown)
    client.post("/logout")
    log_in(client)
    assert client.post("/login/code", {"code": shown[3]}).status_code == 302
    client.post("/logout")
    log_in(client)
    assert b"Incorrect code" in client.post("/login/code", {"code": shown[3]}).content


def test_the_database_does_not_hold_the_key_as_it_is(client: Client, secret: str) -> None:
    stored = [str(row.data) for row in Authenticator.objects.all()]
    assert len(stored) == 2
    assert not any(secret in text for text in stored)
    entries = [f"{entry.detail}{entry.object_id}" for entry in AuditEntry.objects.all()]
    assert not any(secret in text for text in entries)


def test_the_second_step_can_be_removed(client: Client, secret: str) -> None:
    assert client.post("/account/mfa/app/remove").status_code == 302
    assert not Authenticator.objects.exists()
    assert actions()[-2:] == ["mfa_removed", "mfa_removed"]


def test_guessing_is_limited_per_account_for_all_addresses(anna: User) -> None:
    for guess in range(5):
        guesser = Client(REMOTE_ADDR=f"198.51.100.{guess}")
        guesser.post("/login", {"login": "anna", "password": "x"})
    late = Client(REMOTE_ADDR="198.51.100.9")
    refused = late.post("/login", {"login": "anna", "password": PASSWORD})
    assert b"Too many failed login attempts" in refused.content
    assert late.get("/api/me").status_code == 401
    assert actions() == ["login_failed"] * 5


def test_guessing_codes_is_stopped_too(client: Client, secret: str) -> None:
    client.post("/logout")
    log_in(client)
    for _ in range(5):
        client.post("/login/code", {"code": "000000"})
    assert b"Too many failed" in client.post("/login/code", {"code": code(secret)}).content


def test_of_a_failed_login_only_a_name_that_exists_is_kept(anna: User) -> None:
    stranger = Client(REMOTE_ADDR="192.0.2.3")
    stranger.post("/login", {"login": "my secret password", "password": "x"})
    stranger.post("/login", {"login": "ANNA", "password": "x"})
    nobody, known = AuditEntry.objects.order_by("id")
    assert (nobody.subject_name, nobody.detail, nobody.address) == ("", {}, "192.0.2.3")
    assert known.subject == anna


def test_an_account_that_is_switched_off_cannot_log_in(anna: User) -> None:
    User.objects.update(is_active=False)
    client = Client(REMOTE_ADDR="192.0.2.1")
    answer = client.post("/login", {"login": "anna", "password": PASSWORD}, follow=True)
    assert b"is disabled" in answer.content or b"not correct" in answer.content
    assert client.get("/api/me").status_code == 401


def test_a_new_password_ends_the_other_logins(client: Client) -> None:
    other = Client(REMOTE_ADDR="192.0.2.7")
    other.post("/login", {"login": "anna", "password": PASSWORD})
    new = {"oldpassword": PASSWORD, "password1": "quite another 7", "password2": "quite another 7"}
    assert client.post("/account/password", new)["Location"] == "/account"
    assert client.get("/api/me").status_code == 200
    assert other.get("/api/me").status_code == 401
    assert actions()[-1] == "password_changed"


def test_log_ins_are_listed_and_ended(client: Client, tom_client: Client) -> None:
    other = Client(REMOTE_ADDR="192.0.2.7", headers={"User-Agent": "<b>Lynx"})
    other.post("/login", {"login": "anna", "password": PASSWORD})
    page = client.get("/account").content.decode()
    assert "192.0.2.7" in page
    assert "&lt;b&gt;Lynx" in page
    (login,) = re.findall(r'name="login" value="(\d+)"', page)
    tom_client.post("/account/logins", {"login": login})
    assert other.get("/api/me").status_code == 200
    client.post("/account/logins", {"login": login})
    assert other.get("/api/me").status_code == 401
    assert client.get("/api/me").status_code == 200
    assert actions()[-1] == "logins_ended"


def test_all_other_log_ins_end_at_once(client: Client) -> None:
    others = [Client(REMOTE_ADDR=f"192.0.2.{n}") for n in (8, 9)]
    for other in others:
        other.post("/login", {"login": "anna", "password": PASSWORD})
    client.post("/account/logins")
    assert [other.get("/api/me").status_code for other in others] == [401, 401]
    assert client.get("/api/me").status_code == 200


def test_a_login_past_its_time_leaves_nothing(client: Client) -> None:
    old = Client(REMOTE_ADDR="192.0.2.7")
    old.post("/login", {"login": "anna", "password": PASSWORD})
    key = old.cookies["sessionid"].value
    Login.objects.filter(pk=key).update(expire_date=timezone.now() - timedelta(seconds=1))
    logins_prune()
    assert not Login.objects.filter(pk=key).exists()
    assert UserSession.objects.get().session_key == client.cookies["sessionid"].value
    assert client.get("/api/me").status_code == 200


@pytest.mark.parametrize(
    "path", ["", "/password", "/password/set", "/mfa/app", "/mfa/codes", "/logins", "/sso"]
)
def test_a_stranger_has_no_account_page(stranger_client: Client, path: str) -> None:
    for answer in (stranger_client.get(f"/account{path}"), stranger_client.post(f"/account{path}")):
        assert answer.status_code in (302, 405)
        assert answer.status_code == 405 or answer["Location"].startswith("/login?next=/account")


def test_nobody_signs_up(stranger_client: Client) -> None:
    fields = {"username": "eve", "password1": "quite another 7", "password2": "quite another 7"}
    for path in ("/signup", "/login/sso/name"):
        stranger_client.post(path, fields)
    assert not User.objects.filter(username="eve").exists()


def test_a_forgotten_password_is_helped_by_mail_where_there_is_a_server(
    anna: User, stranger_client: Client, settings: Any, mailoutbox: list[Any]
) -> None:
    User.objects.update(email="anna@lab.example")
    assert b"Ask an administrator" in stranger_client.get("/password").content
    settings.EMAIL_URL = "smtp://mail.example"
    assert b'type="email"' in stranger_client.get("/password").content
    for address in ("nobody@lab.example", "anna@lab.example"):
        answer = stranger_client.post("/password", {"email": address})
        assert answer["Location"] == "/password/sent"
    (mail,) = mailoutbox
    assert mail.to == ["anna@lab.example"]
    (path,) = re.findall(r"http://testserver(/password/[\w-]+)", mail.body)
    form = stranger_client.get(path)
    fields = {"password1": "quite another 7", "password2": "quite another 7"}
    assert stranger_client.post(form["Location"], fields)["Location"] == "/password/done"
    stranger_client.post("/login", {"login": "anna", "password": "quite another 7"})
    assert stranger_client.get("/api/me").json()["username"] == "anna"


def test_without_a_mail_server_no_mail_is_sent(
    anna: User, stranger_client: Client, mailoutbox: list[Any]
) -> None:
    User.objects.update(email="anna@lab.example")
    stranger_client.post("/password", {"email": "anna@lab.example"})
    assert mailoutbox == []


def test_too_many_requests_are_refused_with_a_reason(client: Client) -> None:
    for _ in range(10):
        client.post("/login/again", {"password": "x"})
    answer = client.post("/login/again", {"password": PASSWORD})
    assert answer.status_code == 429
    assert b"Wait a minute" in answer.content


def test_logging_out_empties_what_the_browser_keeps(client: Client) -> None:
    assert client.post("/logout")["Clear-Site-Data"] == '"storage"'
