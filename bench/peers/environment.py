"""Running a program of bench/peers in the peers' own environment."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PYTHON = Path(os.environ.get("BENCH_PYTHON", ROOT / ".venv-bench" / "bin" / "python"))


def answers(program: str, job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """JSON lines that a program writes for a job. Raises if it cannot be run, or fails."""
    if not PYTHON.exists():
        raise FileNotFoundError(f"{PYTHON} is missing: `make bench` makes it.")
    command = [PYTHON, "-W", "ignore", str(Path(__file__).with_name(program))]
    process = subprocess.run(
        command, input=json.dumps(job), stdout=subprocess.PIPE, text=True, check=True
    )
    for line in process.stdout.splitlines():
        if line.startswith("{"):
            yield json.loads(line)
