"""One running product and one browser for all end-to-end tests."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from analysis.catalog import BUNDLED
from tests.e2e.chromium import chromium_path
from tests.e2e.stack import Stack

WAIT = 60_000  # milliseconds; the machine may be slow, nothing here is a timing


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The product, running; a test that ends a worker starts another.

    Beside demo-lm there is `no-weights`, a model folder without its weights.
    """
    running = Stack(tmp_path_factory.mktemp("stack"))
    try:
        running.start()
        broken = running.models / "no-weights"
        broken.mkdir()
        shutil.copy(BUNDLED / "demo-lm" / "config.json", broken)
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=chromium_path(),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield launched
        launched.close()


@pytest.fixture
def context(browser: Browser, stack: Stack) -> Iterator[BrowserContext]:
    """A browser context whose pages must raise no error and break no content policy."""
    context = browser.new_context(base_url=stack.url, viewport={"width": 1440, "height": 900})
    context.set_default_timeout(WAIT)
    problems: list[str] = []
    context.on("weberror", lambda error: problems.append(str(error.error)))
    context.on(
        "console",
        lambda said: problems.append(said.text) if "Content Security Policy" in said.text else None,
    )
    yield context
    context.close()
    assert problems == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def status(page: Page, word: str) -> None:
    """Wait until the run says so."""
    expect(page.get_by_role("main").get_by_text(word, exact=True).first).to_be_visible(timeout=WAIT)


def figure(page: Page, name: str) -> Locator:
    return page.get_by_role("figure", name=name, exact=True)
