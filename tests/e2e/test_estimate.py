"""Time and memory beside Run, the question before a long run, and the cheaper variant."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.contexts import WAIT
from tests.e2e.stack import Stack

pytestmark = pytest.mark.e2e
PROMPT = "Maria has the key. Question: Who has the key? Answer:"
ABOUT = re.compile(r"(About|Under) .* on this worker, \d+ MiB")


def open_form(page: Page) -> None:
    page.goto("/?method=reagent&model=demo-lm")
    page.get_by_label("Prompt", exact=True).fill(PROMPT, timeout=WAIT)


def slowed(route: Route) -> None:
    """The server's own answer, as of a worker a thousand times as slow."""
    found: dict[str, Any] = route.fetch().json()
    cost = found["cost"]
    for name in ("seconds", "low", "high"):
        cost[name] = 3000 * {"low": 0.5, "seconds": 1, "high": 2}[name]
    less = {**cost, "seconds": 180, "low": 90, "high": 360}
    params = {"prompt": PROMPT, "faithfulness": False, "baselines": False, "probes": 64}
    lacks = ["no faithfulness curves and soft scores", "no maps of other methods"]
    found["cheaper"] = {"params": params, "lacks": lacks, "cost": less}
    route.fulfill(json=found)


def test_the_form_says_what_a_run_takes(page: Page, stack: Stack) -> None:
    open_form(page)
    told = page.locator(".run-estimate")
    expect(told).to_have_text(ABOUT, timeout=WAIT)
    expect(told).to_have_attribute("aria-live", "polite")
    asked = {"method": "reagent", "model": "demo-lm", "params": {"prompt": PROMPT}}
    answer = stack.post("/api/estimates", asked)
    assert answer.json()["device"]
    assert answer.json()["basis"] in ("calibration", "method", "model", "device")
    page.get_by_label("Prompt", exact=True).fill("")
    expect(told).to_have_text("")  # a form that cannot run has no estimate, and no error


def test_a_run_teaches_the_next_estimate(page: Page, stack: Stack) -> None:
    params = {"prompt": PROMPT, "probes": 16, "faithfulness": False, "baselines": False}
    run = stack.start_run(**params)
    stack.wait_for_status(run, "done")
    assert stack.run(run)["expected"]["seconds"] > 0
    asked = {"method": "reagent", "model": "demo-lm", "params": params}
    found = stack.post("/api/estimates", asked).json()
    assert found["basis"] == "method"
    assert found["warm"] is True
    assert found["cost"]["loading"] == 0


def test_a_long_run_is_asked_about_and_the_cheaper_variant_runs(page: Page) -> None:
    page.route("**/api/estimates", slowed)
    open_form(page)
    expect(page.locator(".run-estimate")).to_contain_text("About 50 min", timeout=WAIT)
    page.get_by_role("button", name="Run", exact=True).click()
    dialog = page.get_by_role("alertdialog")
    expect(dialog).to_contain_text("This run takes about 50 min")
    expect(dialog).to_contain_text("no maps of other methods")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    assert "/runs/" not in page.url
    page.get_by_role("button", name="Run", exact=True).click()
    sent = re.compile(r"/api/runs$")
    with page.expect_request(lambda r: r.method == "POST" and bool(sent.search(r.url))) as request:
        dialog.get_by_role("button", name="Run the cheaper variant: about 3 min").click()
    params = json.loads(request.value.post_data or "")["params"]
    assert params["prompt"] == PROMPT
    assert (params["faithfulness"], params["baselines"], params["probes"]) == (False, False, 64)
    expect(page.locator(".status-line")).to_contain_text("done", timeout=WAIT)
