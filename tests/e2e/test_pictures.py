"""The two image models as their users meet them: from the gallery to maps and pictures."""

import re
from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Page, expect

from analysis.catalog.entries import BUNDLED
from tests.e2e.conftest import WAIT, status
from tests.e2e.contexts import Contexts
from tests.e2e.geometry import misplaced, picture_fills_its_frame
from tests.e2e.stack import Stack
from workbench.catalog.methods import method_get

pytestmark = pytest.mark.e2e

LOOKS = [("light", 1440, 900), ("dark", 390, 844)]
FIGURES = {
    "seg_similarity": ["Similarity map over the picture", "Layer by layer"],
    "information_flow": ["Prompt and items"],
}


MODELS = ("demo-vlm", "demo-t2i")


def examples(stem: str) -> list[Any]:
    """Those of the image models, as far as these ship with this copy."""
    found = method_get(stem).examples
    return [
        pytest.param(stem, n, id=e.name)
        for n, e in enumerate(found)
        if e.model in MODELS and _ships(e.model)
    ]


def _ships(model: str) -> bool:
    return (BUNDLED / model).is_dir()


def open_example(page: Page, name: str) -> None:
    """Run an example from its card in the gallery, to its end."""
    page.goto("/")
    cards = page.get_by_role("main").get_by_role("listitem")
    card = cards.filter(has=page.get_by_text(name, exact=True))
    card.get_by_role("button").first.click()
    page.wait_for_url(re.compile("/runs/"))
    done = page.get_by_role("main").get_by_text(re.compile("^done(, cached)?$")).first
    expect(done).to_be_visible(timeout=WAIT)


def no_barrier(page: Page) -> None:
    """No serious violation in either theme, and nothing wider than the page."""
    for theme, width, height in LOOKS:
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(300)
        assert misplaced(page) == []
        if page.locator(".scene-map").count():
            picture_fills_its_frame(page)
        found = Axe().run(page).response["violations"]
        serious = [v for v in found if v["impact"] in ("serious", "critical")]
        assert [(v["id"], v["nodes"][0]["html"]) for v in serious] == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize(
    ("stem", "number"), [*examples("seg_similarity"), *examples("information_flow")]
)
def test_an_example_runs_from_the_gallery(page: Page, stem: str, number: int) -> None:
    open_example(page, method_get(stem).examples[number].name)
    for figure in FIGURES[stem]:
        expect(page.get_by_role("figure", name=figure)).to_be_visible()
    images = page.locator("figure img, figure image")
    expect(images.first).to_be_visible()
    page.wait_for_function(
        "[...document.querySelectorAll('figure img')].every((one) => one.naturalWidth > 0)"
    )
    no_barrier(page)


@pytest.mark.skipif(not _ships("demo-vlm"), reason="demo-vlm is not bundled")
def test_the_map_follows_token_layer_and_score_without_a_new_run(page: Page) -> None:
    open_example(page, method_get("seg_similarity").examples[0].name)
    run = page.url.partition("?")[0]
    heat = page.locator(".scene-map image.scene-heat")
    seen = {heat.get_attribute("href")}
    steps = [
        lambda: page.get_by_role("listbox", name="Tokens").get_by_role("option").nth(4).click(),
        lambda: page.get_by_role("button", name=re.compile("^Layer 1,")).click(),
        lambda: page.get_by_role("radio", name="cosine").press("Space"),
        lambda: page.get_by_role("radio", name="at", exact=True).press("Space"),
    ]
    for step in steps:
        step()
        page.wait_for_function(
            "(seen) => !seen.includes(document.querySelector('.scene-map image.scene-heat')"
            ".getAttribute('href'))",
            arg=list(seen),
        )
        seen.add(heat.get_attribute("href"))
    assert page.url.startswith(run)
    before = heat.get_attribute("href")
    page.reload()
    page.wait_for_function(
        "(href) => document.querySelector('image.scene-heat')?.getAttribute('href') === href",
        arg=before,
    )


@pytest.mark.skipif(not _ships("demo-vlm"), reason="demo-vlm is not bundled")
def test_a_question_of_ones_own_is_asked_of_the_scene(page: Page) -> None:
    open_example(page, method_get("seg_similarity").examples[0].name)
    page.get_by_role("textbox", name="Question").fill("Find the largest thing.")
    address = page.url
    page.keyboard.press("Control+Enter")
    page.wait_for_url(lambda url: url != address)
    expect(page.get_by_role("main")).to_contain_text("the correct answer is unknown", timeout=WAIT)


@pytest.mark.parametrize(
    ("stem", "figure"),
    [
        ("seg_similarity", "Similarity map over the picture"),
        ("information_flow", "Prompt and items"),
    ],
)
def test_figures_leave_with_their_pictures(
    page: Page, tmp_path: Path, stem: str, figure: str
) -> None:
    example = next(e for e in method_get(stem).examples if e.model in MODELS)
    if not _ships(example.model):
        pytest.skip(f"{example.model} is not bundled")
    open_example(page, example.name)
    shown = page.get_by_role("figure", name=figure)
    begins = {"CSV": b"", "JSON": b"{", "SVG": b"<svg", "PNG": b"\x89PNG"}
    for kind, start in begins.items():
        with page.expect_download() as download:
            shown.get_by_role("button", name=kind).click()
        file = tmp_path / download.value.suggested_filename
        download.value.save_as(file)
        content = file.read_bytes()
        assert content.startswith(start), kind
        assert kind != "SVG" or b"data:image/png;base64," in content
    shown.get_by_role("button", name="Table").click()
    expect(shown.get_by_role("table")).to_be_visible()


@pytest.mark.skipif(not _ships("demo-vlm"), reason="demo-vlm is not bundled")
def test_a_picture_of_ones_own_is_uploaded_asked_about_and_blanked(
    page: Page, contexts: Contexts, tmp_path: Path
) -> None:
    refused = "a file that is no picture is tried first"
    contexts.allow("status 422: POST .*/api/pictures$", reason=refused)
    open_example(page, method_get("seg_similarity").examples[0].name)
    file = tmp_path / "mine.png"
    Image.fromarray(np.full((60, 90, 3), (200, 30, 30), np.uint8)).save(file)
    upload = page.get_by_label("Image", exact=True)
    wrong = tmp_path / "wrong.png"
    wrong.write_text("<svg onload='alert(1)'/>")
    upload.set_input_files(wrong)
    expect(page.get_by_text("not a PNG, JPEG or WebP")).to_be_visible()
    upload.set_input_files(file)
    expect(page.get_by_role("img", name="Chosen")).to_be_visible()
    page.get_by_role("textbox", name="Question").fill("Where is the red circle?")
    address = page.url
    page.keyboard.press("Control+Enter")
    page.wait_for_url(lambda url: url != address)
    expect(page.get_by_role("main")).to_contain_text("the correct answer is unknown", timeout=WAIT)
    picture = page.locator(".scene-map")
    expect(picture).to_have_attribute("viewBox", "0 0 90 60")
    picture.focus()
    for key in ("ArrowDown", " ", "ArrowRight", " "):
        page.keyboard.press(key)
    address = page.url.partition("?")[0]
    page.get_by_role("button", name="Blank region and rerun").click()
    page.wait_for_url(lambda url: url.partition("?")[0] != address)
    figure = page.get_by_role("figure", name="Causal check")
    expect(figure).to_contain_text("your region", timeout=WAIT)
    no_barrier(page)


@pytest.mark.skipif(not _ships("demo-vlm"), reason="demo-vlm is not bundled")
def test_a_region_is_drawn_by_brush_rectangle_and_lasso(page: Page) -> None:
    open_example(page, method_get("seg_similarity").examples[0].name)
    page.get_by_role("button", name="Draw a region").click()
    box = page.locator(".scene-map").bounding_box()
    assert box

    def at(x: float, y: float) -> tuple[float, float]:
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def drawn(tool: str, *way: tuple[float, float]) -> int:
        clear = page.get_by_role("button", name="Clear")
        if clear.is_enabled():
            clear.click()
        page.get_by_role("radio", name=tool).check(force=True)
        page.mouse.move(*at(*way[0]))
        page.mouse.down()
        for place in way[1:]:
            page.mouse.move(*at(*place))
        page.mouse.up()
        region = page.locator(".region-cells rect")
        expect(region).not_to_have_count(0)
        return region.count()

    corners = (0.2, 0.2), (0.7, 0.7)
    line = drawn("brush", *corners)
    assert drawn("rectangle", *corners) == line**2
    around = (0.2, 0.2), (0.7, 0.2), (0.7, 0.7), (0.2, 0.7)
    assert drawn("lasso", *around) == line**2


GIVE = """([node, type, base64]) => {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const given = new DataTransfer();
    given.items.add(new File([bytes], "mine.png", { type: "image/png" }));
    const event = type === "paste"
        ? new ClipboardEvent("paste", { clipboardData: given, bubbles: true, cancelable: true })
        : new DragEvent("drop", { dataTransfer: given, bubbles: true, cancelable: true });
    node.dispatchEvent(event);
}"""


@pytest.mark.skipif(not _ships("demo-vlm"), reason="demo-vlm is not bundled")
@pytest.mark.parametrize(("way", "shade"), [("drop", 40), ("paste", 80)])
def test_a_picture_is_taken_by_dropping_and_by_pasting(
    page: Page, tmp_path: Path, way: str, shade: int
) -> None:
    page.goto("/?method=seg_similarity&model=demo-vlm&params=%7B%7D")
    file = tmp_path / "mine.png"
    Image.fromarray(np.full((32, 48, 3), (shade, 90, 30), np.uint8)).save(file)
    upload = page.get_by_label("Image", exact=True)
    field = page.locator(".picture-field").filter(has=upload)
    content = b64encode(file.read_bytes()).decode()
    page.evaluate(GIVE, [field.element_handle(), way, content])
    expect(field.get_by_role("img", name="Chosen")).to_be_visible()


@pytest.mark.skipif(not _ships("demo-vlm"), reason="demo-vlm is not bundled")
def test_brackets_go_through_the_layers(page: Page) -> None:
    open_example(page, method_get("seg_similarity").examples[0].name)
    layers = page.get_by_role("figure", name="Layer by layer")
    multiples = layers.get_by_role("button", name=re.compile("^Layer "))
    multiples.nth(2).click()
    for key, layer in (("[", 1), ("[", 0), ("[", 0), ("]", 1)):
        page.keyboard.press(key)
        expect(multiples.nth(layer)).to_have_attribute("aria-pressed", "true")
        page.wait_for_url(re.compile(f"[?&]layer={layer}(&|$)"))


@pytest.mark.skipif(not _ships("demo-t2i"), reason="demo-t2i is not bundled")
def test_a_stopped_run_keeps_the_pictures_that_were_drawn(page: Page, stack: Stack) -> None:
    run = stack.start_run(
        method="information_flow",
        model="demo-t2i",
        prompt="a red circle and a blue square",
        steps=100,
        pictures=16,
        encoder_flow=False,
    )
    page.goto(f"/runs/{run}")
    drawn = page.locator("figure img, figure image")
    expect(drawn.first).to_be_visible(timeout=WAIT)
    page.get_by_role("button", name="Stop").click()
    status(page, "stopped")
    expect(page.get_by_text("the partial result")).to_be_visible()
    count = drawn.count()
    assert count
    page.reload()
    expect(drawn).to_have_count(count)
