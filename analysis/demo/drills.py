"""Exercises before the stories: a model that can repeat soon learns to look things up.

Without them, training rests for millions of tokens where any name of the story is as good an
answer as any other. Each drill is a small step from the one before: the same words again, the same
sentences again, the same sentences in another order and other words.
"""

from dataclasses import replace
from random import Random

from analysis.demo import lexicon
from analysis.demo.stories import Document, Fact, facts_told

WORDS = (
    *lexicon.PEOPLE,
    *lexicon.THINGS,
    *lexicon.BOXES,
    *lexicon.PLACES,
    *lexicon.COUNTED,
    *lexicon.NUMBERS,
)
RETOLD_FACTS = (3, 5)


def word_rounds(rng: Random) -> Document:
    """8 to 16 words in a circle, three times round, each time from another word.

    The answers are all words of the second and third round but the first of each.
    """
    circle = rng.sample(WORDS, rng.randint(8, 16))
    text, answers = " ".join(circle), list[tuple[int, int]]()
    for _ in range(2):
        start = rng.randrange(len(circle))
        for word in circle[start:] + circle[:start]:
            text += f" {word}"
            answers.append((len(text) - len(word), len(text)))
    settled = [span for n, span in enumerate(answers) if n % len(circle)]
    return Document(text, tuple(settled), ())


def retelling(rng: Random) -> Document:
    """A story told twice in the same words, the second time from another sentence on."""
    told = facts_told(rng, RETOLD_FACTS)
    start = rng.randrange(len(told))
    return _told_again(told, told[start:] + told[:start])


def free_retelling(rng: Random) -> Document:
    """A story told twice, the second time in another order and half of it in other words."""
    told = facts_told(rng, RETOLD_FACTS)
    again = [_reworded(rng, fact) if rng.random() < 0.5 else fact for fact in told]
    rng.shuffle(again)
    return _told_again(told, again)


def _told_again(told: list[Fact], again: list[Fact]) -> Document:
    """Both tellings; the answers are the words of facts in the second one, but each's first."""
    text = " ".join(fact.render(0)[0] for fact in told)
    answers: list[tuple[int, int]] = []
    for fact in again:
        marked = replace(fact, roles=dict.fromkeys(fact.slots, "link"))
        sentence, marks = marked.render(len(text) + 1)
        answers += [(mark.start, mark.end) for mark in marks[1:]]
        text += f" {sentence}"
    return Document(text, tuple(answers), ())


def _reworded(rng: Random, fact: Fact) -> Fact:
    wordings = next(each for each in lexicon.FACT_WORDINGS if fact.wording in each)
    return replace(fact, wording=rng.choice(wordings))
