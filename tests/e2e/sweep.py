"""What a sweep does to a page: whatever can be opened, pressed, chosen or saved on it, by role."""

import re
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Download, Locator, Page, expect

from tests.e2e.contexts import WAIT

OVERFLOW = "document.documentElement.scrollWidth - window.innerWidth"
BEGINS = {"CSV": b"", "JSON": b"", "SVG": b"<", "PNG": b"\x89PNG"}
# These leave the page for a run of their own or save a file, and have tests of their own.
LEAVES = re.compile(
    "^(Continue from this trial|Run with these|Cut this edge|Use as answer|Explain|Save traces"
    "|Add a|Blank)"
)


def settled(page: Page) -> None:
    """The page is there, with a heading and nothing that loads."""
    expect(page.get_by_role("main")).to_be_visible(timeout=WAIT)
    expect(page.get_by_text(re.compile("^(Loading|Opening)"))).to_have_count(0, timeout=WAIT)
    expect(page.get_by_role("heading", level=1)).to_be_attached()


def no_overflow(page: Page) -> None:
    assert page.evaluate(OVERFLOW) <= 0, f"{page.url} is wider than its window"


def help_opens(page: Page) -> None:
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def popups_open(page: Page, *, focus: bool = True) -> None:
    """Whatever says that it opens a menu or a dialog does, and closes by Escape.

    `focus`: it is given back to the button.
    """
    openers = page.locator("button[aria-haspopup=menu], button[aria-haspopup=dialog]")
    for opener in openers.all():
        if not opener.is_visible() or not opener.is_enabled():
            continue
        kind = str(opener.get_attribute("aria-haspopup"))
        opener.click()
        opened: Locator = page.get_by_role(kind).first  # type: ignore[arg-type]
        expect(opened).to_be_visible()
        no_overflow(page)
        page.keyboard.press("Escape")
        expect(opened).to_be_hidden()
        if focus:
            expect(opener).to_be_focused()


def tabs_open(page: Page) -> None:
    for tab in page.get_by_role("tab").all():
        tab.click()
        expect(tab).to_have_attribute("aria-selected", "true")


def figures_of(page: Page, address: str) -> Iterator[Locator]:
    """The figures that the address draws; opened again where an earlier one has hidden one."""
    page.goto(address)
    shown = page.get_by_role("figure")
    expect(shown.first).to_be_visible(timeout=WAIT)
    for stem in shown.evaluate_all("all => all.map((one) => one.dataset.figure)"):
        figure = page.locator(f"figure[data-figure={stem}]")
        if not figure.is_visible():
            page.goto(address)
            expect(figure).to_be_visible(timeout=WAIT)
        yield figure


def tables_open(figure: Locator) -> None:
    """The table twin opens and closes; a figure that is a table has no button for it."""
    button = figure.get_by_role("button", name="Table", exact=True)
    if not button.count():
        return
    twin = figure.locator(".figure-table")
    button.click()
    expect(twin.get_by_role("row").nth(1)).to_be_attached()
    button.click()
    expect(twin).to_be_hidden()


def files_leave(figure: Locator, folder: Path) -> None:
    """Each file of the figure arrives with content of its kind, and the call for Python."""
    page, found = figure.page, list[Download]()
    buttons = [figure.get_by_role("button", name=kind, exact=True) for kind in BEGINS]
    for button in buttons:
        if button.is_visible():
            with page.expect_download() as leaving:  # one at a time: browsers drop what is hurried
                button.click()
            found.append(leaving.value)
    figure.get_by_role("button", name="Python", exact=True).click()
    expect(figure.get_by_role("button", name="Copied")).to_be_visible()
    for download in found:
        file = folder / download.suggested_filename
        download.save_as(file)
        content = file.read_bytes()
        assert content, file.name
        assert content.startswith(BEGINS[file.suffix[1:].upper()]), file.name


def screen_fills(figure: Locator) -> None:
    figure.get_by_role("button", name="Full screen").click()
    figure.page.wait_for_function("document.fullscreenElement !== null")
    figure.page.evaluate("document.exitFullscreen()")
    figure.page.wait_for_function("document.fullscreenElement === null")


def controls_work(figure: Locator) -> None:
    """Each radio, choice, slider and switch is used once; what leaves the page is not."""
    for radio in figure.get_by_role("radio").all():
        radio.check(force=True)
    for choice in figure.get_by_role("combobox").all():
        for place in range(choice.locator("option").count()):
            choice.select_option(index=place)
    for slider in figure.get_by_role("slider").all():
        slider.press("ArrowRight")
        slider.press("ArrowLeft")
    body = figure.locator(":is(.figure-controls, .figure-body, .legend)")
    names = body.get_by_role("button").evaluate_all(
        "all => all.map((one) => one.ariaLabel ?? one.textContent.trim())"
    )
    for name in dict.fromkeys(name for name in names if not LEAVES.match(name)):
        button = body.get_by_role("button", name=name, exact=True).first
        if button.is_visible() and button.is_enabled():
            button.click()


def pictures_listen(figure: Locator) -> None:
    """A click and the keys of whatever takes the arrows: a strip, a matrix, a drawing."""
    for kind in ("listbox", "grid", "application"):
        for picture in figure.get_by_role(kind).all():  # type: ignore[arg-type]
            picture.hover(force=True)  # waits for what a click above is still drawing again
            picture.click(force=True)
            for key in ("ArrowRight", "ArrowDown", "Enter", "p", "Escape"):
                figure.page.keyboard.press(key)
