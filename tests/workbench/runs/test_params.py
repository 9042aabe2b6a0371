"""One canonical form of params, so that equal requests are recognised."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.errors import InvalidParams
from workbench.catalog.methods import MethodOut
from workbench.runs.params import cache_key, params_check

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["text"],
    "properties": {
        "text": {"type": "string", "maxLength": 5, "description": "What is read."},
        "rate": {"type": "number", "exclusiveMinimum": 0, "maximum": 1, "default": 0.5},
        "count": {"type": "integer", "minimum": 1, "default": 3},
        "way": {"enum": ["a", "b"], "default": "a"},
        "names": {"type": "array", "maxItems": 2, "items": {"type": "string"}, "default": []},
        "odd": {"type": "integer", "multipleOf": 2, "default": 2},
    },
}
METHOD = MethodOut(
    stem="m", title="", doc="", version="1", needs=[], params_schema=SCHEMA, presets={}, examples=[]
)


def check(**params: Any) -> dict[str, Any]:
    return params_check(method=METHOD, params=params)


@pytest.mark.parametrize(
    ("params", "message", "field"),
    [
        ({}, "text is missing", "text"),
        ({"text": "abcdef"}, "longest length is 5 characters, this has 6", "text"),
        ({"text": None}, "must be of type string", "text"),
        ({"text": "a", "rate": 0}, "must be above 0", "rate"),
        ({"text": "a", "rate": 1.5}, "largest value is 1", "rate"),
        ({"text": "a", "rate": True}, "must be of type number", "rate"),
        ({"text": "a", "count": 0}, "smallest value is 1", "count"),
        ({"text": "a", "count": 1.5}, "must be of type integer", "count"),
        ({"text": "a", "way": "c"}, "choices are a, b", "way"),
        ({"text": "a", "names": ["x"] * 3}, "at most 2 values, these are 3", "names"),
        ({"text": "a", "names": [5]}, "must be of type string", "names"),
        ({"text": "a", "odd": 3}, "odd is 3", "odd"),
        ({"text": "a", "other": 1}, "no parameter 'other'", "other"),
    ],
)
def test_a_wrong_value_is_named_with_its_limit(
    params: dict[str, Any], message: str, field: str
) -> None:
    with pytest.raises(InvalidParams, match=message) as refusal:
        check(**params)
    assert refusal.value.field == field
    assert refusal.value.remedy


def test_what_is_left_out_is_filled_in() -> None:
    whole = {"text": "a", "rate": 0.5, "count": 3, "way": "a", "names": [], "odd": 2}
    assert check(text="a") == check(**whole) == whole


@given(count=st.integers(1, 100))
def test_a_number_is_one_number_however_it_is_written(count: int) -> None:
    keys = {
        cache_key(method=METHOD, model="m", revision="r", params=check(text="a", count=written))
        for written in (count, float(count))
    }
    assert len(keys) == 1


def test_the_key_depends_on_everything_that_determines_the_result() -> None:
    params = check(text="a")
    asked: dict[str, Any] = {"method": METHOD, "model": "m", "revision": "r", "params": params}
    changes: list[dict[str, Any]] = [
        {},
        {"method": METHOD.model_copy(update={"version": "2"})},
        {"method": METHOD.model_copy(update={"stem": "n"})},
        {"model": "n"},
        {"revision": "s"},
        {"params": check(text="b")},
        {"dtype": "float32"},
        {"dtype": "bfloat16"},
    ]
    keys = [cache_key(**{**asked, **change}) for change in changes]
    assert len(set(keys)) == len(changes)
    assert cache_key(**{**asked, "revision": ""}) == ""
    assert cache_key(**{**asked, "dtype": "auto"}) == keys[0]  # as before runs had a dtype
