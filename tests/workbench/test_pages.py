"""Pages of Django's own, and who may see the front end."""

from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings as active
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from workbench.sessions.models import Session, SessionLink

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def dist(tmp_path: Path, settings: Any) -> Path:
    (tmp_path / "index.html").write_text("<!doctype html><title>Glassbench</title>")
    settings.FRONTEND_DIST = tmp_path
    return tmp_path


@pytest.mark.parametrize("path", ["/", "/runs", "/runs/0d3b?target=2", "/models/org/name", "/any"])
def test_all_page_addresses_are_the_front_end(anna_client: Client, path: str) -> None:
    response = anna_client.get(path)
    assert response.status_code == 200
    assert b"Glassbench" in response.content
    assert "csrftoken" in response.cookies
    assert response["Cache-Control"] == "no-cache"


def test_a_stranger_is_led_to_the_login_and_back(stranger_client: Client, anna: User) -> None:
    response = stranger_client.get("/runs?limit=5")
    assert response.status_code == 302
    assert response["Location"] == "/login?next=/runs%3Flimit%3D5"
    login = stranger_client.post(
        response["Location"], {"login": "anna", "password": "anna's password"}
    )
    assert login["Location"] == "/runs?limit=5"
    assert stranger_client.get("/runs").status_code == 200


def test_the_page_that_keeps_a_links_token_over_a_login_is_for_all(
    stranger_client: Client,
) -> None:
    assert stranger_client.get("/join").status_code == 200
    assert stranger_client.get("/join/more").status_code == 302


def test_the_login_page_goes_on_to_where_the_visitor_wanted(
    stranger_client: Client, anna: User
) -> None:
    page = stranger_client.get("/login?next=/models").content.decode()
    assert '<input type="hidden" name="next" value="/models">' in page
    login = stranger_client.post(
        "/login", {"login": "anna", "password": "anna's password", "next": "/models"}
    )
    assert login["Location"] == "/models"


def test_a_login_never_leads_to_another_site(stranger_client: Client, anna: User) -> None:
    login = stranger_client.post(
        "/login",
        {"login": "anna", "password": "anna's password", "next": "https://evil.example/"},
    )
    assert login["Location"] == "/"


def test_a_wrong_password_is_said_accessibly(stranger_client: Client, anna: User) -> None:
    page = stranger_client.post("/login", {"login": "<b>anna", "password": "x"})
    text = page.content.decode()
    assert page.status_code == 200
    assert 'role="alert"' in text
    assert "&lt;b&gt;anna" in text
    for name in ("id_login", "id_password"):
        assert f'<label for="{name}">' in text


def test_logout_ends_the_session(anna_client: Client) -> None:
    assert anna_client.post("/logout").status_code == 302
    assert anna_client.get("/api/me").status_code == 401


def test_a_form_without_its_token_is_refused(anna: User) -> None:
    client = Client(enforce_csrf_checks=True)
    response = client.post("/login", {"login": "anna", "password": "anna's password"})
    assert response.status_code == 403
    assert b"Load the page again" in response.content


def test_no_page_allows_inline_code(stranger_client: Client) -> None:
    response = stranger_client.get("/login")
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert b"<script" not in response.content
    assert b"style=" not in response.content
    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Content-Type-Options"] == "nosniff"


def test_the_login_page_brings_its_style(stranger_client: Client) -> None:
    response = stranger_client.get("/static/accounts/account.css")
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/css")
    assert not response.streaming
    assert len(response.content) == int(response["Content-Length"])
    unchanged = {"If-Modified-Since": response["Last-Modified"]}
    assert stranger_client.get("/static/accounts/account.css", headers=unchanged).status_code == 304
    assert stranger_client.head("/static/accounts/account.css").content == b""
    assert stranger_client.get("/static/../settings.py").status_code == 404


def test_a_front_end_that_is_not_built_is_said_so(anna_client: Client, dist: Path) -> None:
    (dist / "index.html").unlink()
    response = anna_client.get("/")
    assert response.status_code == 503
    assert b"npm run build" in response.content


def test_health_needs_no_login_and_names_what_fails(
    stranger_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stranger_client.get("/healthz").json() == {"ok": True, "problems": {}}

    def fail() -> None:
        raise redis.ConnectionError

    monkeypatch.setattr("workbench.redis_connection.ping", fail)
    response = stranger_client.get("/healthz")
    assert response.status_code == 503
    assert response.json()["problems"] == {"redis": "ConnectionError"}


def test_a_host_that_is_not_ours_is_refused(anna_client: Client) -> None:
    assert "evil.example" not in active.ALLOWED_HOSTS
    assert anna_client.get("/", headers={"Host": "evil.example"}).status_code == 400


@pytest.fixture
def guest_client(anna: User, settings: Any) -> Client:
    """A guest's client with a valid link."""
    settings.ANONYMOUS_LINKS = True
    session = Session.objects.create(owner=anna, title="Shared")
    link = session.links.create(role="viewer", token_sha256="0", max_runs_per_hour=0)
    client = Client(REMOTE_ADDR="192.0.2.5")
    login = client.session
    login["links"] = [str(link.pk)]
    login.save()
    return client


def test_a_guest_gets_the_pages_that_links_open(guest_client: Client) -> None:
    for path in ("/join", "/sessions/0d3b?panel=1"):
        assert guest_client.get(path).status_code == 200, path
    for path in ("/", "/runs", "/sessions", "/joined"):
        assert guest_client.get(path).status_code == 302, path


def test_a_guest_whose_link_has_ended_gets_none(guest_client: Client) -> None:
    SessionLink.objects.update(revoked_at=timezone.now())
    assert guest_client.get("/sessions/0d3b")["Location"] == "/login?next=/sessions/0d3b"


def test_a_stranger_may_only_bring_a_link(stranger_client: Client, settings: Any) -> None:
    settings.ANONYMOUS_LINKS = True
    assert stranger_client.get("/join").status_code == 200
    assert stranger_client.get("/sessions/0d3b").status_code == 302


def test_pages_are_not_indexed_and_send_no_referrer(guest_client: Client) -> None:
    response = guest_client.get("/sessions/0d3b")
    assert response["X-Robots-Tag"] == "noindex, nofollow"
    assert response["Referrer-Policy"] == "same-origin"
