import json
from pathlib import Path

import pytest

from analysis.training.report import (
    CARD_END,
    CARD_START,
    MODELS,
    ROWS,
    Measured,
    card_update,
    plural,
    table,
)


@pytest.mark.parametrize(
    ("share", "reached"), [(0.79, False), (0.8, True), (0.98, True), (0.99, False)]
)
def test_a_gate_has_two_sides(share: float, reached: bool) -> None:  # noqa: FBT001
    row = Measured("greedy", share, 100, required=0.8, limit=0.99)
    assert row.reached == reached
    assert row.gate == "≥ 80%, < 99%"


def test_a_missed_gate_is_said_in_the_table() -> None:
    rows = [Measured("a", 0.5, 10, required=0.9), Measured("b", 0.25, 10)]
    assert "| a | 50.0% | ≥ 90%: not reached | 10 |" in table(rows)
    assert "| b | 25.0% |  | 10 |" in table(rows)


def test_the_card_keeps_what_stands_around_the_table(tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    card.write_text("before\n<!-- gates -->\nold\n<!-- /gates -->\nafter\n")
    card_update(card, "new\n")
    assert card.read_text() == "before\n<!-- gates -->\nnew\n<!-- /gates -->\nafter\n"


@pytest.mark.parametrize("model", ROWS)
def test_the_card_of_a_bundled_model_shows_its_report(model: str) -> None:
    rows = json.loads((MODELS / model / "report.json").read_text())
    shown = table([Measured(**row) for row in rows])
    assert CARD_START + shown + CARD_END in (MODELS / model / "README.md").read_text()


def test_one_is_singular() -> None:
    assert [plural(count, "hop") for count in (1, 2)] == ["1 hop", "2 hops"]
