"""Sessions as their users meet them: panels, notes, undo, and several people at once."""

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.e2e.conftest import WAIT
from tests.e2e.contexts import Contexts
from tests.e2e.relay import Relay
from tests.e2e.stack import Stack

pytestmark = pytest.mark.e2e

PROMPT = "Anna has the ball. Tom has the book. Question: Who has the ball? Answer:"
QUICK: dict[str, Any] = {
    "prompt": PROMPT,
    "probes": 64,
    "max_new_tokens": 2,
    "faithfulness": False,
    "baselines": False,
    "seed": 11,
}


def new_session(page: Page, title: str) -> str:
    """The address of an empty session."""
    page.goto("/sessions")
    page.get_by_role("button", name="New session", exact=True).click()
    name = page.get_by_role("textbox", name="Title of the session")
    name.fill(title)
    name.press("Enter")
    saved(page)
    return page.url.partition("?")[0]


def saved(page: Page) -> None:
    expect(page.get_by_role("status").filter(has_text="Saved")).to_be_visible(timeout=WAIT)


def write_note(page: Page, text: str) -> None:
    page.get_by_role("button", name="Add a note").click()
    expect(editor(page)).to_be_focused()
    page.keyboard.type(text)
    page.keyboard.press("Escape")
    expect(page.get_by_role("region", name=text.split("\n")[0], exact=True)).to_be_visible()


def editor(page: Page) -> Locator:
    return page.get_by_role("textbox", name="note", exact=True)


def add_runs(page: Page, stack: Stack, *runs: str) -> None:
    """As the list of one's runs does it, last run first."""
    for run in runs:
        stack.wait_for_status(run, "done")
    page.get_by_role("button", name="Add runs…").click()
    dialog = page.get_by_role("dialog")
    for place in range(len(runs)):
        dialog.get_by_role("checkbox").nth(place).check()
    dialog.get_by_role("button", name=re.compile("^Add (the|\\d+) run")).click()
    expect(dialog).to_be_hidden()


def titles(page: Page) -> list[str]:
    return [title.partition(":")[0] for title in page.locator(".panel-title").all_inner_texts()]


def expect_titles(page: Page, *wanted: str) -> None:
    expect(page.locator(".panel-title")).to_have_text([re.compile(f"^{one}") for one in wanted])


def handle(page: Page, title: str) -> Locator:
    return page.get_by_role("button", name=re.compile(f"^Move “{title}"))


def in_menu(page: Page, title: str, item: str) -> None:
    page.get_by_role("button", name=re.compile(f"^More about “{title}")).click()
    page.get_by_role("menu").get_by_text(item, exact=True).click()


def test_a_session_is_made_found_copied_archived_and_deleted(page: Page) -> None:
    address = new_session(page, "Which ball")
    write_note(page, "Zebras everywhere")
    saved(page)
    page.reload()
    expect(page.get_by_role("region", name="Zebras everywhere")).to_be_visible()
    expect(page.get_by_role("textbox", name="Title of the session")).to_have_value("Which ball")

    page.goto("/sessions")
    row = page.get_by_role("row", name=re.compile("Which ball"))
    page.get_by_role("searchbox").fill("no such words")
    expect(page.get_by_role("main")).to_contain_text("No session has")
    page.get_by_role("searchbox").fill("zebras")
    expect(row).to_be_visible()

    in_menu(page, "Which ball", "Duplicate")
    page.wait_for_url(lambda url: "/sessions/" in url and url != address)
    expect(page.get_by_role("region", name="Zebras everywhere")).to_be_visible()
    page.goto("/sessions")
    expect(row).to_have_count(2)
    row.first.get_by_role("button", name=re.compile("^More about")).click()
    page.get_by_role("menu").get_by_text("Archive", exact=True).click()
    expect(row).to_have_count(1)
    page.get_by_role("radio", name="Archive").check(force=True)
    expect(row).to_have_count(1)
    in_menu(page, "Copy of Which ball", "Delete…")
    page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("main")).to_contain_text("Nothing is archived")


def test_a_note_below_is_written_at_once(page: Page) -> None:
    new_session(page, "Notes")
    write_note(page, "First")
    for text in ("Second", "Between"):
        in_menu(page, "First", "Add a note below")
        expect(editor(page)).to_be_focused()
        page.keyboard.type(text)
        page.keyboard.press("Escape")
    expect_titles(page, "First", "Between", "Second")


def test_a_template_gives_new_sessions_its_content(page: Page) -> None:
    new_session(page, "A plan")
    write_note(page, "First look at the heat")
    saved(page)
    page.goto("/sessions")
    in_menu(page, "A plan", "Use as a template")
    page.get_by_role("radio", name="Templates").check(force=True)
    row = page.get_by_role("row", name=re.compile("A plan")).first
    row.get_by_role("button", name="Use", exact=True).click()
    expect(page.get_by_role("region", name="First look at the heat")).to_be_visible()


def test_panels_are_moved_sized_deleted_and_all_of_it_undone(page: Page, stack: Stack) -> None:
    address = new_session(page, "Layout")
    run = stack.start_run(**QUICK)
    add_runs(page, stack, run)
    write_note(page, "One")
    write_note(page, "Two")
    expect_titles(page, "ReAGent", "One", "Two")

    handle(page, "Two").press("ArrowUp")
    expect_titles(page, "ReAGent", "Two", "One")
    expect(handle(page, "Two")).to_be_focused()
    handle(page, "One").drag_to(page.locator(".panel").first, target_position={"x": 200, "y": 8})
    expect_titles(page, "One", "ReAGent", "Two")

    panel = page.get_by_role("region", name=re.compile("^ReAGent"))
    in_menu(page, "ReAGent", "Half width")
    expect(panel).to_have_class(re.compile("span-6"))
    before = panel.bounding_box()
    page.get_by_role("button", name=re.compile("^Size of “ReAGent")).press("ArrowDown")
    page.wait_for_timeout(100)
    after = panel.bounding_box()
    assert before
    assert after
    assert after["height"] == before["height"] + 40
    in_menu(page, "Two", "Remove from the session")
    expect_titles(page, "One", "ReAGent")
    saved(page)

    page.locator("h1").first.evaluate("node => document.activeElement.blur()")
    page.keyboard.press("Control+z")
    expect_titles(page, "One", "ReAGent", "Two")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    expect(panel).to_have_class(re.compile("span-12"))
    page.keyboard.press("Control+Shift+Z")
    expect(panel).to_have_class(re.compile("span-6"))
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Undo").click()
    expect_titles(page, "ReAGent", "Two", "One")
    saved(page)
    page.goto(address)
    expect_titles(page, "ReAGent", "Two", "One")


def test_two_write_one_note_and_nothing_is_lost_while_one_is_away(
    contexts: Contexts, page: Page, stack: Stack
) -> None:
    address = new_session(page, "Together")
    write_note(page, "The ball is red.")
    saved(page)
    with Relay(stack.port) as relay:
        contexts.allow(rf":{relay.port}/.*(failed|net::)", reason="the relay is cut")
        context = contexts.open(base_url=f"http://127.0.0.1:{relay.port}")
        other = context.new_page()
        other.goto(f"http://127.0.0.1:{relay.port}{address.removeprefix(stack.url)}")
        for one in (page, other):
            one.get_by_role("button", name="Edit note").click()
            expect(editor(one)).to_be_focused()
        page.keyboard.press("Home")
        page.keyboard.type("Look: ")
        other.keyboard.type(" So is the car.")
        for one in (page, other):
            expect(editor(one)).to_contain_text("Look: The ball is red. So is the car.")

        relay.cut()
        expect(other.get_by_role("main")).to_contain_text("Reconnecting", timeout=WAIT)
        other.keyboard.type(" Away.")
        page.keyboard.type("Hey! ")
        relay.restore()
        for one in (page, other):
            expect(editor(one)).to_contain_text("Hey! The ball is red.", timeout=WAIT)
            expect(editor(one)).to_contain_text("So is the car. Away.", timeout=WAIT)

        relay.cut()
        expect(other.get_by_role("main")).to_contain_text("Reconnecting", timeout=WAIT)
        other.keyboard.type(" Closed.")
        other.wait_for_timeout(500)
        other.close()
        relay.restore()
        again = context.new_page()
        again.goto(f"http://127.0.0.1:{relay.port}{address.removeprefix(stack.url)}")
        expect(editor(page)).to_contain_text("Away. Closed.", timeout=WAIT)
        saved(again)
        context.close()


def test_a_run_of_the_form_is_added_to_the_session_and_selections_are_shared(
    page: Page, context: BrowserContext, stack: Stack
) -> None:
    new_session(page, "Linked")
    flow = stack.start_run(method="information_flow", prompt=PROMPT, seed=12)
    add_runs(page, stack, flow)
    in_menu(page, "Information flow", "Load into the form")
    page.get_by_role("combobox", name="Method").select_option("reagent")
    page.get_by_role("textbox", name="Prompt").fill(PROMPT)
    page.keyboard.press("Control+Enter")
    expect_titles(page, "Information flow", "ReAGent")
    first, second = (page.locator(".panel").nth(place) for place in (0, 1))
    tokens = second.get_by_role("listbox", name="Tokens", exact=True).get_by_role("option")
    expect(tokens.nth(4)).to_be_visible(timeout=WAIT)
    tokens.nth(4).click()
    there = first.get_by_role("listbox", name="Tokens", exact=True).get_by_role("option")
    expect(there.nth(4)).to_have_class(re.compile("is-primary"))
    expect(page.get_by_role("complementary", name="Detail and comments")).to_contain_text(
        "Position"
    )
    page.wait_for_url(re.compile("token=4"))
    saved(page)

    copied = context.new_page()
    copied.goto(page.url)
    again = copied.locator(".panel").nth(1).get_by_role("listbox", name="Tokens", exact=True)
    expect(again.get_by_role("option").nth(4)).to_have_class(re.compile("is-primary"))
    assert copied.url == page.url


def test_a_run_page_sends_its_run_to_a_session(page: Page, stack: Stack) -> None:
    run = stack.start_run(**QUICK)
    stack.wait_for_status(run, "done")
    page.goto(f"/runs/{run}")
    page.get_by_role("button", name="Add to a session…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Title of a new session").fill("From a run")
    dialog.get_by_role("button", name="New session").click()
    expect_titles(page, "ReAGent")
    assert "add=" not in page.url


def test_runs_are_read_when_they_come_into_view(page: Page, stack: Stack) -> None:
    run = stack.start_run(**QUICK)
    new_session(page, "Long")
    add_runs(page, stack, run)
    for _ in range(7):
        in_menu(page, "ReAGent", "Duplicate") if page.locator(".panel").count() == 1 else copy(page)
    expect(page.locator(".panel")).to_have_count(8)
    saved(page)
    page.goto(page.url.partition("?")[0])
    expect(page.locator(".panel")).to_have_count(8)
    expect(page.locator(".panel .figure").first).to_be_visible()
    expect(page.locator(".panel").last.locator(".figure")).to_have_count(0)
    page.locator(".panel").last.scroll_into_view_if_needed()
    expect(page.locator(".panel").last.locator(".figure").first).to_be_visible()
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((node) => node.id)")
    assert len(ids) == len(set(ids))


def copy(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^More about “ReAGent")).first.click()
    page.get_by_role("menu").get_by_text("Duplicate", exact=True).click()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1440, 900), (390, 844)])
def test_no_session_has_a_serious_barrier(
    contexts: Contexts, stack: Stack, theme: Any, size: tuple[int, int]
) -> None:
    run = stack.start_run(**QUICK)
    context = contexts.open(color_scheme=theme, viewport={"width": size[0], "height": size[1]})
    page = context.new_page()
    new_session(page, f"Barriers {theme} {size[0]}")
    add_runs(page, stack, run)
    write_note(page, "A note")
    no_barrier(page)
    page.get_by_role("button", name="Edit note").click()
    expect(editor(page)).to_be_focused()
    no_barrier(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Fill the page").first.click()
    expect(page.locator(".panel.large .figure").first).to_be_visible()
    no_barrier(page)
    page.goto("/sessions")
    expect(page.get_by_role("table")).to_be_visible()
    no_barrier(page)
    context.close()


def no_barrier(page: Page) -> None:
    page.wait_for_timeout(500)
    found = Axe().run(page).response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert [(v["id"], v["nodes"][0]["html"]) for v in serious] == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
