"""One running product and one browser for all end-to-end tests."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from analysis.catalog.entries import BUNDLED
from tests.e2e.chromium import chromium_path
from tests.e2e.contexts import WAIT as WAIT
from tests.e2e.contexts import Contexts
from tests.e2e.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The product, running; a test that ends a worker starts another.

    In addition to demo-lm there is `no-weights`, a model folder without its weights.
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
def contexts(browser: Browser, stack: Stack) -> Iterator[Contexts]:
    """Opens contexts whose pages must have no problem; what a test means to break it allows."""
    opened = Contexts(browser, stack.url)
    yield opened
    opened.end()


@pytest.fixture
def context(contexts: Contexts) -> BrowserContext:
    """A browser of its own, of the usual size."""
    return contexts.open(viewport={"width": 1440, "height": 900})


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def status(page: Page, word: str) -> None:
    """Wait until the run has this status."""
    expect(page.get_by_role("main").get_by_text(word, exact=True).first).to_be_visible(timeout=WAIT)


def figure(page: Page, name: str) -> Locator:
    return page.get_by_role("figure", name=name, exact=True)
