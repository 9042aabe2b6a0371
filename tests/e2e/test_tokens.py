"""Tokens that are clicked reach the run as ids, on a tokenizer that puts a space before a text."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import WAIT, figure
from tests.e2e.stack import Stack
from tests.tiny_models import make_prepending_llama

pytestmark = pytest.mark.e2e

MODEL = "prepending"
QUICK: dict[str, Any] = {"probes": 32, "baselines": False, "faithfulness": False}
GRAPH: dict[str, Any] = {
    "segments": [{"id": "1", "text": "Lily was sad."}, {"id": "2", "text": "Tim was happy."}],
    "question": "Who was sad?",
    "answer": " Lily",
    "permutations": 0,
}


@pytest.fixture(scope="module", autouse=True)
def _model(stack: Stack) -> None:
    make_prepending_llama(stack.models / MODEL)


def finish(stack: Stack, method: str, **params: Any) -> str:
    run = stack.start_run(method=method, model=MODEL, **params)
    assert stack.wait_for_status(run, "done", "failed")["status"] == "done", stack.run(run)
    return run


def events(stack: Stack, run: str, kind: str) -> list[dict[str, Any]]:
    return [one["event"] for one in stack.events(run) if one["event"]["kind"] == kind]


def run_at(page: Page) -> str:
    return page.url.rpartition("/")[2].partition("?")[0]


def test_each_contrast_button_sends_the_id_of_its_token(page: Page, stack: Stack) -> None:
    run = finish(
        stack, "reagent", prompt="One day, Lily and t", continuation=[262, 265], target_start=1,
        **QUICK,
    )  # fmt: skip
    [output] = events(stack, run, "output")
    wanted = {one["id"]: one["text"] for one in output["steps"][1]["alternatives"]}
    sent = {}
    for number, (token, text) in enumerate(wanted.items()):
        page.goto(f"/runs/{run}?token={output['steps'][1]['position']}")
        item = page.locator("ol.alternatives li").nth(number)
        if token == 265:
            continue
        item.get_by_role("button", name="Contrast").click(timeout=WAIT)
        page.wait_for_url(lambda url: run not in url)
        new = run_at(page)
        sent[token] = stack.run(new)["params"]["contrast"]
        assert stack.wait_for_status(new, "done", "failed")["status"] == "done"
        [other] = events(stack, new, "output")
        assert (other["contrast"]["id"], other["contrast"]["text"]) == (token, text)
    assert len(sent) >= 4
    assert all(token == given for token, given in sent.items())


def test_the_form_shows_which_tokens_an_answer_is(page: Page, stack: Stack) -> None:
    run = finish(stack, "graph_kv", **GRAPH)
    page.goto(f"/runs/{run}")
    shown = page.locator("p.tokens[data-field='answer']")
    expect(shown).to_contain_text(re.compile(r"1 token:\s*·Lily\s*#\d+"), timeout=WAIT)
    page.get_by_label("Answer", exact=True).fill("Lily Tim")
    expect(shown).to_contain_text("Lily", timeout=WAIT)
    expect(page.locator("p.tokens[data-field='separator']")).to_contain_text("·Lily")


def test_a_first_token_is_taken_as_the_answer(page: Page, stack: Stack) -> None:
    run = finish(stack, "graph_kv", **GRAPH)
    [graph] = [one for one in events(stack, run, "arrangement") if one["mode"] == "graph"]
    page.goto(f"/runs/{run}")
    listed = figure(page, "Arrangements").locator("ol.alternatives li")
    expect(listed).to_have_count(5, timeout=WAIT)
    listed.nth(1).get_by_role("button", name="Use as answer").click()
    page.wait_for_url(lambda url: run not in url)
    assert stack.run(run_at(page))["params"]["answer"] == [graph["alternatives"][1]["id"]]
