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


def test_the_index_names_every_decision_once() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = LINK.findall((folder / "README.md").read_text())
    assert [link for link, _ in listed] == sorted(file.name for file in folder.glob("0*.md"))
