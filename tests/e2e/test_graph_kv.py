"""Segments and which attends to which, as a visitor sees them: the editor and the pictures."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import WAIT, figure, status
from tests.e2e.contexts import Contexts
from tests.e2e.stack import Stack

pytestmark = pytest.mark.e2e

TEXTS = {
    "nora": "Nora walked to the cave.",
    "ring": "Emma took the ring.",
    "emma": "Emma is waiting in the hall.",
}
GIVEN: dict[str, Any] = {
    "segments": [{"id": id_, "text": text} for id_, text in TEXTS.items()],
    "edges": [{"source": "ring", "target": "emma"}],
    "question": "Question: Where is the ring? Answer:",
    "answer": " hall",
    "permutations": 3,
}
PICTURES = (
    "Segment graph", "Arrangements", "Selected edge by layer and head", "Attention on the text",
    "Attention mask", "Positions", "Sensitivity to segment order", "Attention sinks",
)  # fmt: skip


@pytest.fixture(scope="module")
def finished(stack: Stack) -> str:
    """A finished run with one edge."""
    run = stack.start_run(method="graph_kv", **GIVEN)
    assert stack.wait_for_status(run, "done", "failed")["status"] == "done", stack.run(run)
    return run


def visit(page: Page, run: str, query: str = "") -> None:
    """The run's page, once its figures are drawn."""
    page.goto(f"/runs/{run}{query}")
    expect(figure(page, PICTURES[-1])).to_be_visible(timeout=WAIT)


def card(page: Page, segment: str) -> Locator:
    return page.locator(f"[data-segment='{segment}']")


def edges(page: Page) -> Locator:
    return page.get_by_role("list", name="Edges").get_by_role("button")


def params_of(page: Page, stack: Stack) -> Any:
    return stack.run(page.url.rpartition("/")[2].partition("?")[0])["params"]


def test_one_click_on_an_example_shows_every_picture(page: Page) -> None:
    page.goto("/")
    cards = page.get_by_role("region", name=re.compile("^Graph-KV")).get_by_role("listitem")
    cards.first.get_by_role("button").first.click()
    page.wait_for_url(re.compile("/runs/"))
    status(page, "done")
    for name in PICTURES:
        expect(figure(page, name)).to_be_visible()
    expect(figure(page, "Arrangements")).to_contain_text("answer worse with a graph")
    expect(figure(page, "Sensitivity to segment order")).to_contain_text("flat: range")


def test_edges_are_drawn_by_mouse_and_by_keyboard_and_run(
    page: Page, stack: Stack, finished: str
) -> None:
    visit(page, finished)
    expect(edges(page)).to_have_text(["ring → emma ✕"])
    handle = card(page, "nora").get_by_role("button", name="Draw an edge from segment nora")
    handle.hover()
    page.mouse.down()
    target = card(page, "ring").bounding_box()
    assert target
    page.mouse.move(target["x"] + 60, target["y"] + 20, steps=5)
    page.mouse.up()
    expect(edges(page)).to_have_text(["ring → emma ✕", "nora → ring ✕"])
    card(page, "emma").get_by_role("button", name=re.compile("^Segment emma")).focus()
    page.keyboard.press("e")
    expect(page.get_by_text("Edge from emma:")).to_be_visible()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="Cycle:")).to_contain_text(
        "emma → nora → ring → emma"
    )
    page.keyboard.press("Control+z")
    expect(edges(page)).to_have_text(["ring → emma ✕", "nora → ring ✕"])
    edges(page).first.click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url(lambda url: finished not in url)
    status(page, "done")
    assert params_of(page, stack)["edges"] == [{"source": "nora", "target": "ring"}]
    expect(
        figure(page, PICTURES[0]).get_by_role("option", name="ring attends to nora")
    ).to_be_attached()


def test_segments_are_edited_moved_and_brought_back(page: Page, finished: str) -> None:
    visit(page, finished)
    heads = page.locator(".segment-name")
    expect(heads).to_have_text(["nora", "ring", "emma"])
    card(page, "nora").get_by_role("button", name=re.compile("^Segment nora")).focus()
    page.keyboard.press("Alt+ArrowDown")
    expect(heads).to_have_text(["ring", "nora", "emma"])
    card(page, "ring").get_by_role("button", name="Delete segment ring").click()
    expect(edges(page)).to_have_count(0)
    card(page, "nora").get_by_role("textbox").fill("")
    expect(page.get_by_text("Segment nora is empty.")).to_be_hidden()  # it is still being written
    page.keyboard.press("Tab")
    expect(page.get_by_text("Segment nora is empty.")).to_be_visible()
    for _ in range(3):
        page.get_by_role("button", name="Undo").click()
    expect(heads).to_have_text(["nora", "ring", "emma"])
    expect(edges(page)).to_have_text(["ring → emma ✕"])
    page.get_by_role("group", name="Edge presets").get_by_role("button", name="star").click()
    expect(edges(page)).to_have_text(["ring → nora ✕", "emma → nora ✕"])


def test_a_file_that_cannot_be_read_says_why(page: Page, finished: str, tmp_path: Path) -> None:
    visit(page, finished)
    page.get_by_role("button", name="Import").click()
    file = tmp_path / "documents.json"
    file.write_text(json.dumps([{"text": "Tom has the key.", "score": "high"}]))
    page.get_by_label("Upload a file").set_input_files(file)
    problem = page.get_by_role("alert").filter(has_text="Document 1")
    expect(problem).to_contain_text('score is "high"')
    file.write_text(json.dumps(["<b>Tom</b> has the key.", {"text": "So?", "score": 0.5}]))
    page.get_by_label("Upload a file").set_input_files(file)
    expect(page.locator(".segment-name")).to_have_text(["1", "2"])
    expect(card(page, "1").get_by_role("textbox")).to_have_value("<b>Tom</b> has the key.")
    expect(card(page, "2")).to_contain_text("score 0.5")


def test_the_form_is_in_the_address(page: Page) -> None:
    page.goto("/")
    page.get_by_label("Method").select_option("graph_kv")
    page.get_by_role("button", name="Add a segment").click()
    page.keyboard.type("Anna has the ball.")
    page.get_by_role("textbox", name="Question").fill("Who?")
    expect(page).to_have_url(re.compile("Anna"))
    page.reload()
    expect(card(page, "1").get_by_role("textbox")).to_have_value("Anna has the ball.")


def test_the_layer_and_the_edge_are_in_the_address(page: Page, finished: str) -> None:
    visit(page, finished)
    graph = figure(page, PICTURES[0])
    chosen = graph.get_by_role("option", name=re.compile("^answer attends to emma"))
    chosen.dispatch_event("click")
    page.keyboard.press("]")
    page.keyboard.press("}")
    detail = page.get_by_role("complementary", name="Detail of the selection")
    expect(detail).to_contain_text("answer attends to emma")
    expect(detail).to_contain_text("layer 0, head 0")
    page.reload()
    expect(detail).to_contain_text("answer attends to emma", timeout=WAIT)
    expect(detail).to_contain_text("layer 0, head 0")


def test_a_cut_is_a_new_run_without_the_edge(page: Page, stack: Stack, finished: str) -> None:
    visit(page, finished)
    detail = page.get_by_role("complementary", name="Detail of the selection")
    expect(detail).to_contain_text("emma attends to ring")
    detail.get_by_role("button", name="Cut this edge and run again").click()
    page.wait_for_url(lambda url: finished not in url)
    status(page, "done")
    assert params_of(page, stack).get("edges", []) == []


def test_a_stopped_run_keeps_what_was_measured(page: Page, stack: Stack) -> None:
    params = {**GIVEN, "max_new_tokens": 64, "permutations": 64, "rows_per_forward": 1}
    many = [{"id": f"s{n}", "text": f"Tom has {n} plums. Anna has {n} pears."} for n in range(14)]
    ahead = stack.start_run(prompt="Anna has the ball.", probes=65_536, stop_early=False)
    run = stack.start_run(method="graph_kv", **{**params, "segments": many, "edges": []})
    page.goto(f"/runs/{run}")
    status(page, "queued (1)")  # it takes a few seconds: the page is there before it begins
    stack.post(f"/api/runs/{ahead}/cancel", {})
    expect(figure(page, PICTURES[0])).to_be_visible(timeout=WAIT)
    page.get_by_role("button", name="Stop", exact=True).click()
    status(page, "stopped")
    expect(figure(page, PICTURES[0])).to_be_visible()
    expect(figure(page, "Attention mask")).to_be_visible()
    expect(page.get_by_text("Stopped early")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1440, 900), (390, 844)])
def test_no_picture_has_a_serious_barrier(
    contexts: Contexts, stack: Stack, finished: str, theme: Any, size: tuple[int, int]
) -> None:
    context = contexts.open(color_scheme=theme, viewport={"width": size[0], "height": size[1]})
    page = context.new_page()
    visit(page, finished, "?tables=graph,orders&layer=1")
    refuse_barriers(page)
    if size[0] < 900:
        page.get_by_role("button", name="Model, text and parameters").click()
    else:
        page.get_by_role("button", name="Open larger editor").click()
    page.get_by_role("button", name="Import").click()
    card(page, "ring").get_by_role("button", name="Draw an edge from segment ring").click()
    refuse_barriers(page)
    context.close()


def refuse_barriers(page: Page) -> None:
    found = Axe().run(page).response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert [(v["id"], v["nodes"][0]["html"]) for v in serious] == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
