from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.worlds import lexicon, stories
from analysis.worlds.facts import Carrier
from analysis.worlds.stories import StoryQuestion, chains, document, item
from tests.analysis.worlds.solver import solve

POOLS = (
    lexicon.PEOPLE,
    (*lexicon.THINGS, *lexicon.BOXES),
    lexicon.PLACES,
    lexicon.COUNTED,
    lexicon.NUMBERS,
)
SEEDS = st.integers(min_value=0, max_value=2**64)


def with_other_word(story: StoryQuestion, carrier: Carrier) -> str:
    """The prompt with another word of the same kind, foreign to the story, at `carrier`."""
    word = story.prompt[carrier.start : carrier.end]
    pool = next(pool for pool in POOLS if word in pool)
    other = next(other for other in pool if other not in story.prompt)
    return story.prompt[: carrier.start] + other + story.prompt[carrier.end :]


@given(SEEDS)
def test_same_seed_same_item(seed: int) -> None:
    assert item(Random(seed)) == item(Random(seed))


@given(SEEDS)
@settings(max_examples=400)
def test_reader_agrees_with_the_answer(seed: int) -> None:
    story = item(Random(seed))
    assert solve(story.prompt) == story.answer


@given(SEEDS)
@settings(max_examples=200)
def test_answer_hangs_on_every_carrier(seed: int) -> None:
    story = item(Random(seed))
    assert {carrier.role for carrier in story.carriers} == {"source", "link", "key"}
    for carrier in story.carriers:
        assert solve(with_other_word(story, carrier)) != story.answer, carrier


@given(SEEDS)
@settings(max_examples=200)
def test_answer_hangs_on_nothing_else(seed: int) -> None:
    story = item(Random(seed))
    marked = {(carrier.start, carrier.end) for carrier in story.carriers}
    words = {word for pool in POOLS for word in pool}
    start = 0
    for word in story.prompt.split(" "):
        end = start + len(word.rstrip(".?"))
        if story.prompt[start:end] in words and (start, end) not in marked:
            free = replace(story, carriers=(Carrier(start, end, "link"),))
            assert solve(with_other_word(free, free.carriers[0])) == story.answer
        start += len(word) + 1


def test_answer_is_a_source_in_the_story() -> None:
    for seed in range(200):
        story = item(Random(seed))
        sources = [story.prompt[c.start : c.end] for c in story.carriers if c.role == "source"]
        assert story.answer in sources
        assert len(set(sources)) == story.hops


def test_every_plan_occurs() -> None:
    names = {item(Random(seed)).plan for seed in range(600)}
    assert len(names) == sum(len(makers) for makers in stories.PLANS.values())


@pytest.mark.parametrize("kind", stories.KINDS)
@pytest.mark.parametrize("hops", [1, 2])
def test_kind_and_hops_can_be_chosen(kind: stories.Kind, hops: int) -> None:
    story = item(Random(3), kind=kind, hops=hops)
    assert (story.kind, story.hops) == (kind, hops)


def test_no_third_hop() -> None:
    with pytest.raises(ValueError, match="choose one of 1, 2"):
        item(Random(0), hops=3)


def test_training_never_asks_a_held_out_pair() -> None:
    def pairs(texts: list[str]) -> set[tuple[str, str]]:
        asked = [text.rsplit("Question: ", 1)[1].split(" Answer: ") for text in texts]
        return {(question, answer) for question, answer in asked}

    held_out = pairs([item(Random(f"a {seed}")).text for seed in range(400)])
    trained = pairs([document(Random(f"b {seed}")).text for seed in range(400)])
    repeated = pairs([item(Random(f"c {seed}")).text for seed in range(400)])
    assert not held_out & trained
    assert held_out & repeated


def test_document_asks_each_question_about_its_own_answer() -> None:
    for seed in range(100):
        text = document(Random(seed), max_questions=3)
        story, *asked = text.text.split(" Question: ")
        answers = [text.text[start:end] for start, end in text.answers]
        questions = [part.split(" Answer: ")[0] for part in asked]
        assert 1 <= len(asked) <= 3
        assert len(set(questions)) == len(questions)
        assert [solve(f"{story} Question: {each} Answer:") for each in questions] == answers


def test_document_can_ask_two_hops_only() -> None:
    for seed in range(100):
        text = document(Random(seed), hops=2)
        roles = [carrier.role for carrier in text.carriers]
        assert len(text.answers) == 1
        assert roles.count("source") >= 2


def test_chains_ask_two_hops_alone() -> None:
    for seed in range(100):
        text = chains(Random(seed))
        story, *asked = text.text.split(" Question: ")
        assert 2 <= len(asked) <= 3
        roles = [carrier.role for carrier in text.carriers]
        assert roles.count("source") >= 2 * len(asked)
        questions = [part.split(" Answer: ")[0] for part in asked]
        answers = [text.text[start:end] for start, end in text.answers]
        assert [solve(f"{story} Question: {each} Answer:") for each in questions] == answers
