"""Answers read by a pattern that cannot run away."""

import pytest

from analysis.decoding.answers import AnswerPattern
from analysis.errors import InvalidParams


@pytest.mark.parametrize(
    ("pattern", "text", "answer"),
    [
        (r"has (\d+)", " Rosa has 25 nuts, she has 3.", "25"),
        (r"has \d+", "Rosa has 25 nuts.", "has 25"),
        (r"has (\d+)", "Rosa has nuts.", None),
        (r"a(b)?", "a", None),
        ("", "anything", None),
    ],
)
def test_the_first_group_or_the_whole_match_is_read(
    pattern: str, text: str, answer: str | None
) -> None:
    assert AnswerPattern(pattern).read(text) == answer


@pytest.mark.parametrize("pattern", ["(", "[", "*", "(?P<a>x)(?P<a>y"])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidParams, match="no regular expression"):
        AnswerPattern(pattern).read("")


def test_a_search_without_end_is_refused() -> None:
    with pytest.raises(InvalidParams, match=r"more than 0\.2 s on an output of 41"):
        AnswerPattern("(a|aa)+$").read("a" * 40 + "b")
