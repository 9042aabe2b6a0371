"""A figure on the whole screen: larger, with its detail, and the pointer where it seems to be."""

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import figure
from tests.e2e.contexts import WAIT
from tests.e2e.stack import Stack

pytestmark = pytest.mark.e2e

LARGER = 1.3
QUICK: dict[str, Any] = {"probes": 64, "max_new_tokens": 4, "faithfulness": False}
LEGIBLE = """(figure) => {
    const texts = document.createTreeWalker(figure, NodeFilter.SHOW_TEXT), found = [];
    while (texts.nextNode()) {
        const range = document.createRange();
        range.selectNodeContents(texts.currentNode);
        const box = range.getBoundingClientRect(), own = texts.currentNode.parentElement;
        if (!box.height || own.closest(".detail, .visually-hidden")) continue;
        found.push(box.height / range.getClientRects().length);
    }
    return found.length ? Math.min(...found) : 0;
}"""


@pytest.fixture
def opened(page: Page, stack: Stack) -> Page:
    run = stack.start_run(prompt="Anna has the ball. Who has the ball?", seed=11, **QUICK)
    stack.wait_for_status(run, "done")
    page.goto(f"/runs/{run}")
    expect(figure(page, "Attribution")).to_be_visible(timeout=WAIT)
    expect(figure(page, "Input × output")).to_be_visible(timeout=WAIT)
    return page


def fill(page: Page, shown: Locator) -> None:
    shown.get_by_role("button", name="Full screen").click()
    expect(page.locator("figure:fullscreen")).to_have_attribute("style", re.compile("--larger"))


def leave(page: Page) -> None:
    page.evaluate("document.exitFullscreen()")
    expect(page.locator("figure:fullscreen, figure[style*=larger]")).to_have_count(0)


def test_every_figure_is_larger_and_keeps_the_detail(opened: Page) -> None:
    detail = opened.get_by_role("complementary", name="Detail of the selection")
    expect(detail).not_to_be_empty()
    for shown in opened.get_by_role("figure").all():
        if not shown.is_visible():
            continue
        name = str(shown.get_attribute("data-figure"))
        before = shown.evaluate(LEGIBLE)
        fill(opened, shown)
        assert shown.evaluate(LEGIBLE) >= LARGER * before, name
        expect(shown.get_by_role("complementary", name="Detail of the selection")).to_be_visible()
        wide = shown.evaluate("(node) => node.scrollWidth - node.clientWidth")
        assert wide <= 1, name
        leave(opened)
        assert abs(shown.evaluate(LEGIBLE) - before) < 0.1, name
    expect(detail).to_have_count(1)
    expect(opened.get_by_role("figure").get_by_role("complementary")).to_have_count(0)


def test_the_cell_under_the_pointer_is_the_one_that_is_meant(opened: Page) -> None:
    shown = figure(opened, "Input × output")
    before = [cell_readout(shown, *share) for share in SHARES]
    assert len(set(before)) == len(SHARES)
    fill(opened, shown)
    assert [cell_readout(shown, *share) for share in SHARES] == before
    cell = shown.locator("canvas")
    box = cell.bounding_box()
    assert box
    opened.mouse.click(box["x"] + 0.3 * box["width"], box["y"] + 0.6 * box["height"])
    opened.mouse.move(2, 2)  # what is said then is of the chosen cell
    expect(shown.locator(".readout")).to_have_text(before[1])


SHARES = ((0.1, 0.1), (0.3, 0.6), (0.7, 0.4), (0.95, 0.9))


def cell_readout(shown: Locator, across: float, down: float) -> str:
    """What is said of the cell at these shares of the matrix."""
    cells = shown.locator("canvas")
    cells.scroll_into_view_if_needed()
    box = cells.bounding_box()
    assert box
    shown.page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
    readout = shown.locator(".readout")
    expect(readout).not_to_have_text("Hover or use the arrow keys.")
    return readout.inner_text()
