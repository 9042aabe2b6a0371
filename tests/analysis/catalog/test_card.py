import json
from pathlib import Path

import pytest

from analysis.catalog.card import LONGEST_CARD, read_card, read_measured

ROW = {"name": "right", "share": 0.992, "items": 500, "required": 0.97, "limit": None}


def test_a_card_is_shown_without_its_front_matter(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n# Name\n\n---\nText\n")
    assert read_card(tmp_path) == "# Name\n\n---\nText"


@pytest.mark.parametrize("content", [b"", b"  \n", b"\xff\xfe", b"---\na: b\n---\n"])
def test_what_is_no_card_is_none(tmp_path: Path, content: bytes) -> None:
    assert read_card(tmp_path) is None
    (tmp_path / "README.md").write_bytes(content)
    assert read_card(tmp_path) is None


def test_a_card_has_a_limit(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("x" * (LONGEST_CARD + 1))
    assert read_card(tmp_path) == "x" * LONGEST_CARD


def test_rows_of_the_report_are_read_and_what_is_none_is_left_out(tmp_path: Path) -> None:
    rows = [ROW, {"name": "x", "share": "high"}, {"share": 1}, 7, {"name": "y", "share": 1}]
    (tmp_path / "report.json").write_text(json.dumps(rows))
    rest = {"items": None, "required": None, "limit": None}
    assert read_measured(tmp_path) == [ROW, {"name": "y", "share": 1, **rest}]


@pytest.mark.parametrize("content", ["", "{}", "{", '"x"', "[" * 100_000])
def test_what_is_no_report_has_no_rows(tmp_path: Path, content: str) -> None:
    assert read_measured(tmp_path) == []
    (tmp_path / "report.json").write_text(content)
    assert read_measured(tmp_path) == []
