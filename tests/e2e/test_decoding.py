"""Traces of decoders in the browser: trees, canvases, branches, comparisons, files."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from analysis.methods.local_leap import EXAMPLES
from tests.e2e.conftest import WAIT, figure, status
from tests.e2e.contexts import Contexts
from tests.e2e.stack import Stack
from tests.tiny_models import make_modernbert

pytestmark = pytest.mark.e2e

PROMPT = "Anna has the ball. Tom went to the garden."
FORKING = {
    "prompt": PROMPT, "temperature": 1.0, "max_new_tokens": 16, "max_trials": 4, "trial_cap": 8,
    "samples": 2, "seed": 1,
}  # fmt: skip
CANVAS = {"prompt": PROMPT, "canvas_length": 16, "block": 8, "kappa": 0.4, "tau": 0.2, "seed": 1}


@pytest.fixture(scope="module")
def forked(stack: Stack) -> str:
    """A finished CNTP run with branch points."""
    run = stack.start_run(method="cntp", **FORKING)
    assert stack.wait_for_status(run, "done", "failed")["status"] == "done"
    return run


@pytest.fixture(scope="module")
def filled(stack: Stack) -> str:
    """A finished LocalLeap run on a tiny model with random weights."""
    make_modernbert(stack.models / "tiny-canvas", masked_diffusion=True)
    run = stack.start_run(method="local_leap", model="tiny-canvas", **CANVAS)
    assert stack.wait_for_status(run, "done", "failed")["status"] == "done", stack.run(run)
    return run


def lanes(page: Page) -> Locator:
    return figure(page, "Compare").get_by_role("listitem")


def test_one_click_on_an_example_shows_forks_and_their_trials(page: Page) -> None:
    page.goto("/")
    cards = page.get_by_role("region", name=re.compile("^CNTP")).get_by_role("listitem")
    cards.first.get_by_role("button").first.click()
    page.wait_for_url(re.compile("/runs/"))
    status(page, "done")
    for name in ("Text and entropy", "Branch point: prefix tree of its trials", "Compare",
                 "Trial perplexities", "Other thresholds (no new run)"):  # fmt: skip
        expect(figure(page, name)).to_be_visible()
    page.get_by_role("option", name=re.compile(r"branch point with \d+ trials")).first.click()
    expect(page.get_by_role("complementary", name="Detail of the selection")).to_contain_text(
        "Alternatives at this position"
    )


def test_a_copied_address_opens_the_same_token_and_decoder(page: Page, forked: str) -> None:
    page.goto(f"/runs/{forked}")
    page.get_by_role("combobox", name="Decoder").first.select_option("1")
    page.get_by_role("group", name="Output").get_by_role("option").nth(2).click()
    detail = page.get_by_role("complementary", name="Detail of the selection")
    expect(detail).to_contain_text("greedy")
    before = detail.inner_text()
    page.reload()
    expect(detail).to_have_text(re.compile(re.escape(before.split("\n")[0])))
    expect(page.get_by_role("combobox", name="Decoder").first).to_have_value("1")


def test_thresholds_are_mapped_anew_without_a_run(page: Page, forked: str) -> None:
    page.goto(f"/runs/{forked}")
    panel = figure(page, "Other thresholds (no new run)")
    expect(panel.get_by_role("status")).to_contain_text(
        re.compile(r"most at one branch point 4 → 4")
    )
    panel.get_by_label("N_max").fill("9")
    expect(panel.get_by_role("status")).to_contain_text(
        re.compile(r"most at one branch point 4 → 9")
    )


def test_a_token_opens_reagent_with_the_text_before_it(page: Page, forked: str) -> None:
    page.goto(f"/runs/{forked}?token=3")
    page.get_by_role("link", name="Explain with ReAGent").click()
    page.wait_for_url(re.compile("method=reagent"))
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value(PROMPT)
    expect(page.get_by_label("Method")).to_have_value("reagent")
    page.get_by_role("button", name="Target").click()
    expect(page.get_by_role("spinbutton", name="Target start")).to_have_value("3")


def test_a_branch_is_a_new_run_in_the_same_tree(page: Page, forked: str) -> None:
    page.goto(f"/runs/{forked}?token=0")
    figure(page, "Branch point: prefix tree of its trials").get_by_role(
        "button", name="Continue from this trial"
    ).first.click()
    page.wait_for_url(lambda url: forked not in url)
    status(page, "done")
    branches = figure(page, "Branches forced by you")
    expect(branches.get_by_role("link")).to_have_count(2, timeout=WAIT)
    expect(branches.locator("[aria-current=page]")).to_contain_text("at position 1")
    expect(page.get_by_role("button", name=re.compile("Forced choices"))).to_be_visible()
    branches.get_by_role("link").first.click()
    page.wait_for_url(re.compile(forked))
    expect(branches.locator("[aria-current=page]")).to_contain_text("No forced decisions")


def test_proposed_values_start_a_run_with_them(page: Page, stack: Stack) -> None:
    (example,) = [one for one in EXAMPLES if one.name == "Delayed decoding"]
    run = stack.start_run(method="local_leap", model="demo-diffusion", **example.params)
    assert stack.wait_for_status(run, "done", "failed")["status"] == "done", stack.run(run)
    page.goto(f"/runs/{run}")
    delays = figure(page, "Delayed decoding")
    values = re.compile(r"Proposed for this model: (κ = \S+, τ = \S+, W = \d+)")
    expect(delays).to_contain_text(values)
    proposed = values.search(delays.inner_text())
    assert proposed
    delays.get_by_role("button", name="Use", exact=True).click()
    page.wait_for_url(lambda url: run not in url)
    status(page, "done")
    label = proposed[1].replace("= ", "")
    expect(lanes(page).first).to_contain_text(f"LocalLeap, {label}")
    expect(lanes(page).first).to_contain_text("answer 7, right")


def test_another_run_of_the_prompt_is_compared(page: Page, stack: Stack, forked: str) -> None:
    params = {**FORKING, "seed": 2, "with_beam": False, "with_best_of_n": False}
    other = stack.start_run(method="cntp", **params)
    stack.wait_for_status(other, "done")
    page.goto(f"/runs/{forked}")
    expect(lanes(page)).to_have_count(7)
    page.get_by_role("button", name="Add a run").click()
    page.get_by_role("combobox", name="Run to compare with").select_option(other)
    expect(lanes(page)).to_have_count(12)
    page.reload()
    expect(lanes(page)).to_have_count(12)
    expect(lanes(page).nth(11)).to_contain_text("first difference at token")


def test_a_saved_file_opens_without_a_model(page: Page, forked: str, tmp_path: Path) -> None:
    page.goto(f"/runs/{forked}")
    expect(lanes(page)).to_have_count(7)
    own = lanes(page).first.locator(".lane-text").inner_text()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save traces").click()
    file = tmp_path / "traces.json"
    download.value.save_as(file)
    page.goto("/trace")
    picker = page.locator("#trace-file")
    picker.set_input_files(file)
    expect(lanes(page)).to_have_count(7)
    assert lanes(page).first.locator(".lane-text").inner_text() == own
    expect(page.get_by_role("button", name="Continue from this trial")).to_have_count(0)
    document: dict[str, Any] = json.loads(file.read_text())
    document["events"][2]["entropy"] = "high"
    file.write_text(json.dumps(document))
    picker.set_input_files(file)
    expect(page.get_by_role("alert")).to_contain_text(
        "Event 2 (step).entropy: number is needed", timeout=WAIT
    )


def test_a_stopped_run_keeps_what_was_written(page: Page, stack: Stack) -> None:
    run = stack.start_run(method="cntp", **{**FORKING, "max_new_tokens": 450, "samples": 64})
    page.goto(f"/runs/{run}")
    expect(page.get_by_role("group", name="Output").get_by_role("option").nth(5)).to_be_visible()
    stop = page.get_by_role("button", name="Stop", exact=True)
    for _ in range(5):
        if stop.count() and stop.is_enabled():
            stop.click()
        page.wait_for_timeout(1500)
        if not stop.count() or not stop.is_enabled():
            break
    status(page, "stopped")
    expect(page.get_by_role("group", name="Output").get_by_role("option").nth(5)).to_be_visible()
    expect(lanes(page).last).to_contain_text("not finished")


def test_a_canvas_is_stepped_played_and_branched(page: Page, filled: str) -> None:
    page.goto(f"/runs/{filled}")
    status(page, "done")
    slider = page.get_by_role("slider", name="Step")
    last = slider.input_value()
    assert int(last) > 2
    page.keyboard.press("ArrowLeft")
    expect(slider).to_have_value(str(int(last) - 1))
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.keyboard.press("Space")
    slider.fill("0")
    cell = page.get_by_role("gridcell").nth(1)
    cell.click()
    detail = page.get_by_role("complementary", name="Detail of the selection")
    expect(detail).to_contain_text("Prediction in step 1")
    detail.get_by_role("button", name="Force").first.click()
    page.wait_for_url(lambda url: filled not in url)
    status(page, "done")
    expect(figure(page, "Branches forced by you")).to_contain_text("in step 1")
    for name in ("Canvas", "Steps × positions", "Compare", "Tokens per step", "Delayed decoding"):
        expect(figure(page, name)).to_be_visible()


@pytest.mark.parametrize(("theme", "size"), [("light", (1440, 900)), ("dark", (390, 844))])
def test_no_picture_has_a_serious_barrier(
    contexts: Contexts, stack: Stack, forked: str, filled: str, theme: Any, size: tuple[int, int]
) -> None:
    context = contexts.open(color_scheme=theme, viewport={"width": size[0], "height": size[1]})
    page = context.new_page()
    for address in (
        f"/runs/{forked}?token=0&tables=text,fork", f"/runs/{filled}?token=3&step=1", "/trace",
    ):  # fmt: skip
        page.goto(address)
        if address != "/trace":
            expect(figure(page, "Compare")).to_be_visible(timeout=WAIT)
        found = Axe().run(page).response["violations"]
        serious = [v for v in found if v["impact"] in ("serious", "critical")]
        assert [(v["id"], v["nodes"][0]["html"]) for v in serious] == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), address
    context.close()
