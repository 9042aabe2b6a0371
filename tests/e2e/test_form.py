"""The form when its method changes: the chosen model and the typed texts stay."""

import json
import re
from itertools import pairwise

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.contexts import WAIT
from tests.e2e.stack import ROOT, Stack

pytestmark = pytest.mark.e2e

STEMS = sorted(file.stem for file in (ROOT / "workbench/gen/methods").glob("*.json"))
UNABLE = "no-weights"
OWN = "Maria has the key. Question: Who has the key? Answer:"


def method_field(page: Page) -> None:
    page.goto("/")
    expect(page.get_by_label("Method").locator("option")).to_have_count(len(STEMS), timeout=WAIT)


@pytest.mark.parametrize("stem", STEMS)
def test_a_hub_id_is_run_as_it_was_typed(page: Page, stack: Stack, stem: str) -> None:
    method_field(page)
    page.get_by_label("Model", exact=True).select_option(label="Hub id…")
    page.get_by_label("Hub id").fill("nobody/not-a-model")
    page.get_by_label("Method").select_option(stem)
    expect(page.get_by_label("Hub id")).to_have_value("nobody/not-a-model")
    page.wait_for_url(re.compile("model=nobody"))
    assert f"method={stem}" in page.url


def test_the_run_of_a_hub_id_is_made_on_no_other_model(page: Page) -> None:
    method_field(page)
    page.get_by_label("Model", exact=True).select_option(label="Hub id…")
    page.get_by_label("Hub id").fill("nobody/not-a-model")
    page.get_by_label("Method").select_option("reagent")
    page.get_by_label("Prompt", exact=True).fill(OWN)
    with page.expect_request(lambda r: r.method == "POST" and r.url.endswith("/api/runs")) as sent:
        page.get_by_role("button", name="Run", exact=True).click()
    assert json.loads(sent.value.post_data or "")["model"] == "nobody/not-a-model"
    expect(page.get_by_role("main")).to_contain_text(re.compile("hub", re.I), timeout=WAIT)


@pytest.mark.parametrize("stem", STEMS)
def test_a_model_that_cannot_serve_is_named_and_another_offered(page: Page, stem: str) -> None:
    posted: list[str] = []
    page.on("request", lambda sent: posted.append(sent.url) if sent.method == "POST" else None)
    page.goto(f"/?model={UNABLE}&params=%7B%7D")
    form = page.get_by_role("form", name="New run")
    expect(form).to_contain_text(f"{UNABLE} cannot be used here", timeout=WAIT)
    page.get_by_label("Method").select_option(stem)
    expect(form).to_contain_text(f"{UNABLE} cannot be used here")
    expect(page.get_by_label("Model", exact=True)).to_have_value(UNABLE)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(form.locator(".problem")).to_be_visible()
    assert posted == []
    form.get_by_role("button", name=re.compile("^Use ")).click()
    expect(form).not_to_contain_text("cannot be used here")
    expect(page.get_by_label("Model", exact=True)).not_to_have_value(UNABLE)


def test_an_own_prompt_goes_from_method_to_method_and_back(page: Page) -> None:
    method_field(page)
    page.get_by_label("Method").select_option(STEMS[0])
    text = page.get_by_role("form", name="New run").locator("textarea[id^=field-]")
    named = page.get_by_label(re.compile("^(Prompt|Question)$"))
    named.first.fill(OWN)
    for _, after in pairwise([*STEMS, *reversed(STEMS)]):
        page.get_by_label("Method").select_option(after)
        expect(named.first).to_have_value(OWN)
        expect(text.first).to_be_attached()
