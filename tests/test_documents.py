"""Links of the documents lead somewhere, and every decision is in the index."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TRACKED = subprocess.run(
    ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout.split()
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(#[^)]*)?\)")


@pytest.mark.parametrize("name", TRACKED)
def test_every_link_inside_the_repository_leads_to_a_file(name: str) -> None:
    document = ROOT / name
    inside = [found[0] for found in LINK.findall(document.read_text()) if "://" not in found[0]]
    assert [link for link in inside if not (document.parent / link).exists()] == []


def test_the_index_names_every_decision_once() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = LINK.findall((folder / "README.md").read_text())
    assert [link for link, _ in listed] == sorted(file.name for file in folder.glob("0*.md"))
