"""Exercises before the stories: a model that can repeat soon learns to look things up.

Without them, training rests for millions of tokens where any name of the story is as good an
answer as any other. Each drill is a small step from the one before: the same words again, the
words again backwards, the same sentences again, the sentences in another order, and then, in the
layout of the questions, either word of a fact asked for by the other.
"""

from collections import Counter
from dataclasses import replace
from random import Random

from analysis.worlds import lexicon
from analysis.worlds.facts import Fact
from analysis.worlds.stories import Document, facts_told

WORDS = (
    *lexicon.PEOPLE,
    *lexicon.THINGS,
    *lexicon.BOXES,
    *lexicon.PLACES,
    *lexicon.COUNTED,
    *lexicon.NUMBERS,
)
MAX_PAIR_QUESTIONS = 10
_HEADS = ("Who has the", "Where is the", "Where is", "What about")

Span = tuple[int, int]


def word_rounds(rng: Random) -> Document:
    """8 to 16 words in a circle, three times round, each time from another word.

    The answers are all words of the second and third round but the first of each.
    """
    return _rounds(rng, mark="", step=1)


def backward_rounds(rng: Random) -> Document:
    """`word_rounds` of which the second and third, each after a "!", go backwards."""
    return _rounds(rng, mark="!", step=-1)


def _rounds(rng: Random, *, mark: str, step: int) -> Document:
    circle = rng.sample(WORDS, rng.randint(8, 16))
    text, answers = "".join(f" {word}" for word in circle), list[Span]()
    for _ in range(2):
        text += mark
        start = rng.randrange(len(circle))
        for n, word in enumerate((circle[start:] + circle[:start])[::step]):
            text += f" {word}"
            answers += [(len(text) - len(word), len(text))] if n else []
    return Document(text, tuple(answers), ())


def retelling(rng: Random) -> Document:
    """A story twice, the second time starting at another sentence."""
    facts = facts_told(rng, (3, 5))
    start = rng.randrange(len(facts))
    return _retold(facts, facts[start:] + facts[:start])


def shuffled_retelling(rng: Random) -> Document:
    """A story twice, the second time in another order."""
    facts = facts_told(rng, (3, 5))
    return _retold(facts, rng.sample(facts, len(facts)))


def _retold(facts: list[Fact], again: list[Fact]) -> Document:
    """Both tellings; the answers are the words of facts in the second one, but each's first."""
    text, answers = _tell(facts), list[Span]()
    for fact in again:
        marked = replace(fact, roles=dict.fromkeys(fact.slots, "link"))
        sentence, marks = marked.render(len(text) + 1)
        answers += [(mark.start, mark.end) for mark in marks[1:]]
        text += f" {sentence}"
    return Document(text, tuple(answers), ())


def pair_questions(rng: Random) -> Document:
    """Facts of two words, then questions in any wording that give one word and ask for the other.

    Only words of a single fact are given, and every question may come twice.
    """
    asked: list[tuple[str, str]] = []
    while not asked:
        facts = facts_told(rng, (2, 4))
        uses = Counter(word for fact in facts for word in fact.slots.values())
        pairs = [tuple(fact.slots.values()) for fact in facts if len(fact.slots) == 2]
        asked = [pair for a, b in pairs for pair in ((a, b), (b, a)) if uses[pair[0]] == 1]
    rng.shuffle(asked)
    text, answers = _tell(facts), list[Span]()
    for given, answer in (asked * 2)[:MAX_PAIR_QUESTIONS]:
        text += f" Question: {rng.choice(_HEADS)} {given}? Answer: {answer}"
        answers.append((len(text) - len(answer), len(text)))
        text += "."
    return Document(text, tuple(answers), ())


def _tell(facts: list[Fact]) -> str:
    return " ".join(fact.render(0)[0] for fact in facts)
