"""Requests generated from the API's schema, valid and invalid, by Schemathesis.

Schemathesis runs as a command from a separate environment (.venv-soak).
"""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from bench.soak.outcome import SoakOutcome
from bench.soak.product import product
from tests.e2e.stack import ROOT, Stack

COMMAND = ROOT / ".venv-soak" / "bin" / "schemathesis"
SCHEMA = ROOT / "workbench" / "gen" / "openapi.json"
CHECKS = ("not_a_server_error", "status_code_conformance", "response_schema_conformance")
DEADLINE_SECONDS = 3600


def attack(*, per_operation: int, seed: int) -> SoakOutcome:
    """No response is a server error, and each matches the schema."""
    outcome = SoakOutcome("requests from the schema")
    with product() as stack, tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.ndjson"
        command = [*arguments(stack, report), f"-n{per_operation}", f"--seed={seed}"]
        ended = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=DEADLINE_SECONDS
        )
        outcome.check(ended.stdout[-20_000:], holds=ended.returncode == 0)
        outcome.counts = count(report)
        alive = stack.get("/healthz").status_code == 200
        outcome.check("the web process no longer answers", holds=alive)
    return outcome


def arguments(stack: Stack, report: Path) -> list[str]:
    """The command of a logged-in visitor, with the CSRF token."""
    stack.get("/")
    token = stack.client.cookies["csrftoken"]
    cookies = "; ".join(f"{name}={value}" for name, value in stack.client.cookies.items())
    return [
        str(COMMAND),
        "run",
        str(SCHEMA),
        f"--url={stack.url}",
        f"--header=X-CSRFToken: {token}",
        f"--header=Cookie: {cookies}",
        f"--header=Referer: {stack.url}/",
        f"--checks={','.join(CHECKS)}",
        "--phases=examples,coverage,fuzzing",
        "--continue-on-failure",
        "--report=ndjson",
        f"--report-ndjson-path={report}",
        "--warnings=off",
        "--no-color",
    ]


def count(report: Path) -> dict[str, int]:
    """Requests and responses of 500 and above in the report."""
    statuses = [
        status for line in report.read_text().splitlines() for status in _statuses(json.loads(line))
    ]
    return {"requests": len(statuses), "server errors": sum(s >= 500 for s in statuses)}


def _statuses(value: Any) -> list[int]:
    """Every status code in an event of the report, however deep it is."""
    if isinstance(value, dict):
        own = value.get("status_code")
        return ([own] if isinstance(own, int) else []) + _statuses(list(value.values()))
    if isinstance(value, list):
        return [status for part in value for status in _statuses(part)]
    return []
