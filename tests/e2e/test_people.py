"""Several people in one session, each in a browser of their own."""

import json
import re
import subprocess
import sys
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import WAIT
from tests.e2e.contexts import Contexts
from tests.e2e.relay import Relay
from tests.e2e.stack import ROOT, Stack

pytestmark = pytest.mark.e2e

Json = dict[str, Any]
Open = Callable[..., Page]
PASSWORD = "four words in a row"
NAMES = ("ana", "bob", "cleo")
PROMPT = "Anna has the ball. Tom has the book. Question: Who has the ball? Answer:"
QUICK = {"probes": 64, "max_new_tokens": 2, "faithfulness": False, "baselines": False}
MAKE_ACCOUNTS = f"""
from django.contrib.auth.models import User
for name in {NAMES}:
    User.objects.create_user(name, password={PASSWORD!r})
"""


@pytest.fixture(scope="module")
def accounts(stack: Stack) -> None:
    subprocess.run(
        [sys.executable, "manage.py", "shell", "--command", MAKE_ACCOUNTS],
        cwd=ROOT,
        env=stack.child_environment(),
        check=True,
    )


@pytest.fixture
def open_as(contexts: Contexts, stack: Stack, accounts: None) -> Open:
    """Opens a browser in which the person is logged in."""

    def opened(name: str, port: int = stack.port, **options: Any) -> Page:
        page = contexts.open(base_url=f"http://127.0.0.1:{port}", **options).new_page()
        page.goto("/login")
        page.locator("[name=login]").fill(name)
        page.locator("[name=password]").fill(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name=f"Account of {name}")).to_be_visible(timeout=WAIT)
        return page

    return opened


def call(page: Page, method: str, path: str, body: Json | None = None) -> Any:
    """A request as the person's page sends it; what is answered."""
    token = next(c["value"] for c in page.context.cookies() if c.get("name") == "csrftoken")
    headers = {
        "content-type": "application/json",
        "x-csrftoken": str(token),
        "referer": page.url,
    }
    answer = page.request.fetch(path, method=method, data=json.dumps(body or {}), headers=headers)
    assert answer.ok, answer.text()
    return answer.json() if answer.body() else None


def create(page: Page, **roles: str) -> str:
    """A session of that person, with these others in it; its address."""
    session = call(page, "POST", "/api/sessions", {"title": "What the answer depends on"})["id"]
    for username, role in roles.items():
        member = {"username": username, "role": role}
        call(page, "POST", f"/api/sessions/{session}/members", member)
    return f"/sessions/{session}"


def add_run(page: Page, session: str) -> None:
    """A finished run as a panel of the session, which is left open."""
    run = str(uuid.uuid4())
    params = {"prompt": PROMPT, **QUICK}
    body = {"id": run, "method": "reagent", "model": "demo-lm", "params": params}
    call(page, "POST", "/api/runs", body)
    page.goto(f"{session}?add={run}")
    expect(tokens(page).first).to_be_visible(timeout=WAIT)
    expect(page.get_by_role("main").get_by_text("done").first).to_be_visible(timeout=WAIT)


def tokens(page: Page) -> Locator:
    return page.get_by_role("listbox", name="Tokens", exact=True).get_by_role("option")


def show(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.get_by_role("button", name=re.compile("^Who is here"))).to_be_visible(timeout=WAIT)


def write(page: Page, text: str) -> None:
    """At the end of the note, whose editor is opened if it is not."""
    editor = page.get_by_role("main").locator(".cm-content")
    opener = page.get_by_role("button", name=re.compile("^(Edit|Write) note"))
    expect(editor.or_(opener)).to_be_visible(timeout=WAIT)
    if opener.count():
        opener.click()
    editor.click()
    page.keyboard.press("Control+End")
    page.keyboard.type(text)


def reads(page: Page, *texts: str) -> None:
    for text in texts:
        expect(page.get_by_role("main")).to_contain_text(text, timeout=WAIT)


def test_three_write_and_read_one_note_one_offline_one_cut_off(
    open_as: Open, contexts: Contexts, stack: Stack
) -> None:
    contexts.allow("status 404: POST .*/api/links/open$", reason="the link was revoked")
    ana, cleo = open_as("ana"), open_as("cleo")
    session = create(ana, bob="editor")
    link = call(ana, "POST", f"/api{session}/links", {"role": "viewer", "label": "for cleo"})
    show(ana, session)
    ana.get_by_role("button", name="Add a note").click()
    write(ana, "From ana. ")
    cleo.goto(f"/join#{link['token']}")
    cleo.wait_for_url(re.compile(session))
    reads(cleo, "From ana.")
    with Relay(stack.port) as relay:
        contexts.allow(rf":{relay.port}/.*(failed|net::)", reason="the relay is cut")
        bob = open_as("bob", port=relay.port)
        show(bob, session)
        reads(bob, "From ana.")
        write(bob, "From bob. ")
        for page in (ana, cleo):
            reads(page, "From ana.", "From bob.")
        relay.cut()
        expect(bob.get_by_role("main")).to_contain_text("Reconnecting", timeout=WAIT)
        write(bob, "Offline bob. ")
        write(ana, "Online ana. ")
        reads(cleo, "Online ana.")
        relay.restore()
        for page in (ana, bob, cleo):
            reads(page, "From ana.", "From bob.", "Offline bob.", "Online ana.")
    call(ana, "DELETE", f"/api{session}/links/{link['id']}")
    expect(cleo.get_by_role("heading", name="Your link was revoked")).to_be_visible(timeout=WAIT)
    expect(cleo.locator("body")).not_to_contain_text("From ana.")
    databases = "async () => (await indexedDB.databases()).map(({ name }) => name)"
    assert not [name for name in cleo.evaluate(databases) if session.rpartition("/")[2] in name]
    cleo.goto(f"/join#{link['token']}")
    expect(cleo.get_by_role("main")).to_contain_text("This link is not valid")
    assert link["token"] not in cleo.url


def test_others_are_seen_and_followed(open_as: Open) -> None:
    ana, bob = open_as("ana"), open_as("bob")
    session = create(ana, bob="viewer")
    add_run(ana, session)
    ana.get_by_role("button", name="Add a note").click()
    write(ana, "A note below.")
    show(bob, session)
    expect(tokens(bob).nth(4)).to_be_visible(timeout=WAIT)
    tokens(ana).nth(4).hover()
    expect(tokens(bob).nth(4)).to_have_class(re.compile("is-watched"), timeout=WAIT)
    expect(bob.locator(".pointer").get_by_text("ana")).to_be_visible(timeout=WAIT)
    bob.get_by_role("button", name="Who is here: 2").click()
    bob.get_by_role("button", name="Follow", exact=True).click()
    following = bob.get_by_role("status").get_by_text("Following ana")
    expect(following).to_be_visible()
    bob.keyboard.press("Tab")  # looks around, leads nowhere
    tokens(ana).nth(2).click()
    ana.get_by_role("radio", name="word", exact=True).check()
    expect(bob.get_by_role("radio", name="word", exact=True)).to_be_checked(timeout=WAIT)
    bob.keyboard.press("Escape")
    bob.keyboard.press("Escape")
    expect(following).to_be_hidden()
    ana.context.close()
    expect(bob.get_by_role("button", name="Who is here: 1")).to_be_visible(timeout=WAIT)


def test_a_comment_reaches_a_mentioned_user_and_can_be_found(open_as: Open) -> None:
    ana, bob = open_as("ana"), open_as("bob")
    session = create(ana, bob="commenter")
    add_run(ana, session)
    show(bob, session)
    tokens(bob).nth(4).click()
    bob.keyboard.press("m")
    field = bob.get_by_role("textbox", name="Comment on Token 5")
    field.press_sequentially("Why **this** one, @an")
    bob.keyboard.press("Enter")
    expect(field).to_have_value("Why **this** one, @ana ")
    bob.keyboard.press("Control+Enter")
    there = ana.get_by_role("listitem").filter(has_text="Why this one, @ana")
    expect(there.first).to_be_visible(timeout=WAIT)
    expect(ana.get_by_role("button", name="1 unread")).to_be_visible()
    expect(tokens(ana).nth(4)).to_have_class(re.compile("is-commented"))
    address = bob.evaluate("location.href")
    assert "thread=" in address

    thread = re.search("thread=([0-9a-f-]+)", address)
    assert thread
    show(ana, f"{session}?thread={thread[1]}")
    expect(tokens(ana).nth(4)).to_have_attribute("aria-selected", "true", timeout=WAIT)
    ana.get_by_role("textbox", name="Reply").fill("It is the ball.")
    ana.get_by_role("button", name="Reply").click()
    expect(bob.get_by_text("It is the ball.")).to_be_visible(timeout=WAIT)
    ana.get_by_role("button", name="Resolve", exact=True).click()
    expect(tokens(bob).nth(4)).not_to_have_class(re.compile("is-commented"), timeout=WAIT)
    expect(bob.get_by_text("No comments match this filter")).to_be_visible()


def test_a_viewer_changes_nothing_and_starts_nothing(open_as: Open) -> None:
    ana, bob = open_as("ana"), open_as("bob")
    session = create(ana, bob="viewer")
    add_run(ana, session)
    show(bob, session)
    expect(tokens(bob).first).to_be_visible(timeout=WAIT)
    for name in ("Add a note", "Add runs…", "Run", "Comment on the selection m"):
        expect(bob.get_by_role("button", name=name, exact=True)).to_have_count(0)
    bob.keyboard.press("m")
    expect(bob.get_by_role("textbox", name=re.compile("Comment"))).to_have_count(0)
    bob.get_by_role("button", name="Share…").click()
    dialog = bob.get_by_role("dialog", name="Share")
    expect(dialog).to_contain_text("You are viewer here. ana owns")
    expect(dialog.get_by_role("button", name=re.compile("Add|Create|Hand"))).to_have_count(0)
    body = {"id": str(uuid.uuid4()), "method": "reagent", "model": "demo-lm"}
    started = {**body, "params": {"prompt": PROMPT}, "session": session.rpartition("/")[2]}
    with pytest.raises(AssertionError, match="role_missing"):
        call(bob, "POST", "/api/runs", started)


def test_members_and_links_are_given_and_taken_in_the_dialog(
    open_as: Open, contexts: Contexts
) -> None:
    contexts.allow("status 422: POST .*/members$", reason="a name that nobody has is added")
    ana, bob = open_as("ana"), open_as("bob")
    session = create(ana)
    show(ana, session)
    ana.get_by_role("button", name="Share…").click()
    share = ana.get_by_role("dialog", name="Share")
    name = share.get_by_role("textbox", name="Add by name")
    name.fill("nobody")
    share.get_by_role("button", name="Add", exact=True).click()
    expect(share.get_by_role("alert")).to_contain_text("nobody")
    name.fill("bob")
    share.get_by_role("button", name="Add", exact=True).click()
    share.get_by_role("combobox", name="Role of bob").select_option("editor")
    show(bob, session)
    expect(bob.get_by_role("button", name="Add a note")).to_be_visible(timeout=WAIT)
    share.get_by_role("button", name="Create link").click()
    address = share.get_by_role("textbox", name="Address of the new link").input_value()
    assert re.fullmatch(rf"{ana.evaluate('location.origin')}/join#[\w-]{{22}}", address)
    share.get_by_role("combobox", name=re.compile("New owner")).select_option("bob")
    share.get_by_role("button", name="Hand over").click()
    share.get_by_role("button", name="Confirm: hand over to bob").click()
    expect(share).to_contain_text("You are editor here. bob owns", timeout=WAIT)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1440, 900), (390, 844)])
def test_no_dialog_of_a_session_is_a_barrier(
    open_as: Open, theme: Any, size: tuple[int, int]
) -> None:
    viewport = {"width": size[0], "height": size[1]}
    page = open_as("ana", color_scheme=theme, viewport=viewport)
    session = create(page, bob="editor")
    add_run(page, session)
    tokens(page).nth(3).click()
    page.keyboard.press("m")
    barrier_free(page)
    page.keyboard.press("Escape")
    for name in ("Who is here: 1", "Share…", "Export…"):
        page.get_by_role("button", name=name).click()
        expect(page.get_by_role("dialog")).to_be_visible()
        page.wait_for_timeout(300)
        barrier_free(page)
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()


def barrier_free(page: Page) -> None:
    found = Axe().run(page).response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert [(v["id"], v["nodes"][0]["html"]) for v in serious] == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
