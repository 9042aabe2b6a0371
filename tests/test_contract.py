"""A method is whole: module, view, test and generated types, all under one stem."""

from pathlib import Path

import pytest

from analysis.method import stems

ROOT = Path(__file__).resolve().parents[1]
PLACES = {
    "view": "frontend/src/views/{}.ts",
    "test": "tests/analysis/methods/test_{}.py",
    "types": "frontend/src/gen/{}.ts",
    "schema": "workbench/gen/methods/{}.json",
}
SHARED_TYPES = {"api", "common", "csv", "report", "socket"}  # generated, of no one method


@pytest.mark.parametrize("part", PLACES)
@pytest.mark.parametrize("stem", stems())
def test_a_method_has_all_its_parts(stem: str, part: str) -> None:
    assert (ROOT / PLACES[part].format(stem)).is_file(), "see docs on how to add a method"


@pytest.mark.parametrize("part", PLACES)
def test_no_part_stands_without_its_method(part: str) -> None:
    place = PLACES[part]
    before, after = place.split("{}")
    folder = (ROOT / place).parent
    prefix = before.rpartition("/")[2]
    found = {
        file.name.removeprefix(prefix).removesuffix(after)
        for file in folder.glob(f"{prefix}*{after}")
    }
    assert found - SHARED_TYPES == set(stems())
