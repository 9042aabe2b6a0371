"""The flow of information in a text as its users meet it: cuts, edges, states, routes."""

import re
from typing import Any

import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import WAIT, figure, status
from tests.e2e.contexts import Contexts
from tests.e2e.stack import Stack
from tests.families import TEXT
from tests.tiny_models import byte_tokenizer, save, spread

pytestmark = pytest.mark.e2e

PROMPT = "Felix has the hat. Maria has the key. Who has the key?"
SMALL = {"prompt": PROMPT, "max_new_tokens": 6, "control_draws": 2, "draws": 2}
PICTURES = (
    "Answer: effect of cutting each token", "Flow matrix", "Cuts", "Attention knockout by layer",
    "Causal tracing", "Contribution graph", "Contribution vs. causal effect",
)  # fmt: skip


@pytest.fixture(scope="module")
def flowed(stack: Stack) -> str:
    """A finished run of all analyses without cuts of the user."""
    run = stack.start_run(method="information_flow", **SMALL)
    assert stack.wait_for_status(run, "done", "failed")["status"] == "done", stack.run(run)
    return run


def matrix(page: Page) -> Locator:
    return figure(page, "Flow matrix").get_by_role("application")


def edges(page: Page) -> Locator:
    return figure(page, "Cuts").get_by_role("listitem")


def press_cell(page: Page, *, row: int, column: int) -> None:
    """Click a cell of the flow matrix by its place from the lower left; −1: the last."""
    canvas = matrix(page).locator("canvas")
    box, size = canvas.bounding_box(), canvas.evaluate("one => one.width")
    assert box
    at = [(n % size + 0.5) / size for n in (column, row)]
    canvas.click(position={"x": at[0] * box["width"], "y": at[1] * box["height"]}, force=True)


def test_one_click_on_an_example_draws_every_picture(page: Page) -> None:
    page.goto("/")
    region = page.get_by_role("region", name=re.compile("^Information flow"))
    card = region.get_by_role("listitem").filter(has_text="Two hops")
    card.get_by_role("button").first.click()
    page.wait_for_url(re.compile("/runs/"))
    expect(matrix(page)).to_be_visible(timeout=WAIT)
    status(page, "done")
    for name in PICTURES:
        expect(figure(page, name)).to_be_visible()
    expect(
        figure(page, "Answer: effect of cutting each token").get_by_role("option").first
    ).to_be_visible()


def test_the_form_shows_each_kind_of_model_its_own_fields(page: Page) -> None:
    page.goto("/?method=information_flow&model=demo-lm")
    form = page.get_by_role("form", name="New run")
    analyses = form.get_by_role("button", name="Analyses")
    pictures = form.get_by_role("spinbutton", name="Pictures")
    expect(analyses).to_be_visible()
    expect(pictures).to_have_count(0)
    page.goto("/?method=information_flow&model=demo-t2i")
    expect(pictures).to_be_visible()
    expect(analyses).to_have_count(0)


def test_an_edge_is_chosen_in_the_matrix_and_cut_by_a_run(page: Page, flowed: str) -> None:
    page.goto(f"/runs/{flowed}")
    status(page, "done")
    press_cell(page, row=-1, column=2)
    expect(edges(page)).to_have_count(1)
    press_cell(page, row=-1, column=2)
    expect(edges(page)).to_have_count(0)
    page.get_by_role("button", name="Add the largest effect").click()
    expect(edges(page)).to_have_count(1)
    page.reload()
    expect(edges(page)).to_have_count(1)
    edges(page).get_by_label(re.compile("^Layers")).fill("1-3")
    figure(page, "Cuts").get_by_role("button", name="Run with these cuts").click()
    page.wait_for_url(lambda url: flowed not in url)
    status(page, "done")
    cut = figure(page, "Effect of your cuts")
    expect(cut.get_by_role("img")).to_have_attribute("aria-label", re.compile("^Chosen edges: "))
    expect(cut.get_by_role("group")).to_have_count(3)
    expect(edges(page).get_by_label(re.compile("^Layers"))).to_have_value("1-3")
    expect(figure(page, "Cuts").get_by_role("button", name="Run with these cuts")).to_be_hidden()


def test_the_matrix_is_used_by_keyboard_alone(page: Page, flowed: str) -> None:
    page.goto(f"/runs/{flowed}?token=3")
    status(page, "done")
    matrix(page).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(edges(page)).to_have_count(1)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("x")
    expect(edges(page)).to_have_count(2)
    page.keyboard.press("Control+z")
    expect(edges(page)).to_have_count(1)
    page.keyboard.press("Escape")
    expect(figure(page, "Flow matrix")).to_contain_text("Click a cell to add or remove a cut")


def test_a_picked_state_shows_its_cone(page: Page, flowed: str) -> None:
    page.goto(f"/runs/{flowed}?token=3&layer=1")
    tracing = figure(page, "Causal tracing")
    expect(tracing).to_contain_text("residual stream of layer 1", timeout=WAIT)
    page.keyboard.press("]")
    expect(tracing).to_contain_text(re.compile(r"residual stream of layer 2 .* layers 3 to 4"))
    tracing.get_by_role("radio", name="mlp").check()
    expect(tracing).to_contain_text("MLP output of layer 2")
    assert tracing.locator(".dimmed").get_attribute("d")


def test_routes_thin_out_as_the_threshold_rises(page: Page, flowed: str) -> None:
    page.goto(f"/runs/{flowed}")
    routes = figure(page, "Contribution graph")
    slider = routes.get_by_role("slider")
    expect(slider).to_be_visible(timeout=WAIT)
    many = routes.locator("path.route").count()
    slider.fill("0.2")
    expect(slider).to_have_value("0.2")
    expect(routes.locator("path.route")).not_to_have_count(many)  # drawn in the next frame
    assert routes.locator("path.route").count() < many
    page.reload()
    expect(slider).to_have_value("0.2")


def test_a_stopped_run_keeps_the_rows_that_were_cut(page: Page, stack: Stack) -> None:
    long = " ".join(["Felix has the hat. Maria has the key."] * 24) + " Who has the key?"
    params = {**SMALL, "prompt": long, "grouping": "token", "rows_per_forward": 8}
    run = stack.start_run(method="information_flow", **params)
    page.goto(f"/runs/{run}")
    expect(matrix(page)).to_be_visible(timeout=WAIT)
    stop = page.get_by_role("button", name="Stop", exact=True)
    stop.click()
    expect(stop).to_be_hidden(timeout=WAIT)
    status(page, "stopped")
    expect(matrix(page)).to_be_visible()
    expect(figure(page, "Flow matrix")).to_contain_text("edges are cut so far")
    expect(figure(page, "Causal tracing")).to_be_hidden()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1440, 900), (390, 844)])
def test_no_picture_has_a_serious_barrier(
    contexts: Contexts, stack: Stack, flowed: str, theme: Any, size: tuple[int, int]
) -> None:
    context = contexts.open(color_scheme=theme, viewport={"width": size[0], "height": size[1]})
    page = context.new_page()
    page.goto(f"/runs/{flowed}?token=3&layer=1&edges=15.4.l1-2&tables=matrix,tracing")
    for name in PICTURES:
        expect(figure(page, name)).to_be_visible(timeout=WAIT)
    found = Axe().run(page).response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert [(v["id"], v["nodes"][0]["html"]) for v in serious] == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    context.close()


def test_an_analysis_that_a_model_does_not_allow_is_noted(page: Page, stack: Stack) -> None:
    """A block with its norms behind it is no sum of parts: OPT-350m."""
    torch.manual_seed(0)
    save(spread(TEXT["OPT-350m"]().eval()), byte_tokenizer(), stack.models / "tiny-opt")
    run = stack.start_run(method="information_flow", model="tiny-opt", **SMALL)
    assert stack.wait_for_status(run, "done", "failed")["status"] == "done", stack.run(run)
    page.goto(f"/runs/{run}")
    status(page, "done")
    expect(matrix(page)).to_be_visible()
    note = page.get_by_text("Contribution graph was left out. Layer 0 of a OPTForCausalLM")
    expect(note).to_be_visible()
    expect(figure(page, "Contribution graph")).to_be_hidden()
    page.goto("/models/tiny-opt")
    abilities = page.get_by_role("listitem")
    expect(abilities.filter(has_text="Attention weights can be read")).to_be_visible(timeout=WAIT)
    expect(abilities.filter(has_text="hidden by hooks and by a mask differ")).to_be_visible()
