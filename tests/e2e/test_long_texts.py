"""Texts of thousands of tokens: folded, few elements, quick to hover, whole when asked for."""

import json
import re
import sqlite3
import subprocess
import uuid
from contextlib import closing

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect
from transformers import LlamaConfig, LlamaForCausalLM

from tests.e2e.conftest import WAIT, figure, status
from tests.e2e.stack import ROOT, Stack
from tests.tiny_models import byte_tokenizer, save, spread

pytestmark = pytest.mark.e2e

QUICK = {"probes": 16, "max_new_tokens": 2, "faithfulness": False, "baselines": False}
GENERATOR = ROOT / "frontend" / "tests" / "longRun.mjs"
SLOWEST = 400  # milliseconds; on a quiet machine it is below 50
TAKEN = """() => { window.taken = []; new PerformanceObserver((list) => { for (const
entry of list.getEntries()) window.taken.push(entry.duration) }).observe({ type: "event",
durationThreshold: 16 }) }"""


@pytest.fixture(scope="module")
def model(stack: Stack) -> str:
    """A tiny model that reads 2,048 tokens."""
    tokenizer = byte_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=2048,
        bos_token_id=0, eos_token_id=1, tie_word_embeddings=True,
    )  # fmt: skip
    save(spread(LlamaForCausalLM(config)), tokenizer, stack.models / "tiny-long")
    return "tiny-long"


@pytest.fixture(scope="module")
def replayed(stack: Stack) -> dict[str, str]:
    """Runs of 8,000 tokens by method: made up, stored as the events of a finished run."""
    base = stack.start_run(prompt="Anna has the ball.", **QUICK)
    assert stack.wait_for_status(base, "done", "failed")["status"] == "done", stack.run(base)
    methods = ("reagent", "information_flow", "graph_kv")
    return {method: _store(stack, uuid.UUID(base).hex, method, 8000) for method in methods}


def _store(stack: Stack, base: str, method: str, length: int) -> str:
    command = ["node", str(GENERATOR), method, str(length)]
    made = json.loads(subprocess.check_output(command))
    run = uuid.uuid4()
    path = stack.data_dir / "glassbench.sqlite3"
    with closing(sqlite3.connect(path, timeout=60)) as database, database:
        database.row_factory = sqlite3.Row
        found = database.execute("select * from runs_run where id = ?", [base]).fetchone()
        row = {**dict(found), "id": run.hex, "method": method, "cache_key": ""}
        names, marks = ",".join(row), ",".join("?" * len(row))
        database.execute(f"insert into runs_run ({names}) values ({marks})", list(row.values()))
        events = database.execute(
            "select attempt, at, payload from runs_runevent where run_id = ? order by seq", [base]
        ).fetchall()
        kept = [e for e in events if json.loads(e["payload"])["kind"] in ("status", "model")]
        stored = [e["payload"] for e in kept[:-1]] + [json.dumps(one) for one in made]
        for seq, payload in enumerate([*stored, kept[-1]["payload"]], 1):
            database.execute(
                "insert into runs_runevent (run_id, attempt, seq, at, payload) values (?,?,?,?,?)",
                [run.hex, kept[0]["attempt"], seq, kept[0]["at"], payload],
            )
    return str(run)


def tokens(page: Page) -> Locator:
    return page.get_by_role("listbox").first.get_by_role("option")


def elements(page: Page) -> int:
    found: int = page.evaluate("document.querySelectorAll('*').length")
    return found


def hover_times(page: Page) -> list[float]:
    """Milliseconds from a move of the pointer to the next frame, by the browser's own clock."""
    page.evaluate(TAKEN)
    for token in tokens(page).all()[:30]:
        token.hover(force=True)
        page.wait_for_timeout(30)
    taken: list[float] = page.evaluate("window.taken")
    return sorted(taken) or [0.0]


@pytest.mark.parametrize(
    ("method", "most"), [("reagent", 4500), ("information_flow", 3500), ("graph_kv", 6500)]
)
def test_8000_tokens_draw_few_elements_and_hover_fast(
    page: Page, replayed: dict[str, str], method: str, most: int
) -> None:
    page.goto(f"/runs/{replayed[method]}")
    expect(page.get_by_text(re.compile("tokens shown")).first).to_be_attached(timeout=WAIT)
    expect(page.get_by_role("figure").nth(3)).to_be_attached()
    page.wait_for_timeout(500)
    assert elements(page) < most
    assert page.get_by_role("figure").nth(1).bounding_box()["y"] < 900  # type: ignore[index]
    times = hover_times(page)
    assert times[int(0.95 * len(times))] < SLOWEST
    assert not [
        found for found in Axe().run(page).response["violations"]
        if found["impact"] in ("serious", "critical")
    ]  # fmt: skip


def test_a_real_run_as_long_as_the_context_folds_opens_and_copies(
    page: Page, stack: Stack, model: str
) -> None:
    sentence = "Anna has the ball and Tom has the book. Where is the ball? "
    count = len(byte_tokenizer()(sentence)["input_ids"]) - 1
    prompt = sentence * (2020 // count)
    run = stack.start_run(model=model, prompt=prompt, **QUICK)
    page.goto(f"/runs/{run}")
    status(page, "done")
    attribution = figure(page, "Attribution")
    summary = attribution.get_by_text(re.compile("of [0-9,]+ tokens shown: the 12 strongest"))
    expect(summary).to_be_visible(timeout=WAIT)
    assert elements(page) < 4500
    gap = attribution.get_by_role("option", name=re.compile("tokens folded")).first
    hidden = int(re.sub(r"\D", "", gap.inner_text()))
    gap.click()
    expect(summary).to_contain_text("what you opened")
    assert hidden > 8
    attribution.get_by_role("button", name="next strongest").click()
    expect(attribution.get_by_text(re.compile("^1 / "))).to_be_visible()
    strongest = page.locator(".token:focus").get_attribute("data-key")
    page.keyboard.press("n")
    expect(attribution.get_by_text(re.compile("^2 / "))).to_be_visible()
    assert page.locator(".token:focus").get_attribute("data-key") != strongest
    attribution.get_by_role("button", name=re.compile("^Show all")).click()
    expect(attribution.get_by_text(re.compile("^All [0-9,]+ tokens shown"))).to_be_visible()
    assert elements(page) < 5000  # only what is in view
    attribution.get_by_role("slider", name="Map of the whole text").press("End")
    expect(attribution.get_by_role("group", name="Output").first).to_be_visible()
    page.goto(f"/runs/{run}?token=1000")
    expect(page.locator(".token.is-primary").first).to_be_visible(timeout=WAIT)
