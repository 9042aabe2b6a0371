"""The plans of which stories are made: a few facts, with one question that they answer.

A new kind of story is one more function in `PLANS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from analysis.worlds import lexicon
from analysis.worlds.facts import Cast, Fact, Kind, Role, StoryPlan


def _who_holds(cast: Cast) -> StoryPlan:
    who, thing = cast.deal("person"), cast.deal("thing")
    fact = cast.say(lexicon.HOLD, {"who": "source", "thing": "link"}, who=who, thing=thing)
    question = cast.say(lexicon.ASK_WHO, {"thing": "key"}, thing=thing)
    return StoryPlan("who_holds", "who", 1, (fact,), question, who)


def _who_was_given(cast: Cast) -> StoryPlan:
    who, to, thing = cast.deal("person"), cast.deal("person"), cast.deal("thing")
    facts = (
        cast.say(lexicon.HOLD, {}, who=who, thing=thing),
        cast.say(lexicon.GIVE, {"to": "source", "thing": "link"}, who=who, to=to, thing=thing),
    )
    question = cast.say(lexicon.ASK_WHO, {"thing": "key"}, thing=thing)
    return StoryPlan("who_was_given", "who", 1, facts, question, to, superseded=True)


def _who_has_box(cast: Cast) -> StoryPlan:
    who, thing, box = cast.deal("person"), cast.deal("thing"), cast.deal("box")
    facts = (
        cast.say(lexicon.INSIDE, {"thing": "link", "box": "source"}, thing=thing, box=box),
        cast.say(lexicon.HOLD, {"who": "source", "thing": "source"}, who=who, thing=box),
    )
    question = cast.say(lexicon.ASK_WHO, {"thing": "key"}, thing=thing)
    return StoryPlan("who_has_box", "who", 2, _shuffled(cast, facts), question, who)


def _where_thing(cast: Cast) -> StoryPlan:
    thing, place = cast.deal("thing"), cast.deal("place")
    fact = cast.say(lexicon.LIE, {"thing": "link", "place": "source"}, thing=thing, place=place)
    question = cast.say(lexicon.ASK_WHERE_THING, {"thing": "key"}, thing=thing)
    return StoryPlan("where_thing", "where", 1, (fact,), question, place)


def _where_carried(cast: Cast) -> StoryPlan:
    who, thing = cast.deal("person"), cast.deal("thing")
    before, place = cast.deal("place"), cast.deal("place")
    roles: dict[str, Role] = {"thing": "link", "place": "source"}
    facts = (
        cast.say(lexicon.LIE, {}, thing=thing, place=before),
        cast.say(lexicon.CARRY, roles, who=who, thing=thing, place=place),
    )
    question = cast.say(lexicon.ASK_WHERE_THING, {"thing": "key"}, thing=thing)
    return StoryPlan("where_carried", "where", 1, facts, question, place, superseded=True)


def _where_person(cast: Cast) -> StoryPlan:
    who, place = cast.deal("person"), cast.deal("place")
    fact = cast.say(lexicon.STAY, {"who": "link", "place": "source"}, who=who, place=place)
    question = cast.say(lexicon.ASK_WHERE_PERSON, {"who": "key"}, who=who)
    return StoryPlan("where_person", "where", 1, (fact,), question, place)


def _where_moved(cast: Cast) -> StoryPlan:
    who, before, place = cast.deal("person"), cast.deal("place"), cast.deal("place")
    facts = (
        cast.say(lexicon.STAY, {}, who=who, place=before),
        cast.say(lexicon.MOVE, {"who": "link", "place": "source"}, who=who, place=place),
    )
    question = cast.say(lexicon.ASK_WHERE_PERSON, {"who": "key"}, who=who)
    return StoryPlan("where_moved", "where", 1, facts, question, place, superseded=True)


def _where_holder(cast: Cast) -> StoryPlan:
    who, thing, place = cast.deal("person"), cast.deal("thing"), cast.deal("place")
    facts = (
        cast.say(lexicon.HOLD, {"who": "source", "thing": "link"}, who=who, thing=thing),
        cast.say(lexicon.STAY, {"who": "source", "place": "source"}, who=who, place=place),
    )
    question = cast.say(lexicon.ASK_WHERE_THING, {"thing": "key"}, thing=thing)
    return StoryPlan("where_holder", "where", 2, _shuffled(cast, facts), question, place)


def _where_given(cast: Cast) -> StoryPlan:
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
    return StoryPlan("where_given", "where", 2, facts, question, place, superseded=True)


def _where_holder_moved(cast: Cast) -> StoryPlan:
    who, thing = cast.deal("person"), cast.deal("thing")
    before, place = cast.deal("place"), cast.deal("place")
    stays = (
        cast.say(lexicon.STAY, {}, who=who, place=before),
        cast.say(lexicon.MOVE, {"who": "source", "place": "source"}, who=who, place=place),
    )
    holds = cast.say(lexicon.HOLD, {"who": "source", "thing": "link"}, who=who, thing=thing)
    facts = _inserted(cast, stays, holds)
    question = cast.say(lexicon.ASK_WHERE_THING, {"thing": "key"}, thing=thing)
    return StoryPlan("where_holder_moved", "where", 2, facts, question, place, superseded=True)


def _count_person(cast: Cast) -> StoryPlan:
    who, things, number = cast.deal("person"), cast.deal_counted(), cast.deal("number")
    fact = _count_fact(cast, who=who, things=things, number=number)
    question = _ask_count(cast, who=who, things=things)
    return StoryPlan("count_person", "count", 1, (fact,), question, number)


def _count_place(cast: Cast) -> StoryPlan:
    place, things, number = cast.deal("place"), cast.deal_counted(), cast.deal("number")
    roles: dict[str, Role] = {"number": "source", "things": "link", "place": "link"}
    slots = {"number": number, "things": things, "place": place}
    fact = cast.say(lexicon.COUNT_PLACE, roles, **slots)
    keys: dict[str, Role] = {"things": "key", "place": "key"}
    question = cast.say(lexicon.ASK_COUNT_PLACE, keys, things=things, place=place)
    return StoryPlan("count_place", "count", 1, (fact,), question, number)


def _count_box(cast: Cast) -> StoryPlan:
    who, box = cast.deal("person"), cast.deal("box")
    things, number = cast.deal_counted(), cast.deal("number")
    roles: dict[str, Role] = {"number": "source", "things": "link", "box": "source"}
    slots = {"number": number, "things": things, "box": box}
    facts = (
        cast.say(lexicon.COUNT_INSIDE, roles, **slots),
        cast.say(lexicon.HOLD, {"who": "link", "thing": "source"}, who=who, thing=box),
    )
    question = _ask_count(cast, who=who, things=things)
    return StoryPlan("count_box", "count", 2, _shuffled(cast, facts), question, number)


def _count_same(cast: Cast) -> StoryPlan:
    who, other = cast.deal("person"), cast.deal("person")
    things, number = cast.deal_counted(), cast.deal("number")
    roles: dict[str, Role] = {"who": "link", "things": "link", "other": "source"}
    base = _count_fact(cast, who=other, things=things, number=number)
    facts = (
        replace(base, roles={**base.roles, "who": "source"}),
        cast.say(lexicon.SAME_COUNT, roles, who=who, things=things, other=other),
    )
    question = _ask_count(cast, who=who, things=things)
    return StoryPlan("count_same", "count", 2, _shuffled(cast, facts), question, number)


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


PLANS: Mapping[Kind, tuple[Callable[[Cast], StoryPlan], ...]] = {
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

CHAINS = {  # how often each occurs
    _who_has_box: 1,
    _where_holder: 3,
    _where_given: 1,
    _where_holder_moved: 2,
    _count_box: 1,
    _count_same: 3,
}
