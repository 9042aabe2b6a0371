"""The local user exists only on loopback."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from tests.workbench.sockets import RunPage
from workbench.accounts.local import is_local, local_user

FORWARDING = (
    "forwarded",
    "via",
    "x-forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-server",
    "x-real-ip",
    "cf-connecting-ip",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-forwarded-prefix",
    "x-forwarded-anything-else",
    "x-original-forwarded-for",
    "fastly-client-ip",
    "x-forward-for",
    "x-remote-ip",
    "x-host",
    "x-proxyuser-ip",
    "x-appengine-user-ip",
    "x-azure-clientip",
    "x-arr-log-id",
    "x-amzn-trace-id",
    "cdn-loop",
    "fly-region",
)
OF_PAGES = ("x-csrftoken", "x-requested-with", "host", "origin", "referer", "sec-fetch-site", "dnt")


def test_a_visitor_at_this_machine_is_the_local_user(db: None) -> None:
    me = Client().get("/api/me").json()
    assert (me["username"], me["local"], me["staff"], me["mfa"]) == ("local", True, False, False)
    assert Client(REMOTE_ADDR="::1").get("/api/me").json() == me
    assert User.objects.filter(username="local").count() == 1


def test_nobody_logs_in_to_the_local_account_with_a_password(db: None) -> None:
    user = local_user()
    assert not user.has_usable_password()
    assert not user.is_staff
    assert not user.is_superuser


def test_a_visitor_from_elsewhere_is_not(stranger_client: Client) -> None:
    assert stranger_client.get("/api/me").status_code == 401
    assert not User.objects.exists()


@pytest.mark.parametrize("name", FORWARDING)
def test_what_a_proxy_forwards_is_not(db: None, name: str) -> None:
    assert Client(headers={name: "127.0.0.1"}).get("/api/me").status_code == 401


@pytest.mark.parametrize("name", OF_PAGES)
def test_what_a_page_of_this_machine_sends_is(name: str) -> None:
    assert is_local(peer="127.0.0.1", headers={name})


@pytest.mark.asyncio
@pytest.mark.parametrize("name", [*FORWARDING, "x_forwarded_for"])
async def test_what_a_proxy_forwards_opens_no_socket(transactional_db: None, name: str) -> None:
    page = RunPage(peer="127.0.0.1", origin="http://localhost", headers={name: "127.0.0.1"})
    await page.connect()
    await page.refused("login_required")
    await page.disconnect()


def test_an_open_address_has_no_local_user(db: None, settings: Any) -> None:
    settings.LOCAL = False
    assert Client().get("/api/me").status_code == 401


def test_a_session_goes_before_the_local_user(anna: User) -> None:
    client = Client()
    client.force_login(anna)
    me = client.get("/api/me").json()
    assert (me["username"], me["local"], me["id"]) == ("anna", False, str(anna.pk))


def test_the_local_user_may_log_in_as_somebody_else(anna: User) -> None:
    client = Client()
    assert b"Password" in client.get("/login").content
    client.post("/login", {"login": "anna", "password": "anna's password"})
    assert client.get("/api/me").json()["username"] == "anna"
    client.post("/logout")
    assert client.get("/api/me").json()["username"] == "local"


@pytest.mark.parametrize(
    "path", ["password", "password/set", "mfa/app", "mfa/codes", "sso", "logins"]
)
def test_the_local_user_gets_no_way_to_log_in_from_elsewhere(db: None, path: str) -> None:
    assert Client().get("/account").status_code == 200
    assert Client().get(f"/account/{path}").status_code == 403
    assert Client().post(f"/account/{path}", {"password1": "x" * 20}).status_code == 403
    assert not local_user().has_usable_password()


@given(peer=st.none() | st.text() | st.ip_addresses().map(str))
def test_only_a_loopback_address_is_local(peer: str | None) -> None:
    if is_local(peer=peer, headers=set()):
        assert peer is not None
        assert peer.startswith("127.") or peer.replace("0", "").startswith("::1")
