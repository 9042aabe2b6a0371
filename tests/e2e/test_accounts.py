"""Accounts in a real browser: invitation, second step, single sign-on, logout, deletion."""

import re
import time
from collections.abc import Iterator

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.contexts import Contexts
from tests.e2e.stack import Stack
from tests.workbench.accounts.provider import CLIENT, SECRET, Provider, running_provider

pytestmark = pytest.mark.e2e

PASSWORD = "mia's long password"


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        yield running


@pytest.fixture(scope="module")
def stack(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The product without a worker, with single sign-on, and an administrator."""
    sign_on = {"OIDC_ISSUER": provider.issuer, "OIDC_NAME": "the lab", "SIGNUP": "oidc"}
    client = {"OIDC_CLIENT_ID": CLIENT, "OIDC_CLIENT_SECRET": SECRET}
    running = Stack(tmp_path_factory.mktemp("stack"), {**sign_on, **client})
    try:
        running.start(worker=False)
        name = ("--username", "root", "--email", "root@lab.example")
        running.manage("createsuperuser", "--noinput", *name, DJANGO_SUPERUSER_PASSWORD=PASSWORD)
        yield running
    finally:
        running.stop()


def log_in(page: Page, name: str, password: str = PASSWORD) -> None:
    page.goto("/login?next=/account")
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in", exact=True).click()


def log_out(page: Page) -> None:
    page.goto("/account")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("button", name="Log in", exact=True)).to_be_visible()


def invite(page: Page, name: str) -> str:
    """As an administrator, create an account without a password; returns its password link."""
    page.goto("/admin/auth/user/add/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Disabled").check()
    page.get_by_role("button", name="Save", exact=True).click()
    page.goto("/admin/auth/user/")
    page.get_by_role("row", name=name).get_by_role("checkbox").check()
    page.get_by_role("combobox", name="Action:").select_option(label="Create password links")
    page.get_by_role("button", name="Go", exact=True).click()
    notice = page.get_by_text(f"For {name}, once").inner_text()
    found = re.search(r"http\S+", notice)
    assert found
    return found[0]


def axe(page: Page) -> None:
    """No serious violation, light and dark, wide and narrow."""
    for scheme, width in (("light", 1440), ("dark", 390)):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 844})
        overflow = page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert not overflow, f"{page.url} is wider than {width}"
        results = Axe().run(page)
        serious = [v for v in results.response["violations"] if v["impact"] != "minor"]
        assert not serious, f"{page.url}: {results.generate_report()}"
    page.emulate_media(color_scheme=None)


def code(secret: str, *, later: int = 0) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + later))


def test_from_the_invitation_to_the_second_step_and_out(
    page: Page, contexts: Contexts, stack: Stack
) -> None:
    page.goto("/account")
    expect(page.get_by_role("heading", name="local")).to_be_visible()
    axe(page)
    page.goto("/login")
    axe(page)
    log_in(page, "root")
    link = invite(page, "mia")

    other = contexts.open()
    mine = other.new_page()
    mine.goto(link)
    axe(mine)
    mine.get_by_label("New Password", exact=True).fill(PASSWORD)
    mine.get_by_label("New Password (again)").fill(PASSWORD)
    mine.get_by_role("button", name="Set").click()
    mine.get_by_role("link", name="Go to the login").click()
    log_in(mine, "mia")
    expect(mine.get_by_role("heading", name="mia")).to_be_visible()
    axe(mine)
    secret = set_up_second_step(mine)
    log_out(mine)

    log_in(mine, "mia")
    expect(mine.get_by_role("heading", name="Second step")).to_be_visible()
    axe(mine)
    mine.get_by_label("Code").fill("000000")
    mine.get_by_role("button", name="Log in").click()
    expect(mine.get_by_text("Incorrect code")).to_be_visible()
    axe(mine)
    mine.get_by_label("Code").fill(code(secret, later=1))
    mine.get_by_role("button", name="Log in").click()
    expect(mine.get_by_role("heading", name="mia")).to_be_visible()
    log_out(mine)
    other.close()


def set_up_second_step(page: Page) -> str:
    """The key, after the password once more."""
    page.get_by_role("link", name="Set up the second step").click()
    axe(page)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    picture = page.get_by_alt_text("QR code of the key")
    expect(picture).to_be_visible()
    assert picture.evaluate("node => node.naturalWidth") > 0, "the policy lets the picture through"
    axe(page)
    secret = page.locator("#secret").inner_text()
    page.get_by_label("Authenticator code").fill(code(secret))
    page.get_by_role("button", name="Set up").click()
    expect(page.get_by_role("listitem")).to_have_count(10)
    axe(page)
    page.get_by_role("link", name="I have stored them").click()
    expect(page.get_by_text("Each login also requires a code")).to_be_visible()
    return secret


def test_single_sign_on_and_a_deleted_account(
    page: Page, contexts: Contexts, provider: Provider
) -> None:
    contexts.allow("status 422: POST .*/account/delete$", reason="another name is typed first")
    provider.claims = {"sub": "99", "preferred_username": "lea"}
    provider.user_info = {"sub": "99"}
    page.goto("/login?next=/account")
    page.get_by_role("button", name="Log in by the lab").click()
    expect(page.get_by_role("heading", name="lea")).to_be_visible()
    expect(page.get_by_text("You can log in by the lab")).to_be_visible()
    with page.expect_download() as started:
        page.get_by_role("link", name="Export my data").click()
        axe(page)
        page.get_by_role("button", name="Download").click()
    assert started.value.suggested_filename.endswith(".zip")
    page.goto("/account/delete")
    page.get_by_label("Type your user name").fill("nobody")
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_role("alert")).to_contain_text("not your user name")
    axe(page)
    page.get_by_label("Type your user name").fill("lea")
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_role("button", name="Log in", exact=True)).to_be_visible()


def test_a_wrong_signature_is_refused(page: Page, contexts: Contexts, provider: Provider) -> None:
    contexts.allow("status 401: GET .*/login/sso/callback", reason="the token is another's")
    provider.token_changes = {"aud": "another client"}
    page.goto("/login")
    page.get_by_role("button", name="Log in by the lab").click()
    expect(page.get_by_role("heading", name="Login failed")).to_be_visible()
    axe(page)


def test_the_administrators_pages_keep_to_the_policy(page: Page) -> None:
    log_in(page, "root")
    paths = ("", "auth/user/", "auth/user/1/change/", "audit/auditentry/", "runs/run/")
    for path in paths:
        page.goto(f"/admin/{path}")
        expect(page.get_by_role("link", name="Glassbench")).to_be_visible()


def test_the_log_in_pages_hold_no_inline_code(context: BrowserContext, page: Page) -> None:
    for path in ("/login", "/account", "/password", "/account/delete", "/admin/"):
        page.goto(path)
        assert page.locator("script:not([src]):not([type='application/json'])").count() == 0
        assert page.locator("[style], style, [onclick]").count() == 0
