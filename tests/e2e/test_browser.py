"""The product in a real browser, with server, Redis, worker and model."""

import json
import re
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect

import analysis
from analysis.events import ArrayRef, array_from_ref
from tests.e2e.conftest import WAIT, status
from tests.e2e.contexts import Contexts
from tests.e2e.relay import Relay
from tests.e2e.stack import Stack

pytestmark = pytest.mark.e2e

PROMPT = "Anna has the ball. Tom has the book. Question: Who has the ball? Answer:"
LONG = {"probes": 65_536, "stop_early": False, "faithfulness": False, "baselines": False}
QUICK = {"probes": 64, "max_new_tokens": 2, "faithfulness": False, "baselines": False}


def start(page: Page, *, model: str = "demo-lm", prompt: str = PROMPT, **params: object) -> str:
    """Create a run as the page does, and open it; returns its id."""
    run = str(uuid.uuid4())
    params = {"seed": uuid.uuid4().int % 10**9, **params}  # an equal run is answered as cached
    if not page.url.startswith("http"):
        page.goto("/")
    body = {"id": run, "method": "reagent", "model": model, "params": {"prompt": prompt, **params}}
    token = next(c["value"] for c in page.context.cookies() if c.get("name") == "csrftoken")
    answer = page.request.post(
        "/api/runs",
        data=json.dumps(body),
        headers={
            "content-type": "application/json",
            "x-csrftoken": str(token),
            "referer": page.url,
        },
    )
    assert answer.status == 201, answer.text()
    page.goto(f"/runs/{run}")
    return run


def get(page: Page, path: str) -> Any:
    return page.request.get(path).json()


def events_of(page: Page, run: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = get(page, f"/api/runs/{run}/events")["events"]
    return found


def stop(page: Page) -> None:
    page.get_by_role("button", name="Stop", exact=True).click()
    status(page, "stopped")


def prompt_tokens(page: Page) -> Any:
    return page.get_by_role("listbox", name="Tokens", exact=True).get_by_role("option")


def coloured(page: Page) -> None:
    """The strip shows scores: some token has a rank."""
    strip = page.get_by_role("listbox", name="Tokens", exact=True)
    expect(strip.get_by_role("option", name=re.compile("rank 1$")).first).to_be_visible(
        timeout=WAIT
    )


def test_one_click_on_an_example_gives_a_coloured_result(page: Page) -> None:
    page.goto("/")
    cards = page.get_by_role("region", name=re.compile("^ReAGent")).get_by_role("listitem")
    expect(cards.nth(3)).to_be_visible()
    cards.first.get_by_role("button").first.click()
    page.wait_for_url(re.compile("/runs/"))
    coloured(page)
    status(page, "done")
    for panel in ("Attribution", "Input × output", "Faithfulness", "Baselines", "Cost"):
        expect(page.get_by_role("figure", name=panel)).to_be_visible()


def test_the_form_runs_a_prompt_by_keyboard(page: Page) -> None:
    page.goto("/?method=reagent")
    expect(page.get_by_role("main").get_by_role("listitem").first).to_be_visible()
    page.get_by_role("textbox", name="Prompt").fill(PROMPT)
    page.get_by_role("spinbutton", name="Max new tokens").fill("3")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(re.compile("/runs/"))
    coloured(page)
    status(page, "done")


def test_another_output_token_shows_its_own_row_at_once(page: Page) -> None:
    run = start(page, **{**QUICK, "max_new_tokens": 4})
    status(page, "done")
    scores = next(
        e["event"] for e in reversed(events_of(page, run)) if e["event"]["kind"] == "scores"
    )
    before = prompt_tokens(page).all_inner_texts()
    outputs = page.get_by_role("group", name="Output").get_by_role("option")
    outputs.nth(2).click()
    mean = array_from_ref(ArrayRef(**scores["mean"]), lambda sha: b"")
    place = int(np.argmax(mean[3][1:])) + 1  # row 0 is the target, row 3 output token 2
    expect(prompt_tokens(page).nth(place)).to_have_accessible_name(re.compile("rank 1$"))
    assert prompt_tokens(page).all_inner_texts() == before


def test_the_page_and_analysis_run_give_the_same_numbers(page: Page) -> None:
    params: dict[str, Any] = {"prompt": PROMPT, **QUICK, "seed": 9}
    run = start(page, **{key: value for key, value in params.items() if key != "prompt"})
    status(page, "done")
    stored = [e["event"] for e in events_of(page, run) if e["event"]["kind"] == "scores"]
    own = list(analysis.run("reagent", model="demo-lm", params=params))
    expected: list[Any] = [e for e in own if e.model_dump()["kind"] == "scores"]
    assert len(stored) == len(expected)
    for one, two in zip(stored, expected, strict=True):
        for name in ("mean", "standard_error"):
            found = array_from_ref(ArrayRef(**one[name]), lambda sha: b"")
            np.testing.assert_allclose(found, getattr(two, name), atol=1e-7)


def test_stop_keeps_the_partial_result_and_frees_the_worker(page: Page) -> None:
    start(page, **LONG)
    coloured(page)
    stop(page)
    coloured(page)
    expect(page.get_by_role("main")).to_contain_text("partial")
    start(page, **QUICK)
    status(page, "done")


def test_an_answer_to_stop_that_comes_late_does_not_undo_it(page: Page) -> None:
    """The socket may be quicker than the answer, which still says that the run is at work."""

    def answer_late(route: Route) -> None:
        answer = route.fetch()
        status(page, "stopped")
        route.fulfill(response=answer)

    page.route("**/cancel", answer_late)
    start(page, **LONG)
    coloured(page)
    with page.expect_response("**/cancel") as late:
        stop(page)
    assert late.value.json()["status"] == "running"
    page.wait_for_timeout(500)
    status(page, "stopped")


def test_a_second_browser_sees_the_same_run_live(
    contexts: Contexts, page: Page, stack: Stack
) -> None:
    run = start(page, **LONG)
    other = contexts.open().new_page()
    other.goto(f"/runs/{run}")
    coloured(other)
    coloured(page)
    stop(page)
    status(other, "stopped")
    status(page, "stopped")
    names = [option.get_attribute("aria-label") for option in prompt_tokens(page).all()]
    assert [o.get_attribute("aria-label") for o in prompt_tokens(other).all()] == names
    other.context.close()


def test_a_reload_loses_nothing_and_doubles_nothing(page: Page) -> None:
    run = start(page, **LONG)
    coloured(page)
    page.reload()
    coloured(page)
    stop(page)
    unbroken(page, run)


def test_a_cut_network_loses_nothing(contexts: Contexts, page: Page, stack: Stack) -> None:
    """The connection goes through a relay that drops it and stays away for some seconds."""
    with Relay(stack.port) as relay:
        contexts.allow(rf":{relay.port}/.*(failed|net::)", reason="the relay is cut")
        context = contexts.open(base_url=f"http://127.0.0.1:{relay.port}")
        cut = context.new_page()
        run = start(cut, **LONG)
        coloured(cut)
        relay.cut()
        expect(cut.locator("body")).to_contain_text("econnecting", timeout=WAIT)
        relay.restore()
        page.goto(f"/runs/{run}")
        coloured(page)
        stop(page)
        status(cut, "stopped")
        names = [option.get_attribute("aria-label") for option in prompt_tokens(page).all()]
        assert [o.get_attribute("aria-label") for o in prompt_tokens(cut).all()] == names
        unbroken(page, run)
        context.close()


def unbroken(page: Page, run: str) -> None:
    """The stored events of the last attempt are numbered without hole or double."""
    seqs = [event["seq"] for event in events_of(page, run)]
    assert seqs == list(range(1, len(seqs) + 1))


def test_a_killed_worker_completes_the_run_as_a_new_attempt(page: Page, stack: Stack) -> None:
    run = start(page, probes=20_000, **{k: v for k, v in LONG.items() if k != "probes"})
    coloured(page)
    stack.kill_worker()
    stack.start_worker()
    page.get_by_role("main").get_by_text("done", exact=True).first.wait_for(timeout=2 * WAIT)
    assert get(page, f"/api/runs/{run}")["attempt"] == 2
    unbroken(page, run)
    finals = [e for e in events_of(page, run) if e["event"].get("final")]
    assert len(finals) == 1


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"prompt": " "}, "prompt"),
        ({"prompt": "word " * 2000}, "context is"),
        ({"prompt": "one </s> two"}, "special token"),
        ({"target_start": 100}, "target"),
        ({"model": "nobody/nothing"}, "hub"),
    ],
)
def test_a_refusal_names_the_remedy_and_the_worker_lives(
    page: Page, given: dict[str, Any], named: str
) -> None:
    start(page, **{**QUICK, **given})
    status(page, "failed")
    expect(page.get_by_role("main")).to_contain_text(re.compile(named, re.IGNORECASE))
    start(page, **QUICK, seed=uuid.uuid4().int % 10**6)
    status(page, "done")


def test_a_bad_folder_is_explained_on_its_page(page: Page) -> None:
    page.goto("/models/no-weights")
    expect(page.get_by_role("main")).to_contain_text("safetensors")


def test_text_is_shown_as_text(page: Page) -> None:
    start(page, prompt="<script>window.hacked = 1</script> \u202eabc\u202c <b>x</b>", **QUICK)
    status(page, "done")
    coloured(page)
    assert page.evaluate("window.hacked") is None
    assert page.locator("main b").count() == 0


def test_the_model_page_shows_sizes_and_the_self_check(page: Page) -> None:
    page.goto("/models/demo-lm")
    page.get_by_role("button", name=re.compile("Check")).click()
    main = page.get_by_role("main")
    expect(main).to_contain_text("Passed", timeout=WAIT)
    for word in ("Parameters", "Layers", "Heads", "Context", "Revision"):
        expect(main).to_contain_text(re.compile(word, re.IGNORECASE))
    expect(main).to_contain_text("it cannot fill in a token from both sides")
    expect(main).to_contain_text("Logits under masks that hide nothing, and by the fast route")
    card = page.get_by_role("region", name="Model card")
    expect(card.get_by_role("heading", name="demo-lm", level=3)).to_be_visible()
    expect(card.get_by_role("table").first).to_contain_text("held-out items")


def test_exports_are_files_with_the_numbers_shown(page: Page, tmp_path: Path) -> None:
    start(page, **QUICK)
    status(page, "done")
    figure = page.get_by_role("figure", name="Attribution")
    for kind, begins in (("CSV", b""), ("JSON", b"{"), ("SVG", b"<"), ("PNG", b"\x89PNG")):
        with page.expect_download() as download:
            figure.get_by_role("button", name=kind).click()
        file = tmp_path / download.value.suggested_filename
        download.value.save_as(file)
        assert file.read_bytes().startswith(begins)
        assert file.stat().st_size > 100
    figure.get_by_role("button", name="Table").click()
    expect(figure.get_by_role("table")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1440, 900), (390, 844)])
def test_no_page_has_a_serious_barrier(
    contexts: Contexts, stack: Stack, theme: Any, size: tuple[int, int]
) -> None:
    context = contexts.open(color_scheme=theme, viewport={"width": size[0], "height": size[1]})
    page = context.new_page()
    start(page, **{**QUICK, "faithfulness": True, "baselines": True, "draws": 2})
    status(page, "done")
    run = page.url
    for address in ("/", run, "/runs", "/models", "/models/demo-lm"):
        page.goto(address)
        expect(page.get_by_role("main")).to_be_visible()
        page.wait_for_timeout(500)
        found = Axe().run(page).response["violations"]
        serious = [v for v in found if v["impact"] in ("serious", "critical")]
        assert [(v["id"], v["nodes"][0]["html"]) for v in serious] == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), address
    context.close()
