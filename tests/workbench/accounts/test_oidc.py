"""Single sign-on with a provider that is honest or not."""

import re
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any

import pytest
import requests
from allauth.mfa.totp.internal.auth import TOTP
from allauth.socialaccount.models import SocialAccount
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client

from tests.workbench.accounts.provider import CLIENT, SECRET, Provider, running_provider
from workbench.audit.models import AuditEntry

pytestmark = pytest.mark.django_db


@pytest.fixture
def provider(settings: Any) -> Iterator[Provider]:
    with running_provider() as running:
        app = {
            "provider_id": "sso",
            "name": "the lab",
            "client_id": CLIENT,
            "secret": SECRET,
            "settings": {"server_url": running.issuer},
        }
        settings.OIDC_ISSUER = running.issuer
        settings.SIGNUP = "oidc"
        settings.SOCIALACCOUNT_PROVIDERS = {
            "openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}
        }
        yield running


def leave(client: Client, query: str = "") -> str:
    """Press the button; the provider's address to which the page leads."""
    page = client.post(f"/login/sso{query}")
    assert page.status_code == 200, page
    found = re.search(r'content="0;url=([^"]+)"', page.content.decode())
    assert found
    return unescape(found[1])


def come_back(client: Client, address: str) -> HttpResponse:
    sent = requests.get(address, allow_redirects=False, timeout=5)
    assert sent.headers["Location"].startswith("http://testserver/login/sso/callback?")
    answer: HttpResponse = client.get(sent.headers["Location"].removeprefix("http://testserver"))
    return answer


def sign_on(client: Client, query: str = "") -> HttpResponse:
    return come_back(client, leave(client, query))


def test_whom_the_provider_knows_gets_an_account(
    stranger_client: Client, provider: Provider
) -> None:
    assert b"Log in by the lab" in stranger_client.get("/login").content
    assert sign_on(stranger_client, "?next=/models")["Location"] == "/models"
    me = stranger_client.get("/api/me").json()
    assert (me["username"], me["name"], me["staff"]) == ("mia", "Mia Lang", False)
    assert not User.objects.get().has_usable_password()
    stranger_client.post("/logout")
    sign_on(stranger_client)
    assert User.objects.count() == 1
    assert [entry.action for entry in AuditEntry.objects.order_by("id")] == ["login", "login"]


def test_a_name_that_is_taken_is_not_taken_over(
    stranger_client: Client, provider: Provider, anna: User
) -> None:
    provider.claims |= {"preferred_username": "anna", "email": "anna@lab.example"}
    User.objects.filter(pk=anna.pk).update(email="anna@lab.example")
    sign_on(stranger_client)
    assert stranger_client.get("/api/me").json()["username"] not in ("anna", "")
    assert not SocialAccount.objects.filter(user=anna).exists()


def test_with_sign_up_closed_only_accounts_log_in(
    stranger_client: Client, provider: Provider, settings: Any, anna: User
) -> None:
    settings.SIGNUP = "closed"
    assert b"An administrator creates accounts" in sign_on(stranger_client).content
    assert User.objects.count() == 1
    assert stranger_client.get("/api/me").status_code == 401
    stranger_client.post("/login", {"login": "anna", "password": "anna's password"})
    assert sign_on(stranger_client, "?process=connect")["Location"] == "/account"
    stranger_client.post("/logout")
    sign_on(stranger_client)
    assert stranger_client.get("/api/me").json()["username"] == "anna"


def other_key(provider: Provider) -> None:
    provider.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_key_as_secret(provider: Provider) -> None:
    pem = provider.published.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    provider.key, provider.algorithm = pem, "HS256"


def no_signature(provider: Provider) -> None:
    provider.key, provider.algorithm = None, "none"


def changes(**claims: Any) -> Callable[[Provider], None]:
    return lambda provider: provider.token_changes.update(claims)


def somebody_elses_info(provider: Provider) -> None:
    provider.user_info = {"sub": "1", "preferred_username": "anna"}


@pytest.mark.parametrize(
    "spoil",
    [
        other_key,
        public_key_as_secret,
        no_signature,
        changes(iss="https://evil.example"),
        changes(aud="another client"),
        changes(exp=1_000_000_000),
        changes(iat=None),
        somebody_elses_info,
    ],
)
def test_a_token_that_is_not_good_logs_nobody_in(
    stranger_client: Client, provider: Provider, spoil: Callable[[Provider], None]
) -> None:
    spoil(provider)
    answer = sign_on(stranger_client)
    assert b"Login failed" in answer.content
    assert stranger_client.get("/api/me").status_code == 401
    assert not User.objects.exists()


def test_an_answer_that_nobody_asked_for_logs_nobody_in(
    stranger_client: Client, provider: Provider
) -> None:
    address = leave(stranger_client)
    victim = Client(REMOTE_ADDR="192.0.2.9")
    assert b"Login failed" in come_back(victim, address).content
    assert victim.get("/api/me").status_code == 401


def test_a_provider_that_is_away_is_said_so(
    stranger_client: Client, provider: Provider, settings: Any
) -> None:
    app = settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"][0]
    app["settings"]["server_url"] = "http://127.0.0.1:9"
    assert b"Login failed" in stranger_client.post("/login/sso").content


def test_the_person_can_stop_at_the_provider(stranger_client: Client, provider: Provider) -> None:
    state = dict(part.split("=") for part in leave(stranger_client).split("?")[1].split("&"))[
        "state"
    ]
    answer = stranger_client.get(
        f"/login/sso/callback?error=access_denied&state={state}", follow=True
    )
    assert b"You cancelled the login" in answer.content


def test_without_a_provider_there_is_no_such_login(stranger_client: Client) -> None:
    assert b"Log in by" not in stranger_client.get("/login").content
    assert stranger_client.post("/login/sso").status_code == 404
    assert stranger_client.get("/login/sso/callback?code=1").status_code == 404


def test_the_second_step_is_asked_for_after_single_sign_on_too(
    stranger_client: Client, provider: Provider
) -> None:
    sign_on(stranger_client)
    TOTP.activate(User.objects.get(), "JBSWY3DPEHPK3PXP")
    stranger_client.post("/logout")
    assert sign_on(stranger_client)["Location"].startswith("/login/code")
    assert stranger_client.get("/api/me").status_code == 401
