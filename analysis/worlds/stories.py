"""Question stories with known ground truth: who has, where is, how many, in one hop or two.

A story is an interleaving of plans. A plan is a small group of facts about people and things of
its own, with one question that they answer. The question of one plan is asked; the facts of the
others are distractors of the same kind. Because a fact is a wording with named slots, the
character span of every word that the answer hangs on is known by construction.

Plans marked `superseded` state a fact and then replace it (an object passed on, a person who
walks away). A new kind of story is one more plan function in `PLANS`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

from analysis.worlds import lexicon
from analysis.worlds.choices import refuse_unknown

Kind = Literal["who", "where", "count"]
Role = Literal["source", "link", "key"]
KINDS: tuple[Kind, ...] = ("who", "where", "count")
HOPS = (1, 2)

HELD_OUT_SHARE = 10  # one (asked subject, answer) pair in ten never occurs in training
STORY_FACTS = (4, 5)  # more than any plan has: a story always holds a distracting plan
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Carrier:
    """Characters `start:end` of a prompt that its answer hangs on.

    `role`: `source` is a story word that is the answer or the entity that leads to it, `link` a
    story word that names what is asked about, `key` a word of the question that selects.
    """

    start: int
    end: int
    role: Role


@dataclass(frozen=True, slots=True)
class Item:
    """A prompt with its answer and ground truth.

    `prompt` ends in "Answer:"; a right continuation is a space, `answer` and a full stop.
    `hops` counts the facts to be combined, `plan` names the pattern, `superseded` says whether
    an earlier fact was replaced. `carriers` lie in `prompt`, in reading order.
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


@dataclass(frozen=True, slots=True)
class Fact:
    """A wording, the words in its slots and the roles of those slots for the plan's question."""

    wording: str
    slots: Mapping[str, str]
    roles: Mapping[str, Role]

    def render(self, offset: int) -> tuple[str, list[Carrier]]:
        """The sentence, and its carriers for a sentence that starts at character `offset`."""
        text, carriers, last = "", [], 0
        for mark in _SLOT.finditer(self.wording):
            text += self.wording[last : mark.start()]
            start, last = offset + len(text), mark.end()
            text += self.slots[mark[1]]
            if mark[1] in self.roles:
                carriers.append(Carrier(start, offset + len(text), self.roles[mark[1]]))
        return text + self.wording[last:], carriers


@dataclass(frozen=True, slots=True)
class Plan:
    """Facts in story order, the question they answer and the answer."""

    name: str
    kind: Kind
    hops: int
    facts: tuple[Fact, ...]
    question: Fact
    answer: str
    superseded: bool = False

    @property
    def held_out(self) -> bool:
        """Whether this pair of asked subject and answer is kept out of training."""
        subject = " ".join(self.question.slots.values())
        return zlib.crc32(f"{subject}|{self.answer}".encode()) % HELD_OUT_SHARE == 0


class Cast:
    """Deals the words of one story, each at most once, so that no fact is ambiguous."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        pools = {
            "person": lexicon.PEOPLE,
            "thing": lexicon.THINGS,
            "place": lexicon.PLACES,
            "box": lexicon.BOXES,
            "things": lexicon.COUNTED,
            "number": lexicon.NUMBERS,
        }
        self._left = {name: rng.sample(words, len(words)) for name, words in pools.items()}
        self._counted: str | None = None

    def deal(self, pool: str) -> str:
        """A word of `pool` that this story has not used."""
        return self._left[pool].pop()

    def deal_counted(self) -> str:
        """A countable, half the time one that another person of the story has too."""
        if self._counted is None or self.rng.random() < 0.5:
            self._counted = self.deal("things")
        return self._counted

    def say(self, wordings: Sequence[str], roles: Mapping[str, Role], **slots: str) -> Fact:
        """A fact in one of `wordings`."""
        return Fact(self.rng.choice(wordings), slots, roles)


def _who_holds(cast: Cast) -> Plan:
    who, thing = cast.deal("person"), cast.deal("thing")
    fact = cast.say(lexicon.HOLD, {"who": "source", "thing": "link"}, who=who, thing=thing)
    question = cast.say(lexicon.ASK_WHO, {"thing": "key"}, thing=thing)
    return Plan("who_holds", "who", 1, (fact,), question, who)


def _who_was_given(cast: Cast) -> Plan:
    who, to, thing = cast.deal("person"), cast.deal("person"), cast.deal("thing")
    facts = (
        cast.say(lexicon.HOLD, {}, who=who, thing=thing),
        cast.say(lexicon.GIVE, {"to": "source", "thing": "link"}, who=who, to=to, thing=thing),
    )
    question = cast.say(lexicon.ASK_WHO, {"thing": "key"}, thing=thing)
    return Plan("who_was_given", "who", 1, facts, question, to, superseded=True)


def _who_has_box(cast: Cast) -> Plan:
    who, thing, box = cast.deal("person"), cast.deal("thing"), cast.deal("box")
    facts = (
        cast.say(lexicon.INSIDE, {"thing": "link", "box": "source"}, thing=thing, box=box),
        cast.say(lexicon.HOLD, {"who": "source", "thing": "source"}, who=who, thing=box),
    )
    question = cast.say(lexicon.ASK_WHO, {"thing": "key"}, thing=thing)
    return Plan("who_has_box", "who", 2, _shuffled(cast, facts), question, who)


def _where_thing(cast: Cast) -> Plan:
    thing, place = cast.deal("thing"), cast.deal("place")
    fact = cast.say(lexicon.LIE, {"thing": "link", "place": "source"}, thing=thing, place=place)
    question = cast.say(lexicon.ASK_WHERE_THING, {"thing": "key"}, thing=thing)
    return Plan("where_thing", "where", 1, (fact,), question, place)


def _where_carried(cast: Cast) -> Plan:
    who, thing = cast.deal("person"), cast.deal("thing")
    before, place = cast.deal("place"), cast.deal("place")
    roles: dict[str, Role] = {"thing": "link", "place": "source"}
    facts = (
        cast.say(lexicon.LIE, {}, thing=thing, place=before),
        cast.say(lexicon.CARRY, roles, who=who, thing=thing, place=place),
    )
    question = cast.say(lexicon.ASK_WHERE_THING, {"thing": "key"}, thing=thing)
    return Plan("where_carried", "where", 1, facts, question, place, superseded=True)


def _where_person(cast: Cast) -> Plan:
    who, place = cast.deal("person"), cast.deal("place")
    fact = cast.say(lexicon.STAY, {"who": "link", "place": "source"}, who=who, place=place)
    question = cast.say(lexicon.ASK_WHERE_PERSON, {"who": "key"}, who=who)
    return Plan("where_person", "where", 1, (fact,), question, place)


def _where_moved(cast: Cast) -> Plan:
    who, before, place = cast.deal("person"), cast.deal("place"), cast.deal("place")
    facts = (
        cast.say(lexicon.STAY, {}, who=who, place=before),
        cast.say(lexicon.MOVE, {"who": "link", "place": "source"}, who=who, place=place),
    )
    question = cast.say(lexicon.ASK_WHERE_PERSON, {"who": "key"}, who=who)
    return Plan("where_moved", "where", 1, facts, question, place, superseded=True)


def _where_holder(cast: Cast) -> Plan:
    who, thing, place = cast.deal("person"), cast.deal("thing"), cast.deal("place")
    facts = (
        cast.say(lexicon.HOLD, {"who": "source", "thing": "link"}, who=who, thing=thing),
        cast.say(lexicon.STAY, {"who": "source", "place": "source"}, who=who, place=place),
    )
    question = cast.say(lexicon.ASK_WHERE_THING, {"thing": "key"}, thing=thing)
    return Plan("where_holder", "where", 2, _shuffled(cast, facts), question, place)


def _where_given(cast: Cast) -> Plan:
    who, to, thing = cast.deal("person"), cast.deal("person"), cast.deal("thing")
    before, place = cast.deal("place"), cast.deal("place")
    roles: dict[str, Role] = {"to": "source", "thing": "link"}
    stays = (
        cast.say(lexicon.STAY, {}, who=who, place=before),
        cast.say(lexicon.STAY, {"who": "source", "place": "source"}, who=to, place=place),
    )
    given = cast.say(lexicon.GIVE, roles, who=who, to=to, thing=thing)
    facts = _inserted(cast, _shuffled(cast, stays), given, at_least=1)
    question = cast.say(lexicon.ASK_WHERE_THING, {"thing": "key"}, thing=thing)
    return Plan("where_given", "where", 2, facts, question, place, superseded=True)


def _where_holder_moved(cast: Cast) -> Plan:
    who, thing = cast.deal("person"), cast.deal("thing")
    before, place = cast.deal("place"), cast.deal("place")
    stays = (
        cast.say(lexicon.STAY, {}, who=who, place=before),
        cast.say(lexicon.MOVE, {"who": "source", "place": "source"}, who=who, place=place),
    )
    held = cast.say(lexicon.HOLD, {"who": "source", "thing": "link"}, who=who, thing=thing)
    facts = _inserted(cast, stays, held)
    question = cast.say(lexicon.ASK_WHERE_THING, {"thing": "key"}, thing=thing)
    return Plan("where_holder_moved", "where", 2, facts, question, place, superseded=True)


def _count_person(cast: Cast) -> Plan:
    who, things, number = cast.deal("person"), cast.deal_counted(), cast.deal("number")
    fact = _count_fact(cast, who=who, things=things, number=number)
    question = _ask_count(cast, who=who, things=things)
    return Plan("count_person", "count", 1, (fact,), question, number)


def _count_place(cast: Cast) -> Plan:
    place, things, number = cast.deal("place"), cast.deal_counted(), cast.deal("number")
    roles: dict[str, Role] = {"number": "source", "things": "link", "place": "link"}
    slots = {"number": number, "things": things, "place": place}
    fact = cast.say(lexicon.COUNT_PLACE, roles, **slots)
    keys: dict[str, Role] = {"things": "key", "place": "key"}
    question = cast.say(lexicon.ASK_COUNT_PLACE, keys, things=things, place=place)
    return Plan("count_place", "count", 1, (fact,), question, number)


def _count_box(cast: Cast) -> Plan:
    who, box = cast.deal("person"), cast.deal("box")
    things, number = cast.deal_counted(), cast.deal("number")
    roles: dict[str, Role] = {"number": "source", "things": "link", "box": "source"}
    slots = {"number": number, "things": things, "box": box}
    facts = (
        cast.say(lexicon.COUNT_INSIDE, roles, **slots),
        cast.say(lexicon.HOLD, {"who": "link", "thing": "source"}, who=who, thing=box),
    )
    question = _ask_count(cast, who=who, things=things)
    return Plan("count_box", "count", 2, _shuffled(cast, facts), question, number)


def _count_same(cast: Cast) -> Plan:
    who, other = cast.deal("person"), cast.deal("person")
    things, number = cast.deal_counted(), cast.deal("number")
    roles: dict[str, Role] = {"who": "link", "things": "link", "other": "source"}
    base = _count_fact(cast, who=other, things=things, number=number)
    facts = (
        replace(base, roles={**base.roles, "who": "source"}),
        cast.say(lexicon.SAME_COUNT, roles, who=who, things=things, other=other),
    )
    question = _ask_count(cast, who=who, things=things)
    return Plan("count_same", "count", 2, _shuffled(cast, facts), question, number)


def _count_fact(cast: Cast, *, who: str, things: str, number: str) -> Fact:
    roles: dict[str, Role] = {"who": "link", "number": "source", "things": "link"}
    return cast.say(lexicon.COUNT, roles, who=who, things=things, number=number)


def _ask_count(cast: Cast, *, who: str, things: str) -> Fact:
    return cast.say(lexicon.ASK_COUNT, {"things": "key", "who": "key"}, things=things, who=who)


def _shuffled(cast: Cast, facts: tuple[Fact, ...]) -> tuple[Fact, ...]:
    return facts if cast.rng.random() < 0.5 else facts[::-1]


def _inserted(
    cast: Cast, facts: tuple[Fact, ...], fact: Fact, *, at_least: int = 0
) -> tuple[Fact, ...]:
    index = cast.rng.randint(at_least, len(facts))
    return (*facts[:index], fact, *facts[index:])


PLANS: Mapping[Kind, tuple[Callable[[Cast], Plan], ...]] = {
    "who": (_who_holds, _who_was_given, _who_has_box),
    "where": (
        _where_thing,
        _where_carried,
        _where_person,
        _where_moved,
        _where_holder,
        _where_given,
        _where_holder_moved,
    ),
    "count": (_count_person, _count_place, _count_box, _count_same),
}

CHAINS = {  # how often each is told
    _who_has_box: 1,
    _where_holder: 3,
    _where_given: 1,
    _where_holder_moved: 2,
    _count_box: 1,
    _count_same: 3,
}


def item(
    rng: Random, *, kind: Kind | None = None, hops: int | None = None, held_out: bool = True
) -> Item:
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
    return Item(
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
    hops. `facts` bounds the number of facts after which the story ends; a plan is always told
    whole. Raises UnknownChoice for a number of hops that no plan has.
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


def _draw_plans(rng: Random, facts: tuple[int, int]) -> list[Plan]:
    """Plans of one cast until the number of facts is reached; the first two are of one kind."""
    cast = Cast(rng)
    kind, target = rng.choice(KINDS), rng.randint(*facts)
    plans = [rng.choice(PLANS[kind])(cast)]
    while sum(len(plan.facts) for plan in plans) < target:
        plans.append(rng.choice(PLANS[kind])(cast))
        kind = rng.choice(KINDS)
    return plans


def _write(rng: Random, plans: Sequence[Plan], *, asked: Sequence[Plan]) -> Document:
    """The interleaved facts of `plans`, then a question and an answer for each plan of `asked`."""
    told = [(fact, plan in asked) for plan, fact in _interleave(rng, plans)]
    text, carriers, answers = "", list[Carrier](), list[tuple[int, int]]()
    if rng.random() < 0.3:
        text = rng.choice(lexicon.OPENINGS) + " "
    for fact, is_asked in told:
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


def _interleave(rng: Random, plans: Sequence[Plan]) -> list[tuple[Plan, Fact]]:
    """All facts in a random order that keeps each plan's own order."""
    turns = [index for index, plan in enumerate(plans) for _ in plan.facts]
    rng.shuffle(turns)
    left = [iter(plan.facts) for plan in plans]
    return [(plans[index], next(left[index])) for index in turns]
