"""The right answers that examples name, worked out by the rules of the number stories."""

import re

import pytest

from analysis.method import Example
from analysis.methods import cntp, local_leap
from analysis.worlds.numbers import GAIN, LOSS, TOTAL

EXAMPLES = [*cntp.EXAMPLES, *local_leap.EXAMPLES]


def pattern(form: tuple[str, str], who: str) -> re.Pattern[str]:
    verb, sentence = form
    words = {"who": who, "verb": verb, "number": r"(\d+)", "other": r"\w+"}
    return re.compile(re.sub(r"\.$", r"\\.", sentence.format(**words)))


def worked(prompt: str) -> int:
    """What the asked person has: their start, then each gain and loss."""
    asked = re.search(r"How many (\w+) does (\w+) have now", prompt)
    assert asked
    things, who = asked.groups()
    start = re.search(rf"{who} (?:[a-z]+ )+(\d+) {things}\.", prompt)
    assert start
    total = int(start[1])
    for sign, forms in ((1, GAIN), (-1, LOSS)):
        found = [n for form in forms for n in pattern(form, who).findall(prompt)]
        total += sign * sum(map(int, found))
    return total


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one.name)
def test_the_right_answer_is_that_of_the_story(example: Example) -> None:
    found = worked(example.params["prompt"])
    assert TOTAL[0] <= found <= TOTAL[1]
    assert example.params["right_answer"] == str(found)
