"""The product below a path of its host, behind a proxy; and behind one that opens no sockets."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import status
from tests.e2e.contexts import Contexts
from tests.e2e.proxy import Proxy
from tests.e2e.stack import Stack

pytestmark = pytest.mark.e2e

BASE = "/glass/bench"
QUICK = {"probes": 64, "max_new_tokens": 1, "faithfulness": False, "baselines": False}
PROMPT = "Anna has the ball. Question: Who has the ball? Answer:"


@pytest.fixture(scope="module")
def below(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The product with BASE_PATH set."""
    running = Stack(tmp_path_factory.mktemp("below") / "data", {"BASE_PATH": BASE})
    running.data_dir.mkdir()
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture
def contexts(browser: Browser, below: Stack) -> Iterator[Contexts]:
    opened = Contexts(browser, below.url)
    yield opened
    opened.end()


def visit(contexts: Contexts, proxy: Proxy, path: str = "") -> Page:
    page = contexts.open(viewport={"width": 1440, "height": 900}).new_page()
    page.goto(proxy.url + path)
    return page


def outside(page: Page) -> list[str]:
    """Links, forms and files of the page that leave BASE."""
    named = page.evaluate(
        "[...document.querySelectorAll('a[href], form[action], link[href], script[src]')]"
        ".map((one) => new URL(one.href || one.action || one.src))"
        ".filter((one) => one.origin === location.origin).map((one) => one.pathname)"
    )
    return [path for path in named if not path.startswith(f"{BASE}/")]


@pytest.mark.parametrize("path", ["stripped", "kept"])
def test_all_of_it_works_below_a_path(contexts: Contexts, below: Stack, path: str) -> None:
    with Proxy(below.port, base=BASE, strip=path == "stripped") as proxy:
        page = visit(contexts, proxy)
        page.on("websocket", lambda opened: sockets.append(opened.url))
        sockets: list[str] = []
        cards = page.get_by_role("region", name=re.compile("^ReAGent")).get_by_role("listitem")
        card = cards.nth(["stripped", "kept"].index(path))  # an equal run would come from the cache
        card.get_by_role("button").first.click()
        page.wait_for_url(re.compile(f"{BASE}/runs/"))
        status(page, "done")
        page.reload()
        status(page, "done")
        assert sockets
        for link in ("Sessions", "Runs", "Models", "New"):
            page.get_by_role("banner").get_by_role("link", name=link, exact=True).click()
            expect(page.get_by_role("main").get_by_role("heading").first).to_be_visible()
            assert outside(page) == []
        page.goto(f"{proxy.url}account")
        expect(page.get_by_role("heading", name="local")).to_be_visible()
        assert outside(page) == []
        cookies = {cookie["path"] for cookie in page.context.cookies()}  # type: ignore[typeddict-item]
        assert cookies == {f"{BASE}/"}


def test_without_sockets_runs_are_drawn_over_http_and_the_reason_is_said(
    contexts: Contexts, below: Stack
) -> None:
    contexts.allow("/ws", reason="the proxy lets no socket through")
    run = below.start_run(prompt=PROMPT, **QUICK)
    with Proxy(below.port, base=BASE, strip=True, upgrade=False) as proxy:
        page = visit(contexts, proxy, f"runs/{run}")
        status(page, "done")
        expect(page.get_by_role("figure", name="Attribution", exact=True)).to_be_visible()
        expect(page.get_by_text("does not let web sockets through")).to_be_visible()
        live = below.start_run(prompt=PROMPT, seed=7, **{**QUICK, "probes": 4096})
        page.goto(f"{proxy.url}runs/{live}")
        status(page, "done")
