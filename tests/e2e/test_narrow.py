"""A run on a telephone: its detail opens at a touch, closes, and covers no focus."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.contexts import Contexts
from tests.e2e.stack import Stack

pytestmark = pytest.mark.e2e

QUICK = {"probes": 64, "max_new_tokens": 2, "faithfulness": False, "baselines": False}
COVERED = """() => {
    const one = document.activeElement, box = one.getBoundingClientRect();
    if (one === document.body || !box.width || one.closest(".detail-sheet, .header")) return "";
    const at = (y) => document.elementFromPoint(box.left + box.width / 2, y);
    const seen = [box.top + 1, box.top + box.height / 2, box.bottom - 1].map(at);
    const free = seen.some((top) => top && !top.closest(".detail-sheet, .header"));
    return free ? "" : one.outerHTML.slice(0, 120);
}"""


@pytest.fixture
def page(contexts: Contexts, stack: Stack) -> Page:
    run = stack.start_run(prompt="Anna has the ball. Who has the ball?", seed=11, **QUICK)
    stack.wait_for_status(run, "done")
    size = {"width": 390, "height": 844}
    page = contexts.open(viewport=size, has_touch=True, is_mobile=True).new_page()
    page.goto(f"/runs/{run}")
    expect(page.get_by_role("figure", name="Attribution", exact=True)).to_be_visible()
    return page


def test_the_detail_opens_at_a_touch_and_closes(page: Page) -> None:
    detail = page.get_by_role("complementary", name="Detail of the selection")
    expect(detail).to_be_hidden()
    page.get_by_role("listbox", name="Tokens", exact=True).get_by_role("option").nth(3).tap()
    expect(detail).to_be_visible()
    expect(page.get_by_text("Hover")).to_have_count(0)
    page.get_by_role("button", name="Close details").tap()
    expect(detail).to_be_hidden()
    page.get_by_role("listbox", name="Tokens", exact=True).get_by_role("option").nth(4).tap()
    expect(detail).to_be_hidden()  # who closed it opens it
    page.get_by_role("button", name="Details", exact=True).tap()
    expect(detail).to_be_visible()


def test_escape_closes_the_detail_wherever_the_focus_is(page: Page) -> None:
    detail = page.get_by_role("complementary", name="Detail of the selection")
    token = page.get_by_role("listbox", name="Tokens", exact=True).get_by_role("option").nth(3)
    token.tap()
    expect(detail).to_be_visible()
    page.keyboard.press("Escape")
    expect(detail).to_be_hidden()
    expect(token).to_have_attribute("aria-selected", "true")  # the next one clears it
    page.get_by_role("button", name="Details", exact=True).tap()
    page.get_by_role("link", name="Runs", exact=True).focus()
    page.keyboard.press("Escape")
    expect(detail).to_be_hidden()


@pytest.mark.parametrize("opened", ["open", "closed"])
def test_nothing_with_the_focus_is_covered(page: Page, opened: str) -> None:
    if opened == "open":
        page.get_by_role("button", name="Details", exact=True).tap()
    covered = []
    for _ in range(40):
        page.keyboard.press("Tab")
        covered.append(page.evaluate(COVERED))
    assert [one for one in covered if one] == []
