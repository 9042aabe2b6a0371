"""A file has one job: at most 400 lines and no banner comments, except in generated files.

A function has at most 45 lines, a Triton kernel 100; half of all functions have at most 8.
"""

import ast
import re
import subprocess
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 400
KINDS = (".py", ".ts", ".svelte", ".css")
GENERATED = ("frontend/src/gen/",)
TESTS = ("tests/", "frontend/tests/")
PACKAGES = ("analysis/", "workbench/", "kernels/")
LONGEST_FUNCTION, LONGEST_KERNEL, MEDIAN_FUNCTION = 45, 100, 8
Function = ast.FunctionDef | ast.AsyncFunctionDef
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


def functions() -> dict[str, Function]:
    """The functions of our packages, by file and line."""
    return {
        f"{file}:{node.lineno} {node.name}": node
        for file in written()
        if file.startswith(PACKAGES) and file.endswith(".py")
        for node in ast.walk(ast.parse((ROOT / file).read_text()))
        if isinstance(node, Function)
    }


def lines_of(function: Function) -> int:
    """From `def` to the last line of the body."""
    return (function.end_lineno or 0) - function.lineno + 1


def longest_of(function: Function) -> int:
    kernel = any("triton.jit" in ast.unparse(each) for each in function.decorator_list)
    return LONGEST_KERNEL if kernel else LONGEST_FUNCTION


def test_functions_are_short() -> None:
    lines = {name: lines_of(each) for name, each in functions().items()}
    long = {name for name, each in functions().items() if lines[name] > longest_of(each)}
    assert {name: lines[name] for name in long} == {}
    assert median(lines.values()) <= MEDIAN_FUNCTION
