"""What the documents tell a reader to run does run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.stack import Stack

pytestmark = pytest.mark.e2e

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_example_of_the_api_starts_a_run_and_reads_all_its_events(stack: Stack) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (DOCS / "api.md").read_text(), re.DOTALL)
    code = example.replace("http://127.0.0.1:8000", stack.url)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    kinds = done.stdout.split()
    assert kinds.count("status") == 2  # running, done
    assert "scores" in kinds
