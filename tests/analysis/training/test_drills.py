import re
from collections.abc import Callable
from random import Random

import pytest

from analysis.training import drills
from analysis.training.drills import WORDS
from analysis.worlds.stories import Document

SEEDS = range(50)


def answers(drill: Document) -> list[str]:
    return [drill.text[start:end] for start, end in drill.answers]


@pytest.mark.parametrize(("draw", "step"), [(drills.word_rounds, 1), (drills.backward_rounds, -1)])
def test_rounds_repeat_one_circle(draw: Callable[[Random], Document], step: int) -> None:
    for seed in SEEDS:
        drill = draw(Random(seed))
        words = drill.text.replace("!", "").split()
        size = len(words) // 3
        circle = words[:size]
        assert 8 <= size <= 16
        assert len(answers(drill)) == 2 * (size - 1)
        for turn in (words[size : 2 * size], words[2 * size :]):
            start = circle.index(turn[0])
            assert turn == [circle[(start + step * n) % size] for n in range(size)]


@pytest.mark.parametrize("draw", [drills.retelling, drills.shuffled_retelling])
def test_retelling_repeats_every_sentence(draw: Callable[[Random], Document]) -> None:
    for seed in SEEDS:
        told = [part.strip() for part in draw(Random(seed)).text.split(".")[:-1]]
        half = len(told) // 2
        assert sorted(told[:half]) == sorted(told[half:])


def test_pair_questions_ask_within_one_fact() -> None:
    for seed in SEEDS:
        drill = drills.pair_questions(Random(seed))
        story = drill.text.split(" Question: ")[0]
        facts = [set(re.findall(r"\w+", part)) & set(WORDS) for part in story.split(".")[:-1]]
        asked = re.findall(r"(\w+)\? Answer: (\w+)\.", drill.text)
        assert len(asked) == len(drill.answers)
        for given, answer in asked:
            assert [fact for fact in facts if given in fact] == [{given, answer}]


@pytest.mark.parametrize(
    "draw", [drills.word_rounds, drills.backward_rounds, drills.shuffled_retelling]
)
def test_answers_were_told_before(draw: Callable[[Random], Document]) -> None:
    for seed in SEEDS:
        drill = draw(Random(seed))
        assert set(answers(drill)) <= set(WORDS)
        for start, end in drill.answers:
            assert drill.text.index(drill.text[start:end]) < start
