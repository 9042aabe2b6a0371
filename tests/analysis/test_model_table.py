"""The tables of docs/models.md say what happens."""

import pytest

from tests import model_table

ROWS = [(title, name) for title, (_, fills) in model_table.TABLES.items() for name in fills]


# diffusers converts its schedules in a way that numpy announces to end.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize(("title", "name"), ROWS)
def test_a_family_does_what_its_row_says(title: str, name: str) -> None:
    found = model_table.row(title, name)
    assert found == model_table.documented(name)
    assert not [cell for cell in found if "fault of" in cell]
