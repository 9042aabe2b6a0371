"""Question stories with known ground truth: who has, where is, how many, in one hop or two.

A story is an interleaving of plans. A plan is a small group of facts about people and things of
its own, with one question that they answer. The question of one plan is asked; the facts of the
others are distractors of the same kind. Because a fact is a wording with named slots, the
character span of every word that the answer depends on is known by construction.

Plans marked `superseded` state a fact and then replace it (an object passed on, a person who
walks away). A new kind of story is one more function in `plans.PLANS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from analysis.worlds import lexicon
from analysis.worlds.choices import refuse_unknown
from analysis.worlds.facts import KINDS, Carrier, Cast, Fact, Kind, StoryPlan
from analysis.worlds.plans import CHAINS, PLANS

HOPS = (1, 2)
STORY_FACTS = (4, 5)  # more than any plan has: a story always holds a distracting plan


@dataclass(frozen=True, slots=True)
class StoryQuestion:
    """A prompt with its answer and ground truth.

    `prompt` ends in "Answer:"; a right continuation is a space, `answer` and a full stop.
    `hops` counts the facts to be combined, `plan` names the pattern, `superseded` says whether
    an earlier fact was replaced. `carriers` are in `prompt`, in reading order.
    """

    prompt: str
    answer: str
    kind: Kind
    hops: int
    plan: str
    superseded: bool
    carriers: tuple[Carrier, ...]

    @property
    def text(self) -> str:
        """The prompt with its answer."""
        return f"{self.prompt} {self.answer}."


@dataclass(frozen=True, slots=True)
class Document:
    """A training text: `answers` are character spans of answers, `carriers` of what they need.

    `kept` are further spans to be learnt, which noise leaves alone.
    """

    text: str
    answers: tuple[tuple[int, int], ...]
    carriers: tuple[Carrier, ...]
    kept: tuple[tuple[int, int], ...] = ()


def item(
    rng: Random, *, kind: Kind | None = None, hops: int | None = None, held_out: bool = True
) -> StoryQuestion:
    """One question story; `kind` and `hops` (1 or 2) narrow it, by default any.

    `held_out` chooses whether the asked pair of subject and answer is one that training never
    sees. Raises UnknownChoice for a kind or a number of hops that no plan has.
    """
    refuse_unknown("kind", kind, KINDS)
    refuse_unknown("hops", hops, HOPS)
    while True:
        plans = _draw_plans(rng, STORY_FACTS)
        asked = plans[0]
        if (
            kind in (None, asked.kind)
            and hops in (None, asked.hops)
            and asked.held_out == bool(held_out)
        ):
            break
    document = _write(rng, plans, asked=[asked])
    return StoryQuestion(
        prompt=document.text[: document.answers[0][0] - 1],
        answer=asked.answer,
        kind=asked.kind,
        hops=asked.hops,
        plan=asked.name,
        superseded=asked.superseded,
        carriers=document.carriers,
    )


def document(
    rng: Random,
    *,
    max_questions: int | None = 1,
    hops: int | None = None,
    facts: tuple[int, int] = STORY_FACTS,
) -> Document:
    """A training text with no held-out pair in its plans.

    It asks each plan's question once, up to `max_questions`; given `hops`, only those of so many
    hops. `facts` bounds the number of facts after which the story ends; a plan's facts are
    always complete. Raises UnknownChoice for a number of hops that no plan has.
    """
    refuse_unknown("hops", hops, HOPS)
    while True:
        plans = _draw_plans(rng, facts)
        asked = [plan for plan in plans if hops in (None, plan.hops)]
        if asked and not any(plan.held_out for plan in plans):
            break
    rng.shuffle(asked)
    return _write(rng, plans, asked=asked[:max_questions])


def chains(rng: Random) -> Document:
    """A training text of two or three two-hop plans alone, each asked once."""
    while True:
        cast = Cast(rng)
        makers = rng.choices(list(CHAINS), list(CHAINS.values()), k=rng.randint(2, 3))
        plans = [maker(cast) for maker in makers]
        if not any(plan.held_out for plan in plans):
            return _write(rng, plans, asked=rng.sample(plans, len(plans)))


def facts_told(rng: Random, facts: tuple[int, int]) -> list[Fact]:
    """The facts of a story in the order in which it tells them; `facts` as in `document`."""
    return [fact for _, fact in _interleave(rng, _draw_plans(rng, facts))]


def _draw_plans(rng: Random, facts: tuple[int, int]) -> list[StoryPlan]:
    """Plans of one cast until the number of facts is reached; the first two are of one kind."""
    cast = Cast(rng)
    kind, target = rng.choice(KINDS), rng.randint(*facts)
    plans = [rng.choice(PLANS[kind])(cast)]
    while sum(len(plan.facts) for plan in plans) < target:
        plans.append(rng.choice(PLANS[kind])(cast))
        kind = rng.choice(KINDS)
    return plans


def _write(rng: Random, plans: Sequence[StoryPlan], *, asked: Sequence[StoryPlan]) -> Document:
    """The interleaved facts of `plans`, then a question and an answer for each plan of `asked`."""
    facts = [(fact, plan in asked) for plan, fact in _interleave(rng, plans)]
    text, carriers, answers = "", list[Carrier](), list[tuple[int, int]]()
    if rng.random() < 0.3:
        text = rng.choice(lexicon.OPENINGS) + " "
    for fact, is_asked in facts:
        sentence, marks = fact.render(len(text))
        text += sentence + " "
        carriers += marks if is_asked else []
        if rng.random() < 0.08:
            text += rng.choice(lexicon.ASIDES) + " "
    for plan in asked:
        text += "Question: "
        question, marks = plan.question.render(len(text))
        carriers += marks
        text += f"{question} Answer: "
        answers.append((len(text), len(text) + len(plan.answer)))
        text += f"{plan.answer}. "
    return Document(text.rstrip(), tuple(answers), tuple(carriers))


def _interleave(rng: Random, plans: Sequence[StoryPlan]) -> list[tuple[StoryPlan, Fact]]:
    """All facts in a random order that keeps each plan's own order."""
    turns = [index for index, plan in enumerate(plans) for _ in plan.facts]
    rng.shuffle(turns)
    left = [iter(plan.facts) for plan in plans]
    return [(plans[index], next(left[index])) for index in turns]
