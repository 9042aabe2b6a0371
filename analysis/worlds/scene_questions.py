"""Questions about a scene whose answers are known: which thing is meant, or that there is none.

"Where is the red circle?" is answered "The small red circle at the top left <SEG>."; an
expression that fits nothing is answered "There is none.". An expression fits exactly one thing or
none at all, by a clear margin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from random import Random
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, UInt8

from analysis.worlds.choices import refuse_unknown
from analysis.worlds.scenes import RADII, SIZE, Scene, Split, Thing, scene
from analysis.worlds.shapes import COLOURS, SHAPES

SEG = "<SEG>"
NONE = "There is none."
WORDINGS = ("Where is {}?", "Find {}.", "Show {}.")
ORDERS = ("left to right", "top to bottom", "large to small")
MARGIN = 6.0  # pixels by which a superlative or a relation holds or fails
RATIO = 1.2  # by which the largest and the smallest differ from the next, in radius and in area

Kind = Literal["attribute", "superlative", "relation", "none"]
KINDS: tuple[Kind, ...] = ("attribute", "superlative", "relation", "none")
# How a false premise fails; "crossed": each word fits some thing, all together fit none.
FalseForm = Literal["attribute", "superlative", "relation", "crossed"]
FALSE_FORMS: tuple[FalseForm, ...] = get_args(FalseForm)


@dataclass(frozen=True, slots=True)
class Expression:
    """Words that mean `referent`, an index of the scene's things, or None if there is none.

    `form` is how the thing is distinguished, whether there is one or not. Of a relation,
    `compared` are the index of the thing that the words start from and that of the one that is
    or comes nearest to being where they say, and by how many pixels it is there.
    """

    words: str
    referent: int | None
    form: Kind
    compared: tuple[int, int, float] | None = None

    @property
    def kind(self) -> Kind:
        """The form, or `none`."""
        return "none" if self.referent is None else self.form


@dataclass(frozen=True)
class SceneQuestion:
    """A picture, a question about it and the truth."""

    scene: Scene
    expression: Expression
    question: str

    @property
    def kind(self) -> Kind:
        """How the thing is distinguished from the others, or `none`."""
        return self.expression.kind

    @property
    def answer(self) -> str:
        """What a right answer says, word for word."""
        return answer(self.scene, self.expression.referent)

    @property
    def picture(self) -> UInt8[np.ndarray, "H W 3"]:
        """The scene's pixels."""
        return self.scene.picture

    @property
    def mask(self) -> Bool[np.ndarray, "H W"]:
        """The pixels at which what is meant is seen; all False if there is none."""
        if self.expression.referent is None:
            return np.zeros((SIZE, SIZE), dtype=bool)
        return self.scene.mask(self.expression.referent)


@dataclass(frozen=True, slots=True)
class NounPhrase:
    """What a noun phrase such as "large red circle" or "blue thing" fits; None fits all."""

    size: str | None
    colour: str | None
    shape: str | None

    def __str__(self) -> str:
        return " ".join(word for word in (self.size, self.colour, self.shape or "thing") if word)

    def fits(self, thing: Thing) -> bool:
        """Whether the thing is one of the group."""
        return (
            self.size in (None, thing.size)
            and self.colour in (None, thing.colour)
            and self.shape in (None, thing.shape)
        )

    def members(self, things: Sequence[Thing], *, but: int | None = None) -> list[int]:
        """Indices of the things that it fits, one excepted."""
        return [n for n, thing in enumerate(things) if n != but and self.fits(thing)]


def answer(where: Scene, referent: int | None) -> str:
    """The description of a thing and `<SEG>`, or that there is none."""
    if referent is None:
        return NONE
    thing = where.things[referent]
    return f"The {thing} at the {thing.place} {SEG}."


# A score of a thing per superlative: all must be greater than the others' by the margin.
_Scores = Callable[[Thing], tuple[float, ...]]


def _along(axis: Literal["x", "y"], sign: int, thing: Thing) -> tuple[float, ...]:
    """How far its centre and its outermost edge lie to one side, in pixels."""
    centre = sign * (thing.drawn.x if axis == "x" else thing.drawn.y)
    return centre, centre + thing.drawn.radius


def _size(sign: int, thing: Thing) -> tuple[float, ...]:
    """Logarithms of radius and area, in units that make `RATIO` the margin."""
    unit = sign * MARGIN / np.log(RATIO)
    return unit * np.log(thing.drawn.radius), unit * np.log(thing.area)


SUPERLATIVES: dict[str, _Scores] = {
    "leftmost": partial(_along, "x", -1),
    "rightmost": partial(_along, "x", 1),
    "topmost": partial(_along, "y", -1),
    "bottommost": partial(_along, "y", 1),
    "largest": partial(_size, 1),
    "smallest": partial(_size, -1),
}
RELATIONS: dict[str, tuple[Literal["x", "y"], int]] = {
    "left of": ("x", -1),
    "right of": ("x", 1),
    "above": ("y", -1),
    "below": ("y", 1),
}


def _group(rng: Random, *, sized: bool) -> NounPhrase:
    """Any group, present in the scene or not."""
    return NounPhrase(
        rng.choice(list(RADII)) if sized and rng.random() < 0.4 else None,
        rng.choice(list(COLOURS)) if rng.random() < 0.6 else None,
        rng.choice(list(SHAPES)) if rng.random() < 0.6 else None,
    )


def _group_of(rng: Random, thing: Thing, *, sized: bool) -> NounPhrase:
    """A group that the thing is one of."""
    drawn = _group(rng, sized=sized)
    return NounPhrase(
        drawn.size and thing.size, drawn.colour and thing.colour, drawn.shape and thing.shape
    )


def _near_miss(rng: Random, thing: Thing, *, sized: bool) -> NounPhrase:
    """A group like the thing's but for one word."""
    group = NounPhrase(
        thing.size if sized and rng.random() < 0.4 else None, thing.colour, thing.shape
    )
    other = _group(rng, sized=True)
    changes = [NounPhrase(group.size, other.colour or thing.colour, thing.shape)]
    changes += [NounPhrase(group.size, thing.colour, other.shape or thing.shape)]
    changes += [NounPhrase(other.size, thing.colour, thing.shape)] if group.size else []
    return rng.choice(changes)


def _any_group(rng: Random, things: Sequence[Thing], *, sized: bool) -> NounPhrase:
    thing = rng.choice(things)
    make = rng.choices((_group_of, _near_miss), (0.6, 0.4))[0]
    if rng.random() < 0.1:
        return _group(rng, sized=sized)
    return make(rng, thing, sized=sized)


def _attribute(rng: Random, things: Sequence[Thing]) -> Expression | None:
    """ "the red circle": fits one thing or none."""
    group = _any_group(rng, things, sized=True)
    found = group.members(things)
    if len(found) > 1:
        return None
    return Expression(f"the {group}", found[0] if found else None, "attribute")


def _superlative(rng: Random, things: Sequence[Thing]) -> Expression | None:
    """ "the largest circle": of two or more, one is so by the margin; or there is no circle."""
    group = _any_group(rng, things, sized=False)
    word, scores = rng.choice(list(SUPERLATIVES.items()))
    found = group.members(things)
    if len(found) == 1:
        return None
    if not found:
        return Expression(f"the {word} {group}", None, "superlative")
    best, *others = sorted(found, key=lambda n: scores(things[n])[0], reverse=True)
    gaps = [
        high - low
        for n in others
        for high, low in zip(scores(things[best]), scores(things[n]), strict=True)
    ]
    return Expression(f"the {word} {group}", best, "superlative") if min(gaps) >= MARGIN else None


def _relation(rng: Random, things: Sequence[Thing]) -> Expression | None:
    """ "the circle left of the blue square": of a group, one or none is there, by the margin."""
    anchor = rng.randrange(len(things))
    colour, shape = things[anchor].colour, things[anchor].shape
    words, (axis, sign) = rng.choice(list(RELATIONS.items()))
    group = _any_group(rng, things, sized=False)
    members = group.members(things, but=anchor)
    if not members or len(NounPhrase(None, colour, shape).members(things)) > 1:
        return None
    gaps = [
        _along(axis, sign, things[n])[0] - _along(axis, sign, things[anchor])[0] for n in members
    ]
    there = [n for n, gap in zip(members, gaps, strict=True) if gap > 0]
    if len(there) > 1 or min(map(abs, gaps)) < MARGIN:
        return None
    expression = f"the {group} {words} the {colour} {shape}"
    best = max(range(len(gaps)), key=gaps.__getitem__)
    compared = (anchor, members[best], gaps[best])
    return Expression(expression, there[0] if there else None, "relation", compared)


def _crossed(rng: Random, things: Sequence[Thing]) -> Expression | None:
    """ "the red circle", or "the largest red circle", of a red square and a blue circle."""
    one, other = rng.sample(things, 2)
    form: Kind = "superlative" if rng.random() < 0.3 else "attribute"
    superlative = form == "superlative"
    size = None if superlative else rng.choice((None, None, one.size, other.size))
    word = f"{rng.choice(list(SUPERLATIVES))} " if superlative else ""
    group = NounPhrase(size, one.colour, other.shape)
    return None if group.members(things) else Expression(f"the {word}{group}", None, form)


_Make = Callable[[Random, Sequence[Thing]], Expression | None]
_FORMS: dict[str, _Make] = {
    "attribute": _attribute,
    "superlative": _superlative,
    "relation": _relation,
}
_MAKE_FALSE: dict[str, _Make] = {**_FORMS, "crossed": _crossed}


def expression(
    rng: Random,
    where: Scene,
    *,
    kind: Kind,
    tries: int = 60,
    false_forms: Mapping[FalseForm, float] | None = None,
) -> Expression | None:
    """An expression of that kind, or None if `tries` drawings find none in this scene.

    One of kind `none` fails in a form drawn by the weights of `false_forms`; without them, in any
    of the forms that an expression with a referent has. Raises UnknownChoice for another kind.
    """
    refuse_unknown("kind", kind, KINDS)
    for form in false_forms or ():
        refuse_unknown("false_forms", form, FALSE_FORMS)
    make = _make_draw(rng, kind, false_forms)
    for _ in range(tries):
        found = make(rng, where.things)
        if found is not None and found.kind == kind:
            return found
    return None


def _make_draw(rng: Random, kind: Kind, false_forms: Mapping[FalseForm, float] | None) -> _Make:
    if kind != "none":
        return _FORMS[kind]
    if false_forms is None:
        return _FORMS[rng.choice(list(_FORMS))]
    return _MAKE_FALSE[rng.choices(list(false_forms), list(false_forms.values()))[0]]


def question(rng: Random, asked: Expression) -> str:
    """The expression in one of the wordings."""
    return rng.choice(WORDINGS).format(asked.words)


def item(rng: Random, *, kind: Kind | None = None, split: Split = "train") -> SceneQuestion:
    """An item of that kind, or of any; the same for the same state of `rng`.

    Raises UnknownChoice for another kind or split.
    """
    refuse_unknown("kind", kind, KINDS)
    refuse_unknown("split", split, get_args(Split))
    wanted: Kind = rng.choice(KINDS) if kind is None else kind
    while True:
        where = scene(rng, split=split)
        asked = expression(rng, where, kind=wanted)
        if asked is not None:
            return SceneQuestion(where, asked, question(rng, asked))


def listing(rng: Random, where: Scene) -> tuple[str, str] | None:
    """A question for all things in some order and its answer; None if the order is not clear."""
    order = rng.choice(ORDERS)
    score = SUPERLATIVES[dict(zip(ORDERS, ("leftmost", "topmost", "largest"), strict=True))[order]]
    ranked = sorted(where.things, key=lambda thing: score(thing)[0], reverse=True)
    marks = [score(thing)[0] for thing in ranked]
    if any(high - low < MARGIN / 2 for high, low in pairwise(marks)):
        return None
    return f"List all things from {order}.", "The " + ", the ".join(map(str, ranked)) + "."
