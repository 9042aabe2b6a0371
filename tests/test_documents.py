"""Links and paths in documents lead to files, and every decision is in the index."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TRACKED = subprocess.run(
    ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout.splitlines()
DOCUMENTS = [name for name in TRACKED if name.endswith(".md")]
SOURCES = [
    name
    for name in TRACKED
    if name.endswith((".py", ".ts", ".svelte", ".css", ".mjs", "Makefile", "Dockerfile", ".yml"))
    and not name.startswith("tests/")
]
FOLDERS = sorted({name.partition("/")[0] for name in TRACKED if "/" in name} - {".ci"})
PATH = re.compile(rf"(?<![\w/.-])(?:{'|'.join(FOLDERS)})/[\w./-]*\w\.[a-z]+\b")
# What is built, and the worked examples of docs/adding-a-method.md and docs/adding-a-model.md.
NOT_TRACKED = {
    "frontend/dist/index.html",
    "analysis/methods/entropy.py",
    "frontend/src/views/entropy.ts",
    "models/my-model/config.json",
}
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(#[^)]*)?\)")


def missing_paths(name: str) -> list[str]:
    """Paths that a file names and git does not track; those in the front end may start there."""
    named = set(PATH.findall((ROOT / name).read_text())) - NOT_TRACKED
    return sorted(path for path in named if not {path, f"frontend/{path}"} & set(TRACKED))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_path_in_a_document_exists(name: str) -> None:
    assert missing_paths(name) == []


def test_every_path_in_a_source_exists() -> None:
    assert [(name, path) for name in SOURCES for path in missing_paths(name)] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_inside_the_repository_leads_to_a_file(name: str) -> None:
    document = ROOT / name
    inside = [found[0] for found in LINK.findall(document.read_text()) if "://" not in found[0]]
    assert [link for link in inside if not (document.parent / link).exists()] == []


DECISIONS = ROOT / "docs" / "decisions"
ROW = re.compile(r"\| (\d{4}) \| \[(.*)\]\((.*)\) \| (\S+) \| (.*) \|")


def index_rows() -> list[tuple[str, ...]]:
    """Number, title, file, date and status of each decision in the index."""
    return ROW.findall((DECISIONS / "README.md").read_text())


def test_the_index_names_every_decision_once() -> None:
    files = [file for _, _, file, _, _ in index_rows()]
    assert files == sorted(file.name for file in DECISIONS.glob("0*.md"))


@pytest.mark.parametrize("row", index_rows(), ids=lambda row: row[0])
def test_a_decision_has_the_title_date_and_status_of_the_index(row: tuple[str, ...]) -> None:
    number, title, file, date, status = row
    text = (DECISIONS / file).read_text()
    assert text.startswith(f"# {number}. {title}\n\nDate: {date}. Status: {status}.")


@pytest.mark.parametrize("row", index_rows(), ids=lambda row: row[0])
def test_a_status_names_a_decision_that_exists(row: tuple[str, ...]) -> None:
    numbers = {number for number, *_ in index_rows()}
    found = re.fullmatch(r"in force|replaced(?: in part)? by (\d{4})", row[4])
    assert found
    assert found[1] is None or found[1] in numbers - {row[0]}
