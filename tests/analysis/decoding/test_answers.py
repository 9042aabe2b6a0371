"""Answers read by a pattern that cannot run away."""

import pytest

from analysis.decoding.answers import AnswerPattern, is_right
from analysis.decoding.params import LAST_NUMBER
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
    with pytest.raises(InvalidParams, match="not a regular expression"):
        AnswerPattern(pattern).read("")


def test_a_search_without_end_is_refused() -> None:
    with pytest.raises(InvalidParams, match=r"more than 0\.2 s on an output of 41"):
        AnswerPattern("(a|aa)+$").read("a" * 40 + "b")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("2 + 3 = 5, so 5.", "5"),
        ("She has 1,250.50 dollars\nleft.", "1,250.50"),
        ("It fell to -12.", "-12"),
        ("From 3 to 1000", "1000"),
        ("About 10-12.", "12"),
        ("No number.", None),
        ("", None),
    ],
)
def test_unless_told_otherwise_the_last_number_is_the_answer(text: str, answer: str | None) -> None:
    assert AnswerPattern(LAST_NUMBER).read(text) == answer


def test_the_last_number_of_a_long_text_is_read_in_time() -> None:
    assert AnswerPattern(LAST_NUMBER).read("1,1." * 2000 + "x" * 4000) is not None


@pytest.mark.parametrize(
    ("answer", "known", "right"),
    [
        ("5", "5", True),
        ("1,000", "1000.0", True),
        ("5", "6", False),
        ("Paris ", "paris", True),
        ("1,5", "15", False),
        (None, "5", False),
        ("5", "", None),
        (None, " ", None),
    ],
)
def test_an_answer_is_held_against_the_known_one(
    answer: str | None, known: str, *, right: bool | None
) -> None:
    assert is_right(answer, known) is right
