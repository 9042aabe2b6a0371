"""The tests' tree mirrors the source's: who knows a file knows where its tests lie."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TRACKED = subprocess.run(
    ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout.split()
OF_NO_ROOM = {"frontend/tests/example", "frontend/tests/fixtures"}


def source_of(folder: str) -> str:
    """Where what is tested in a folder of tests lies."""
    if folder.startswith("frontend/tests"):
        return folder.replace("/tests", "/src", 1)
    return folder.removeprefix("tests/")


def rooms_of_tests() -> list[str]:
    roots = ("tests/analysis/", "tests/kernels/", "tests/workbench/", "frontend/tests/")
    folders = {file.rpartition("/")[0] for file in TRACKED if file.startswith(roots)}
    return sorted(folders - OF_NO_ROOM)


@pytest.mark.parametrize("folder", rooms_of_tests())
def test_tests_lie_as_what_they_test_does(folder: str) -> None:
    assert any(file.startswith(f"{source_of(folder)}/") for file in TRACKED)
