"""Every page, menu, dialog and tab, wide and narrow; found by role, so new ones are visited."""

from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.contexts import WAIT, Contexts
from tests.e2e.stack import Stack

pytestmark = pytest.mark.e2e

SIZES = [(1440, 900), (390, 844)]
PAGES = ("/", "/runs", "/sessions", "/models", "/trace", "/nowhere")
OVERFLOW = "document.documentElement.scrollWidth - window.innerWidth"


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_every_page_opens_and_so_does_all_that_is_on_it(
    contexts: Contexts, stack: Stack, width: int, height: int
) -> None:
    page = contexts.open(viewport={"width": width, "height": height}).new_page()
    models = [model["id"] for model in stack.get("/api/models").json()]
    for address in (*PAGES, *(f"/models/{quote(model)}" for model in models)):
        page.goto(address)
        expect(page.get_by_role("main")).to_be_visible(timeout=WAIT)
        expect(page.get_by_text("Loading…", exact=True)).to_have_count(0, timeout=WAIT)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        help_opens(page)
        popups_open(page, focus=True)
        tabs_open(page)
        assert page.evaluate(OVERFLOW) <= 0, address
        contexts.refuse_problems()


def help_opens(page: Page) -> None:
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def popups_open(page: Page, *, focus: bool) -> None:
    """Whatever says that it opens a menu or a dialog does, and closes by Escape.

    `focus`: it is given back to the button.
    """
    openers = page.locator("button[aria-haspopup=menu], button[aria-haspopup=dialog]")
    for place in range(openers.count()):
        opener = openers.nth(place)
        if not opener.is_visible() or not opener.is_enabled():
            continue
        kind = str(opener.get_attribute("aria-haspopup"))
        opener.click()
        opened: Locator = page.get_by_role(kind).first  # type: ignore[arg-type]
        expect(opened).to_be_visible()
        page.keyboard.press("Escape")
        expect(opened).to_be_hidden()
        if focus:
            expect(opener).to_be_focused()


def tabs_open(page: Page) -> None:
    for tab in page.get_by_role("tab").all():
        tab.click()
        expect(tab).to_have_attribute("aria-selected", "true")
