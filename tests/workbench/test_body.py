import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.errors import GlassbenchError, InvalidText
from workbench.body import MAX_VALUES, check_value, check_value_count, parse_object
from workbench.errors import InvalidBody


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[1, 2]",
        b'"text"',
        b"null",
        b'{"prompt": "\xff\xfe"}',
        b'{"seed": NaN}',
        b'{"seed": -Infinity}',
        b'{"seed": 1e999}',
        b'{"seed": ' + b"9" * 5000 + b"}",
        b'{"seed": 9007199254740992}',
        b'{"a":' * 40 + b"1" + b"}" * 40,
        b"[" * 100_000,
        b'{"a":[' + b"[]," * 1_300_000 + b"0]}",
        b"{" + b",".join(b'"%d":{}' % number for number in range(60_000)) + b"}",
    ],
)
def test_what_is_no_plain_json_object_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidBody) as refusal:
        parse_object(content)
    assert refusal.value.message
    assert refusal.value.remedy


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (r'{"params": {"prompt": "a\ud800b"}}', "params.prompt"),
        (r'{"params": {"prompt": "a\u0000b"}}', "params.prompt"),
        (r'{"params": {"list": ["\udfff"]}}', "params.list"),
        (r'{"pro\u0000mpt": 1}', None),
    ],
)
def test_text_that_nothing_can_hold_is_refused_by_name(content: str, field: str | None) -> None:
    with pytest.raises(InvalidText) as refusal:
        parse_object(content)
    assert refusal.value.field == field
    assert "U+" in refusal.value.message


def test_text_of_any_language_passes() -> None:
    text = "<script>alert(1)</script> \u202eright to left\u202c 日本語 👩‍👩‍👧 e\u0301 \x01"
    assert parse_object(json.dumps({"prompt": text})) == {"prompt": text}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(), parts, max_size=3),
)


@given(value=st.dictionaries(st.text(), JSON, max_size=3))
def test_what_passes_can_be_sent_back(value: dict[str, Any]) -> None:
    try:
        check_value(value, where="")
    except GlassbenchError:
        return
    assert json.loads(json.dumps(value, allow_nan=False).encode("utf-8")) == value


@given(content=st.binary(max_size=60))
def test_no_bytes_raise_anything_but_a_typed_error(content: bytes) -> None:
    with contextlib.suppress(GlassbenchError):
        assert isinstance(parse_object(content), dict)


@given(st.text(alphabet=',[{"\\x', max_size=200).map(lambda text: json.dumps({"text": text})))
def test_signs_within_a_text_are_no_values(content: str) -> None:
    check_value_count(content, limit=2)


def test_as_many_values_as_are_allowed_are_taken() -> None:
    content = json.dumps({"a": [0] * (MAX_VALUES - 3)})
    assert len(parse_object(content)["a"]) == MAX_VALUES - 3
