"""Every generator that draws until something fits refuses what never will."""

from collections.abc import Callable
from inspect import unwrap
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.worlds import captions, numbers, scene_questions, scenes, stories
from analysis.worlds.choices import UnknownChoice, refuse_unknown

NUMBERS = st.integers(-3, 40)
WORDS = st.text(max_size=8)
DRAWS: dict[str, tuple[Callable[..., Any], dict[str, st.SearchStrategy[Any]]]] = {
    "story": (
        stories.item,
        {"kind": st.none() | WORDS | st.sampled_from(stories.KINDS),
         "hops": st.none() | NUMBERS, "held_out": st.booleans() | WORDS},
    ),
    "story document": (stories.document, {"hops": st.none() | NUMBERS}),
    "numbers": (numbers.number_item, {"held_out": st.booleans() | st.none() | WORDS}),
    "scene": (
        scenes.scene,
        {"split": WORDS | st.sampled_from(("train", "held out")),
         "things": st.tuples(NUMBERS, NUMBERS).map(lambda pair: tuple(sorted(pair)))},
    ),
    "scene question": (
        scene_questions.item,
        {"kind": st.none() | WORDS | st.sampled_from(scene_questions.KINDS),
         "split": WORDS | st.sampled_from(("train", "held out"))},
    ),
    "caption": (captions.caption, {"items": NUMBERS, "novel": st.booleans() | WORDS}),
    "leaking caption": (
        captions.leaking_caption,
        {"kind": WORDS | st.sampled_from(captions.LEAKING) | st.just("stated"),
         "novel": st.booleans() | WORDS},
    ),
    "lone caption": (captions.lone_caption, {"kind": WORDS | st.sampled_from(captions.LEAKING)}),
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWS)
@given(data=st.data(), seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_a_generator_draws_or_refuses(name: str, data: st.DataObject, seed: int) -> None:
    draw, given_by = DRAWS[name]
    values = {field: data.draw(strategy, label=field) for field, strategy in given_by.items()}
    try:
        drawn = unwrap(draw)(Random(seed), **values)  # without the check of types
    except UnknownChoice as refusal:
        drawn = next(field for field in values if str(refusal).startswith(f"{field} is "))
    assert drawn


@pytest.mark.parametrize(
    ("draw", "asked"),
    [
        (stories.item, {"kind": "x"}),
        (stories.item, {"hops": 3}),
        (stories.document, {"hops": 3}),
        (scenes.scene, {"split": "test"}),
        (scenes.scene, {"things": (0, 0)}),
        (scenes.scene, {"things": (60, 60)}),
        (scene_questions.item, {"kind": "x"}),
        (scene_questions.item, {"split": "x"}),
        (captions.caption, {"items": 4}),
        (captions.caption, {"items": 100}),
        (captions.leaking_caption, {"kind": "stated"}),
        (captions.lone_caption, {"kind": "x"}),
    ],
)
def test_what_there_is_not_is_refused(draw: Callable[..., Any], asked: dict[str, Any]) -> None:
    (name,) = asked
    with pytest.raises(UnknownChoice, match=f"{name} is .*; choose one of"):
        unwrap(draw)(Random(1), **asked)


def test_the_refusal_names_value_and_choices() -> None:
    refuse_unknown("kind", None, ("who", "where"))
    with pytest.raises(UnknownChoice, match="kind is 'x'; choose one of who, where"):
        refuse_unknown("kind", "x", ("who", "where"))
