"""A file has one job: at most 400 lines and no banner comments, except in generated files."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 400
KINDS = (".py", ".ts", ".svelte", ".css")
GENERATED = ("frontend/src/gen/",)
TESTS = ("tests/", "frontend/tests/")
BANNER = re.compile(r"^\s*(?:#|//|/\*)\s*[-=*#~─═]{3,}", re.MULTILINE)


def written() -> list[str]:
    """Files that people write, tests included."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [
        file
        for file in found.stdout.split()
        if file.endswith(KINDS)
        and not file.startswith(GENERATED)
        and "/migrations/" not in file
        and (ROOT / file).is_file()
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_no_file_is_longer_than_it_may_be(kind: str) -> None:
    files = [file for file in written() if file.endswith(kind) and not file.startswith(TESTS)]
    assert files
    lines = {file: len((ROOT / file).read_text().splitlines()) for file in files}
    assert {file: count for file, count in lines.items() if count > LONGEST} == {}


def test_no_file_has_a_banner_comment() -> None:
    """A banner marks a second job of its file: split the file."""
    assert [file for file in written() if BANNER.search((ROOT / file).read_text())] == []
