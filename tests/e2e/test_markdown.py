"""The Markdown report as a user exports it from a session, and the files next to it."""

import io
import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import WAIT
from tests.e2e.stack import Stack

pytestmark = pytest.mark.e2e

PROMPT = "Anna has the ball. Tom has the book. Question: Who has the ball? Answer:"
QUICK = {"prompt": PROMPT, "probes": 64, "max_new_tokens": 2, "faithfulness": False, "seed": 12}


@pytest.fixture
def session(page: Page, stack: Stack) -> Page:
    """A session of one run, with a comment on the panel."""
    run = stack.start_run(baselines=False, **QUICK)
    stack.wait_for_status(run, "done")
    created = stack.post("/api/sessions", {"title": "Who has the ball?"}).json()
    page.goto(f"/sessions/{created['id']}?add={run}")
    expect(page.get_by_role("figure", name="Attribution")).to_be_visible(timeout=WAIT)
    page.get_by_role("button", name="Comment on the selection").click()
    page.get_by_role("textbox", name=re.compile("^Comment on")).fill("As expected.")
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(page.locator("li.thread")).to_contain_text("As expected.")
    expect(page.get_by_role("status").filter(has_text="Saved")).to_be_visible(timeout=WAIT)
    return page


def export(page: Page, format: str, folder: Path) -> bytes:
    page.get_by_role("button", name="Export…").click()
    dialog = page.get_by_role("dialog")
    dialog.locator(f"input[value={format}]").check()
    with page.expect_download(timeout=2 * WAIT) as download:
        dialog.get_by_role("button", name=re.compile("^Export 1 of 1")).click()
    file = folder / download.value.suggested_filename
    download.value.save_as(file)
    expect(dialog).to_be_hidden()
    return file.read_bytes()


def test_markdown_has_question_answer_finding_and_comment(session: Page, tmp_path: Path) -> None:
    text = export(session, "markdown", tmp_path).decode()
    for part in (
        "# Who has the ball?",
        "**Method.** ReAGent: ",
        f"**Prompt.** {PROMPT}",
        "**The model wrote.**  Anna",
        "**Comment on the panel**",
        "As expected.",
    ):
        assert part in text, part
    assert re.search(r"depends most on “ ?\w+” \(token \d+\): 0\.\d+ ± 0\.\d+ probability", text)
    assert "![" not in text


def test_figures_are_in_the_folder_with_their_tables(session: Page, tmp_path: Path) -> None:
    content = export(session, "markdown-figures", tmp_path)
    files = zipfile.ZipFile(io.BytesIO(content))
    text = files.read("report.md").decode()
    shown = re.findall(r"!\[[^\n]*\]\(([^)]+)\)", text)
    assert "figures/01/map.svg" in shown
    assert {*shown, "figures/01/map.csv", "figures/01/map.png"} <= set(files.namelist())
    assert "(index from 0) |" in text
    assert "| --- |" in text
