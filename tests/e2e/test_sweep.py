"""Every page, example, menu, dialog, tab and figure, wide and narrow, light and dark.

Found by role, so that new ones are visited. Whatever goes wrong meanwhile fails (`Contexts`).
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import WAIT
from tests.e2e.contexts import Contexts
from tests.e2e.stack import Json, Stack
from tests.e2e.sweep import (
    controls_work,
    figures_of,
    files_leave,
    help_opens,
    no_overflow,
    pictures_listen,
    popups_open,
    screen_fills,
    settled,
    tables_open,
    tabs_open,
)

pytestmark = pytest.mark.e2e

PAGES = ("/", "/runs", "/sessions", "/models", "/trace", "/nowhere")
ACCOUNT_PAGES = ("/account", "/login", "/account/delete", "/account/export")  # the server's own
LOOKS = [("light", 1440, 900), ("dark", 390, 844), ("light", 320, 700)]
Look = tuple[Any, int, int]


def open_page(contexts: Contexts, look: Look) -> Page:
    theme, width, height = look
    size = {"width": width, "height": height}
    context = contexts.open(color_scheme=theme, viewport=size)
    context.grant_permissions(["clipboard-write"])
    return context.new_page()


@pytest.fixture(scope="module")
def examples(stack: Stack) -> list[tuple[Json, Json]]:
    """Methods with each of their examples, as the gallery has them."""
    methods = stack.get("/api/methods").json()
    return [(method, example) for method in methods for example in method["examples"]]


@pytest.fixture(scope="module")
def runs(stack: Stack, examples: list[tuple[Json, Json]]) -> dict[str, str]:
    """A finished run of each method's first example, and of its first on another model."""
    kinds = {f"{method['stem']} {one['model']}": (method, one) for method, one in examples[::-1]}
    started = {
        kind: stack.start_run(method=method["stem"], model=one["model"], **one["params"])
        for kind, (method, one) in kinds.items()
    }
    for run in started.values():
        stack.wait_for_status(run, "done")
    return started


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_opens_and_so_does_all_that_is_on_it(
    contexts: Contexts, stack: Stack, look: Look
) -> None:
    page = open_page(contexts, look)
    models = [model["id"] for model in stack.get("/api/models").json()]
    for address in (*PAGES, *(f"/models/{quote(model)}" for model in models)):
        page.goto(address)
        settled(page)
        help_opens(page)
        popups_open(page)
        tabs_open(page)
        no_overflow(page)
        contexts.refuse_problems()
    for address in ACCOUNT_PAGES:
        page.goto(address)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        no_overflow(page)


@pytest.mark.parametrize("look", LOOKS[:2])
def test_every_example_fills_the_form(
    contexts: Contexts, examples: list[tuple[Json, Json]], look: Look
) -> None:
    page = open_page(contexts, look)
    page.goto("/")
    settled(page)
    form = page.get_by_role("form", name="New run")
    for method, example in examples:
        section = page.get_by_role("region", name=method["title"])
        card = section.get_by_role("listitem").filter(has_text=example["look_for"])
        card.get_by_role("button", name="Edit first").click()
        expect(form).to_be_visible()
        expect(form.get_by_role("combobox", name="Method")).to_have_value(method["stem"])
        expect(form.get_by_role("combobox", name="Model", exact=True)).to_have_value(
            example["model"]
        )
        for text in (example["params"].get(name) for name in ("prompt", "question")):
            if text:
                assert text in form.get_by_role("textbox").evaluate_all(
                    "all => all.map((one) => one.value)"
                )
        expect(form.locator(".error")).to_have_count(0)
        expect(form.get_by_role("button", name=re.compile("^Run"))).to_be_enabled()
        if look[1] < 900:
            page.keyboard.press("Escape")
            expect(form).to_be_hidden()
    no_overflow(page)


@pytest.mark.parametrize("look", LOOKS)
def test_every_figure_of_a_run_answers(
    contexts: Contexts, runs: dict[str, str], look: Look, tmp_path: Path
) -> None:
    page = open_page(contexts, look)
    for run in runs.values():
        for figure in figures_of(page, f"/runs/{run}"):
            if look == LOOKS[0]:
                tables_open(figure)
                files_leave(figure, tmp_path)
                screen_fills(figure)
            elif look == LOOKS[1]:
                controls_work(figure)
                pictures_listen(figure)
        popups_open(page)
        help_opens(page)
        no_overflow(page)
        contexts.refuse_problems()


@pytest.fixture(scope="module")
def session(browser: Browser, stack: Stack, runs: dict[str, str]) -> Iterator[str]:
    """The address of a session of two runs, the second with a comment."""
    opened = Contexts(browser, stack.url)
    page = open_page(opened, LOOKS[0])
    created = stack.post("/api/sessions", {"title": "All that is there"}).json()
    address = f"/sessions/{created['id']}"
    for number, run in enumerate(list(runs.values())[:2], 1):
        page.goto(f"{address}?add={run}")
        expect(page.locator(".panel")).to_have_count(number, timeout=WAIT)
    page.get_by_role("button", name="Comment on the selection").click()
    page.get_by_role("textbox", name=re.compile("^Comment on")).fill("Why so **high**?")
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(page.locator("li.thread")).to_contain_text("Why so high?")
    expect(page.get_by_role("status").filter(has_text="Saved")).to_be_visible()
    yield address
    opened.end()


@pytest.mark.parametrize("look", LOOKS)
def test_all_of_a_session_opens(contexts: Contexts, session: str, look: Look) -> None:
    page = open_page(contexts, look)
    page.goto(session)
    settled(page)
    expect(page.locator(".panel")).to_have_count(2, timeout=WAIT)
    expect(page.locator("li.thread")).to_contain_text("Why so high?")
    popups_open(page)
    help_opens(page)
    no_overflow(page)
    contexts.refuse_problems()
