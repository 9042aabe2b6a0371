"""Every operation and every message of the socket, asked by each kind of visitor."""

import re
import subprocess
import sys

from bench.soak.outcome import SoakOutcome
from tests.e2e.stack import ROOT

TESTS = "tests/workbench/sessions/test_matrix.py"


def attack() -> SoakOutcome:
    """The permission matrix of the tests, as one part of the soak."""
    command = [sys.executable, "-m", "pytest", "-q", TESTS]
    ended = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    passed = re.search(r"(\d+) passed", ended.stdout)
    outcome = SoakOutcome("permissions", {"rows of the matrix": int(passed[1]) if passed else 0})
    outcome.check(ended.stdout[-20_000:], holds=ended.returncode == 0)
    return outcome
