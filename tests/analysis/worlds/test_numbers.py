import re
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.training.corpus import Draw
from analysis.worlds.numbers import (
    TOTAL,
    WORDINGS,
    answer_read,
    number_document,
    number_item,
    numbers_asked,
    sums,
    sums_in_words,
)
from tests.analysis.worlds.number_solver import solve

SEEDS = st.integers(min_value=0, max_value=2**64)
STEP = re.compile(r"(\d+) (\+|-|and|without) (\d+) (?:more )?(?:=|make|leaves) (\d+)")
SIGNS = {"+": 1, "and": 1, "-": -1, "without": -1}


def assert_true(steps: list[tuple[str, str, str, str]]) -> None:
    for before, sign, change, total in steps:
        assert int(before) + SIGNS[sign] * int(change) == int(total)


@given(SEEDS)
def test_same_seed_same_item(seed: int) -> None:
    assert number_item(Random(seed)) == number_item(Random(seed))


@given(SEEDS)
def test_reader_agrees_with_the_answer(seed: int) -> None:
    item = number_item(Random(seed))
    assert solve(item.prompt) == item.answer
    assert TOTAL[0] <= item.answer <= TOTAL[1]


@given(SEEDS)
def test_every_wording_states_the_answer_and_true_steps(seed: int) -> None:
    item = number_item(Random(seed))
    for wording, text in item.wordings.items():
        assert answer_read(f" {text}") == item.answer
        steps = STEP.findall(text)
        assert [SIGNS[sign] * int(change) for _, sign, change, _ in steps] == list(
            item.course.changes
        ), wording
        assert [int(total) for *_, total in steps] == list(item.course.totals)
        assert_true(steps)


@given(SEEDS)
def test_answer_hangs_on_every_number_that_is_marked_and_no_other(seed: int) -> None:
    item = number_item(Random(seed))
    sources = {(c.start, c.end) for c in item.carriers if c.role == "source"}
    for mark in re.finditer(r"\d+", item.prompt):
        changed = item.prompt[: mark.start()] + str(int(mark[0]) + 1) + item.prompt[mark.end() :]
        assert (solve(changed) != item.answer) == (mark.span() in sources)


def test_carriers_lie_where_they_say() -> None:
    item = number_item(Random(1))
    words = {item.prompt[c.start : c.end] for c in item.carriers}
    assert {str(item.course.start), *(str(abs(n)) for n in item.course.changes)} <= words


def test_training_never_sees_a_held_out_course() -> None:
    assert all(number_item(Random(seed)).course.held_out for seed in range(50))
    for seed in range(200):
        text = number_document(Random(seed)).text
        assert not any(text.startswith(number_item(Random(n)).prompt) for n in range(3))
    assert not any(number_item(Random(seed), held_out=False).course.held_out for seed in range(200))


def test_document_keeps_its_whole_answer() -> None:
    for seed in range(100):
        document = number_document(Random(seed))
        (start, end) = document.kept[0]
        assert document.text[:start].endswith("Answer: ")
        assert end == len(document.text)
        assert document.answers == ()


def test_wordings_fork_as_their_shares_say() -> None:
    heads = Counter(
        number_document(Random(seed)).text.split("Answer: ")[1].split()[0] for seed in range(2000)
    )
    assert heads["First"] / 2000 == pytest.approx(WORDINGS["steps"], abs=0.04)


@pytest.mark.parametrize(("drill", "sign"), [(sums, "="), (sums_in_words, "leaves")])
def test_sums_are_right(drill: Draw, sign: str) -> None:
    document = drill(Random(4))
    assert sign in document.text
    found = STEP.findall(document.text)
    assert [document.text[a:b] for a, b in document.answers] == [total for *_, total in found]
    assert_true(found)
    assert len(found) >= 6


def test_all_numbers_of_an_answer_are_asked_and_nothing_else() -> None:
    for seed in range(50):
        document = numbers_asked(Random(seed))
        prompt, answer = document.text.split("Answer: ")
        asked = [document.text[a:b] for a, b in document.answers]
        assert asked == re.findall(r"\d+", answer)
        assert asked.count(str(solve(f"{prompt}Answer:"))) >= 2
        assert min(a for a, _ in document.answers) > len(prompt)
        assert document.carriers == document.kept == ()


@pytest.mark.parametrize("text", ["", "He has many apples.", " has twelve ", "First 3 + 4 = 7."])
def test_nothing_is_read_where_no_number_is_stated(text: str) -> None:
    assert answer_read(text) is None
