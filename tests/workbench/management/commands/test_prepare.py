"""Two starts at once, the very first ones: neither ends in a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "DATA_DIR": str(tmp_path), "DATABASE_URL": "", "REDIS_URL": ""}


def start(environment: dict[str, str]) -> "subprocess.Popen[str]":
    command = [sys.executable, "manage.py", "prepare"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True)


def test_two_first_starts_on_one_folder_both_go_well(environment: dict[str, str]) -> None:
    both = [start(environment), start(environment)]
    outputs = [process.communicate(timeout=240) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert all("Traceback" not in err for _, err in outputs)


def test_a_command_of_make_waits_for_another_s(tmp_path: Path) -> None:
    """The second begins only after the first has written."""
    log = tmp_path / "log"
    code = "import sys, time; open(sys.argv[1], 'a').write('<'); time.sleep(0.5); "
    code += "open(sys.argv[1], 'a').write('>')"
    command = [sys.executable, "lock/alone.py", sys.executable, "-c", code, str(log)]
    both = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]
    assert [process.wait(timeout=60) for process in both] == [0, 0]
    assert log.read_text() == "<><>"


def test_a_command_of_make_keeps_its_exit_status() -> None:
    command = [sys.executable, "lock/alone.py", sys.executable, "-c", "raise SystemExit(3)"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 3
