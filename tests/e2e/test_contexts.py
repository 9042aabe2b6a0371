"""The guard of all browser tests: it detects each kind of problem, and no test bypasses it."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.e2e.contexts import Contexts
from tests.e2e.stack import Stack

pytestmark = pytest.mark.e2e
HERE = Path(__file__).parent


@pytest.mark.parametrize(
    ("action", "problem"),
    [
        ("setTimeout(() => { throw new Error('lost') })", "page error: .*lost"),
        ("console.error('wrong')", "console: wrong"),
        ("void fetch('/api/runs/none')", "status 404: GET .*/api/runs/none"),
        ("void fetch('http://127.0.0.1:9/').catch(() => 0)", "Content Security Policy"),
        ("void new WebSocket('ws://127.0.0.1:9/')", "Content Security Policy"),
    ],
)
def test_every_kind_of_problem_fails_a_test(
    browser: Browser, stack: Stack, action: str, problem: str
) -> None:
    contexts = Contexts(browser, stack.url)
    page = contexts.open().new_page()
    page.goto("/")
    contexts.refuse_problems()
    page.evaluate(action)
    page.wait_for_timeout(1000)
    with pytest.raises(AssertionError, match=problem):
        contexts.end()
    contexts.problems.append(f"{problem} (again)")
    contexts.allow(re.escape(problem), reason="this very test")
    contexts.end()


def test_no_test_opens_a_context_of_its_own() -> None:
    opens = re.compile(r"\.new_context\(|browser\.new_page\(|launch_persistent_context")
    files = {file.name: file.read_text() for file in HERE.glob("*.py")}
    found = [name for name, text in files.items() if opens.search(text)]
    assert sorted(found) == sorted(["contexts.py", Path(__file__).name])
