"""The file of a report as its readers open it: from disk, without a network, in a real browser."""

import base64
import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.conftest import WAIT
from tests.e2e.contexts import Contexts
from tests.e2e.geometry import misplaced, picture_fills_its_frame
from tests.recorded import METHODS, recorded_events, recorded_report, recorded_run
from workbench.reports.chromium import report_figures, report_pdf
from workbench.reports.document import CommentRecord, PanelRecord, Report, ThreadRecord
from workbench.reports.html import html_build

pytestmark = pytest.mark.e2e

LOOKS = [("light", 1440, 900), ("dark", 390, 844)]
Open = Callable[..., Page]
# What would act if it were taken for anything but text.
EVIL = (
    "<script>globalThis.harmed=1</script><img src=x onerror='globalThis.harmed=1'>"
    '<svg onload="globalThis.harmed=1"><a href="javascript:globalThis.harmed=1">x</a></svg>'
    "</script></title></style><!--<iframe src='https://evil.example/'></iframe>"
    "\u202edesrever\u202c\u2066\u200b\x00"
)
LINKS = (
    "![spy](https://evil.example/a.png) [press](javascript:globalThis.harmed=1) "
    "<https://evil.example> <style>@import 'https://evil.example/a.css'</style>"
    "<base href='https://evil.example'><meta http-equiv=refresh content='0;url=//evil.example'>"
)


@pytest.fixture
def open_report(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens a report from disk, offline; nothing may be asked for, no error, no policy broken."""
    contexts = Contexts(browser, "http://report.invalid")
    asked: list[str] = []
    problems: list[str] = []

    def open_(report: Report, *, hash: str = "", look: tuple[str, int, int] = LOOKS[0]) -> Page:
        file = tmp_path / f"report-{len(contexts.opened)}.html"
        file.write_bytes(html_build(report))
        theme, width, height = look
        context = contexts.open(
            color_scheme=theme,  # type: ignore[arg-type]
            viewport={"width": width, "height": height},
            offline=True,
        )
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: problems.append(message.text))
        page.on("dialog", lambda dialog: problems.append(dialog.message))
        page.goto(file.as_uri() + hash)
        return page

    yield open_
    contexts.end()
    outside = [url for url in asked if not url.startswith(("data:", "blob:", "file:"))]
    assert (outside, problems) == ([], [])
    files = {url.partition("#")[0] for url in asked if url.startswith("file:")}
    assert all(re.search(r"/report-\d+\.html$", url) for url in files), files


def panel(page: Page, name: str) -> Locator:
    """The panel of a recorded run; panel 1 is the note."""
    return page.locator(f"#panel-{list(METHODS).index(name) + 2}")


def show(page: Page, name: str) -> Locator:
    """The panel, scrolled to and drawn."""
    found = panel(page, name)
    found.scroll_into_view_if_needed()
    expect(found.locator("figure[data-figure]:visible").first).to_be_visible(timeout=WAIT)
    return found


def show_all(page: Page) -> None:
    for section in page.locator(".report-panel").all():
        section.evaluate("node => node.scrollIntoView()")
        expect(section.locator("[aria-busy=true]")).to_have_count(0, timeout=WAIT)


def refuse_barriers(page: Page) -> None:
    found = Axe().run(page).response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert [(v["id"], v["nodes"][0]["html"]) for v in serious] == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    repeated = """(() => {
      const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
      return ids.filter((id, at) => ids.indexOf(id) !== at);
    })()"""
    assert page.evaluate(repeated) == []


def test_a_report_opens_and_draws_what_comes_into_view(open_report: Open) -> None:
    page = open_report(recorded_report())
    expect(page).to_have_title("One of each")
    expect(page.get_by_role("heading", level=1)).to_have_text("One of each")
    links = page.get_by_role("navigation", name="Contents").get_by_role("link")
    expect(links).to_have_count(1 + len(METHODS))
    expect(show(page, "centred")).to_contain_text("Caption of centred.")
    last = panel(page, "local_leap")
    expect(last.locator("figure")).to_have_count(0)
    links.last.click()
    expect(last.locator("figure:visible").first).to_be_visible(timeout=WAIT)
    expect(last).to_be_in_viewport()


@pytest.mark.parametrize("look", LOOKS)
def test_pictures_lie_under_their_maps(open_report: Open, look: tuple[str, int, int]) -> None:
    """Every shape of every recorded run is drawn where its attributes say."""
    page = open_report(recorded_report(), look=look)
    show_all(page)
    picture_fills_its_frame(page)
    assert misplaced(page) == []


def test_the_selection_is_in_the_address(open_report: Open) -> None:
    page = open_report(recorded_report())
    text = show(page, "centred").get_by_role("figure", name="Attribution")
    text.get_by_role("option").nth(4).click()
    expect(page).to_have_url(re.compile(r"#panel-2\?.*token=4"))
    text.get_by_role("button", name="Table").click()
    expect(page).to_have_url(re.compile(r"tables=map"))
    page.reload()
    expect(text.get_by_role("table")).to_be_visible(timeout=WAIT)
    expect(text.get_by_role("option").nth(4)).to_have_attribute("aria-selected", "true")
    page.goto(page.url.partition("#")[0] + "#panel-2?token=2")
    expect(text.get_by_role("option").nth(2)).to_have_attribute("aria-selected", "true")
    expect(text.get_by_role("table")).to_have_count(0)


def test_keys_go_to_the_active_panel_alone(open_report: Open) -> None:
    first = recorded_run("centred")
    report = Report("Twice", (PanelRecord("a", run=first), PanelRecord("b", run=first)))
    page = open_report(report)
    show_all(page)
    strips = [page.locator(f"#panel-{n}").get_by_role("figure", name="Attribution") for n in (1, 2)]
    for strip in strips:
        strip.get_by_role("option").nth(4).click()
    page.keyboard.press("p")
    expect(page).to_have_url(re.compile(r"#panel-2\?.*pinned=4"))
    expect(strips[1].locator(".is-pinned")).not_to_have_count(0)
    expect(strips[0].locator(".is-pinned")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(strips[1].locator("[aria-selected=true]")).to_have_count(0)
    expect(strips[0].locator("[aria-selected=true]")).not_to_have_count(0)


def test_pictures_leave_as_files(open_report: Open, tmp_path: Path) -> None:
    page = open_report(recorded_report())
    figure = show(page, "centred").get_by_role("figure", name="Attribution")
    found = {}
    for name in ("CSV", "JSON", "SVG", "PNG"):
        with page.expect_download() as download:
            figure.get_by_role("button", name=name, exact=True).click()
        file = tmp_path / download.value.suggested_filename
        download.value.save_as(file)
        found[name] = file.read_bytes()
    assert list(csv.reader(io.StringIO(found["CSV"].decode())))
    assert json.loads(found["JSON"])
    assert ElementTree.fromstring(found["SVG"]).tag.endswith("svg")
    assert Image.open(io.BytesIO(found["PNG"])).format == "PNG"


def test_a_comment_shows_what_it_is_about(open_report: Open) -> None:
    page = open_report(recorded_report())
    comments = show(page, "centred").get_by_role("list").last
    expect(comments).to_contain_text("Why so high?")
    page.get_by_role("button", name="Token 4", exact=True).click()
    token = panel(page, "centred").get_by_role("figure", name="Attribution").get_by_role("option")
    expect(token.nth(3)).to_have_attribute("aria-selected", "true")
    expect(page.locator("#panel-1")).to_contain_text("resolved")


@pytest.mark.parametrize("look", LOOKS)
def test_a_report_has_no_serious_barrier(open_report: Open, look: tuple[str, int, int]) -> None:
    page = open_report(recorded_report(), look=look)
    show_all(page)
    refuse_barriers(page)
    page.get_by_role("button", name="Keys").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    refuse_barriers(page)


@pytest.mark.parametrize("look", LOOKS)
def test_hostile_content_stays_text(open_report: Open, look: tuple[str, int, int]) -> None:
    page = open_report(hostile_report(), look=look)
    show_all(page)
    page.wait_for_timeout(300)
    assert page.evaluate("globalThis.harmed") is None
    assert page.locator("iframe, object, embed, base, #panel-1 img, .card-text img").count() == 0
    schemes = page.evaluate("[...document.links].map((link) => link.protocol)")
    assert set(schemes) <= {"file:", "https:"}
    expect(page.get_by_role("heading", level=1)).to_contain_text("U+202E")
    expect(page.get_by_role("heading", level=1)).to_contain_text("<script>globalThis.harmed=1")
    expect(page.locator("#panel-5 .comment .card-text")).to_contain_text("<img src=x onerror=")
    refuse_barriers(page)


def hostile_report() -> Report:
    """Every text that a user writes, and every token, is one that would act as anything else."""
    events = json.dumps(recorded_events("centred"))
    tokens = re.sub(r'"text": "[^"]*"', lambda _: f'"text": {json.dumps(EVIL)}', events)
    run = recorded_run("centred", json.loads(tokens))
    thread = ThreadRecord(
        "t", "run", {"type": "node", "id": EVIL}, (CommentRecord("c", EVIL, EVIL, EVIL),), EVIL
    )
    panels = (
        PanelRecord("note", f"# {EVIL}\n\n{EVIL}\n\n{LINKS}"),
        PanelRecord("line", "x" * 1_000_000),
        PanelRecord("brackets", "[" * 1_000_000),
        PanelRecord("right to left", "\u202e" + "\u05d0" * 200),
        PanelRecord(
            "run", f"{EVIL} {LINKS}", run, {EVIL: EVIL, "token": EVIL, "tables": "map,matrix"}
        ),
    )
    return Report(EVIL, panels, (thread,), owner=EVIL)


def test_a_panel_that_cannot_be_drawn_says_so_and_the_others_stand(open_report: Open) -> None:
    broken = recorded_run("centred", [{"kind": "tokens", "tokens": 7}])
    unknown = replace(recorded_run("centred"), method="later")
    runs = (broken, unknown, recorded_run("centred"))
    page = open_report(
        Report("Broken", tuple(PanelRecord(str(n), run=run) for n, run in enumerate(runs)))
    )
    show_all(page)
    expect(page.locator("#panel-1").get_by_role("alert")).to_contain_text("Not drawn")
    expect(page.locator("#panel-2").get_by_role("alert")).to_contain_text("method “later”")
    expect(page.locator("#panel-3 figure:visible").first).to_be_visible()


def test_on_paper_every_picture_is_whole_and_light(open_report: Open) -> None:
    page = open_report(recorded_report(), look=LOOKS[1])
    page.wait_for_function("document.readyState === 'complete'")
    page.wait_for_timeout(1500)  # until all is unzipped
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    assert page.locator("[aria-busy=true]").count() == 0
    assert page.locator(".on-paper:visible").count() > 3 * len(METHODS)
    assert page.locator(".figure-tools:visible, .report-tools:visible").count() == 0
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.locator(".on-paper").count() == 0


def test_chromium_prints_it_whole() -> None:
    content = report_pdf(recorded_report())
    pages = re.findall(rb"/Type\s*/Page\b", content)
    assert len(pages) > len(METHODS)


def test_chromium_gives_every_figure_as_files(open_report: Open) -> None:
    report = recorded_report()
    page = open_report(report)
    show_all(page)
    shown = [
        (report.panels[int(section.get_attribute("id").rpartition("-")[2]) - 1].id, stem)  # type: ignore[union-attr]
        for section in page.locator(".report-panel").all()
        for stem in section.locator("figure:visible").evaluate_all(
            "figures => figures.map((figure) => figure.dataset.figure)"
        )
    ]
    files = report_figures(report)
    assert [(file.panel, file.stem) for file in files] == shown
    for file in files:
        assert list(csv.reader(io.StringIO(file.csv)))
        if file.svg is None or file.png is None:
            assert (file.svg, file.png) == (None, None)
            continue
        root = ElementTree.fromstring(file.svg)
        picture = Image.open(io.BytesIO(base64.b64decode(file.png)))
        assert picture.size == (2 * int(root.attrib["width"]), 2 * int(root.attrib["height"]))


def test_hostile_figures_are_pictures_alone() -> None:
    for file in report_figures(hostile_report()):
        if file.svg is None:
            continue
        tags = {node.tag.rpartition("}")[2] for node in ElementTree.fromstring(file.svg).iter()}
        assert tags.isdisjoint({"script", "a", "foreignObject", "iframe", "use"})
        names = {name for node in ElementTree.fromstring(file.svg).iter() for name in node.attrib}
        assert not [name for name in names if name.lower().startswith("on")]
