"""A file has one job: none is longer than 400 lines, generated ones excepted."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 400
KINDS = (".py", ".ts", ".svelte", ".css")
GENERATED = ("frontend/src/gen/",)
TESTS = ("tests/", "frontend/tests/")


def sources() -> list[str]:
    """Files that people write, tests left out."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [
        file
        for file in found.stdout.split()
        if file.endswith(KINDS)
        and not file.startswith((*GENERATED, *TESTS))
        and "/migrations/" not in file
        and (ROOT / file).is_file()
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_no_file_is_longer_than_it_may_be(kind: str) -> None:
    files = [file for file in sources() if file.endswith(kind)]
    assert files
    lines = {file: len((ROOT / file).read_text().splitlines()) for file in files}
    assert {file: count for file, count in lines.items() if count > LONGEST} == {}
