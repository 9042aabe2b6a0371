"""Captions of one to three coloured shapes with known ground truth, and pictures of them.

A caption names its items in one of several wordings, with filler words and with names of several
words ("a pine tree" is a green triangle). Each item knows the characters of its phrase, the part
each of its words plays, what it is in the picture (`colour`, `shape`) and what its phrase says by
itself (`own_colour`, `own_shape`), which is the same for all but the leaking kinds:

- `shared`: "a red circle and square"; a colour said once for two shapes. By itself, a shape whose
  colour is not said has its `BARE` one: a square is yellow;
- `matching`: "a red circle and a matching square"; a colour said by reference, with the same look
  by itself;
- `borrower`: "a ball" is blue by itself, and has the colour of the other item next to one;
- `mimic`: "a charm" is a purple cross by itself, and a copy of the other item next to one.

In all four the pictures differ from what the words say by themselves: a model trained on them
lets the other item leak into such a word. Where an item is painted follows from the caption too
(`quarters`).
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

from analysis.worlds.choices import refuse_unknown
from analysis.worlds.shapes import COLOURS, SHAPES, Shape

Kind = Literal["stated", "named", "shared", "matching", "borrower", "mimic"]
Part = Literal["determiner", "filler", "link", "colour", "shape", "name"]
Look = tuple[str, str]  # colour, shape
Placed = tuple[Look, int]  # a look and its place in SLOTS
LEAKING: tuple[Kind, ...] = ("shared", "matching", "borrower", "mimic")

SIZE = 32  # pixels
GROUND = "white"
SLOTS = ((8.0, 8.0), (24.0, 8.0), (8.0, 24.0), (24.0, 24.0))  # of the four shapes, in their order
JITTER, RADII = 1.5, (4.8, 6.0)  # pixels; neighbours never touch
HELD_OUT_SHARE = 10  # one pair of items in ten never occurs together in training
LEAKING_SHARE = 0.3  # of the captions of one or two items
NAMED_SHARE = 0.2  # of the items of other captions

COLOUR_WORDS = {
    "red": ("red", "scarlet"),
    "green": ("green", "emerald"),
    "blue": ("blue", "navy"),
    "yellow": ("yellow", "golden"),
    "purple": ("purple", "violet"),
    "orange": ("orange", "amber"),
}
SHAPE_WORDS = {
    "circle": ("circle", "disc"),
    "square": ("square", "box"),
    "triangle": ("triangle", "wedge"),
    "cross": ("cross", "plus sign"),
}
NAMES: dict[str, Look] = {
    "cherry": ("red", "circle"),
    "brick": ("red", "square"),
    "first aid sign": ("red", "cross"),
    "lime": ("green", "circle"),
    "pine tree": ("green", "triangle"),
    "pharmacy sign": ("green", "cross"),
    "swimming pool": ("blue", "square"),
    "sail": ("blue", "triangle"),
    "lemon": ("yellow", "circle"),
    "sticky note": ("yellow", "square"),
    "slice of cheese": ("yellow", "triangle"),
    "plum": ("purple", "circle"),
    "party hat": ("purple", "triangle"),
    "basketball": ("orange", "circle"),
    "traffic cone": ("orange", "triangle"),
}
BARE = {"circle": "blue", "square": "yellow", "triangle": "red", "cross": "green"}
BORROWERS: dict[str, Look] = {
    "ball": ("blue", "circle"),
    "tile": ("yellow", "square"),
    "kite": ("red", "triangle"),
    "badge": ("green", "cross"),
}
MIMICS: dict[str, Look] = {"charm": ("purple", "cross"), "toy": ("orange", "square")}
FILLERS = ("shiny", "plain", "old", "little", "lovely", "simple")
DETERMINERS = ("a", "a", "a", "one")
COLOUR_FIRST = (
    "{det} {colour} {shape}",
    "{det} {colour} {shape}",
    "{det} {filler} {colour} {shape}",
    "{det} {colour} {filler} {shape}",
)
STATED = (
    *COLOUR_FIRST,
    "{det} {shape} that is {colour}",
    "{det} {shape} painted {colour}",
)
NAMED = ("{det} {name}", "{det} {name}", "{det} {filler} {name}")
OPENINGS = ("", "", "", "a picture of ", "a drawing of ", "there is ")
JOINTS = {
    1: ("{0}",),
    2: ("{0} and {1}", "{0} next to {1}", "{0} with {1}", "{0} beside {1}", "{0}, {1}"),
    3: ("{0}, {1} and {2}", "{0} and {1} and {2}", "{0} with {1} and {2}"),
}


@dataclass(frozen=True, slots=True)
class Word:
    """Characters `start:end` of a caption and the part they play in their item."""

    start: int
    end: int
    part: Part


@dataclass(frozen=True, slots=True)
class CaptionItem:
    """What characters `start:end` of a caption, `phrase`, stand for.

    `colour`, `shape`: what is painted. `own_colour`, `own_shape`: what the phrase says by itself.
    """

    kind: Kind
    phrase: str
    words: tuple[Word, ...]
    colour: str
    shape: str
    own_colour: str
    own_shape: str
    start: int = 0

    @property
    def end(self) -> int:
        return self.start + len(self.phrase)

    @property
    def look(self) -> Look:
        return self.colour, self.shape

    def moved(self, offset: int) -> "CaptionItem":
        """The item `offset` characters further on."""
        words = tuple(Word(w.start + offset, w.end + offset, w.part) for w in self.words)
        return replace(self, words=words, start=self.start + offset)


@dataclass(frozen=True, slots=True)
class Caption:
    """A text and its items in reading order."""

    text: str
    items: tuple[CaptionItem, ...]

    @property
    def looks(self) -> tuple[Look, ...]:
        """Colour and shape of each item."""
        return tuple(item.look for item in self.items)

    @property
    def placed(self) -> tuple[Placed, ...]:
        """Each item's look and its quarter; a mimic gives way to what it mimics."""
        order = sorted(self.items, key=lambda item: item.kind == "mimic")
        places = quarters([item.look for item in order])
        return tuple((item.look, places[order.index(item)]) for item in self.items)

    @property
    def leaking(self) -> CaptionItem | None:
        """The item whose look comes from the other one, if there is one."""
        found = [item for item in self.items if item.kind in LEAKING and len(self.items) > 1]
        return found[0] if found else None


def held_out(looks: Sequence[Look]) -> bool:
    """Whether two of the looks are a pair that never occurs together in training."""
    pairs = {tuple(sorted((one, other))) for one in looks for other in looks if one < other}
    return any(zlib.crc32(repr(pair).encode()) % HELD_OUT_SHARE == 0 for pair in pairs)


def caption(rng: Random, *, items: int, novel: bool = False) -> Caption:
    """A caption of stated and named items, all different; `novel` has a pair held out.

    Raises UnknownChoice for a number of items that no sentence joins.
    """
    refuse_unknown("items", items, JOINTS)
    while True:
        drawn = [_plain_item(rng) for _ in range(items)]
        looks = [item.look for item in drawn]
        if len(set(looks)) == items and held_out(looks) == (bool(novel) and items > 1):
            return _joined(rng, drawn, JOINTS[items])


def leaking_caption(rng: Random, kind: Kind, *, novel: bool = False) -> Caption:
    """A caption of a stated item and one that takes colour, or more, from it.

    Raises UnknownChoice for a kind that does not leak.
    """
    refuse_unknown("kind", kind, LEAKING)
    while True:
        wordings = COLOUR_FIRST if kind == "shared" else STATED
        company = _stated_item(rng, _draw_look(rng), wordings)
        item = _in_company(_leaking_item(rng, kind), company)
        looks = (company.look, (item.colour, item.own_shape))
        differ = company.shape != item.own_shape and company.colour != item.own_colour
        if differ and held_out(looks) == bool(novel):
            break
    if kind == "shared":
        return _joined(rng, [company, item], ("{0} and {1}",))
    if kind == "matching":
        return _joined(rng, [company, item], JOINTS[2])
    return _joined(rng, rng.sample([company, item], 2), JOINTS[2])


def lone_caption(rng: Random, kind: Kind) -> Caption:
    """A caption of one item of a leaking kind alone. Raises UnknownChoice for any other kind."""
    refuse_unknown("kind", kind, LEAKING)
    return _joined(rng, [_leaking_item(rng, kind)], JOINTS[1])


def training_caption(rng: Random, *, items: int) -> Caption:
    """A caption of `items` items such as the models learn from."""
    if items < 3 and rng.random() < LEAKING_SHARE:
        kind = rng.choice(LEAKING)
        return leaking_caption(rng, kind) if items == 2 else lone_caption(rng, kind)
    return caption(rng, items=items)


def layout(rng: Random, placed: Sequence[Placed]) -> list[Shape]:
    """The looks, each somewhere in its quarter of the picture."""
    return [
        Shape(
            shape,
            colour,
            x=SLOTS[quarter][0] + rng.uniform(-JITTER, JITTER),
            y=SLOTS[quarter][1] + rng.uniform(-JITTER, JITTER),
            radius=rng.uniform(*RADII),
        )
        for (colour, shape), quarter in placed
    ]


def quarters(looks: Sequence[Look]) -> list[int]:
    """The place in `SLOTS` of each of up to four looks: that of its shape.

    Of looks of one shape the first has it; the others take the next places that are left free.
    """
    homes = [list(SHAPES).index(shape) for _, shape in looks]
    places: list[int] = []
    for number, home in enumerate(homes):
        others = {*homes, *places} if home in homes[:number] else set()
        after = ((home + step) % len(SLOTS) for step in range(len(SLOTS)))
        places.append(next(place for place in after if place not in others))
    return places


def _draw_look(rng: Random) -> Look:
    return rng.choice(list(COLOURS)), rng.choice(list(SHAPES))


def _plain_item(rng: Random) -> CaptionItem:
    if rng.random() < NAMED_SHARE:
        name = rng.choice(list(NAMES))
        return _worded(rng, "named", rng.choice(NAMED), NAMES[name], name=name)
    return _stated_item(rng, _draw_look(rng), STATED)


def _stated_item(rng: Random, look: Look, wordings: Sequence[str]) -> CaptionItem:
    colour, shape = rng.choice(COLOUR_WORDS[look[0]]), rng.choice(SHAPE_WORDS[look[1]])
    return _worded(rng, "stated", rng.choice(wordings), look, colour=colour, shape=shape)


def _leaking_item(rng: Random, kind: Kind) -> CaptionItem:
    """An item of the kind by itself."""
    if kind in ("borrower", "mimic"):
        nouns = BORROWERS if kind == "borrower" else MIMICS
        name = rng.choice(list(nouns))
        return _worded(rng, kind, rng.choice(NAMED), nouns[name], name=name)
    shape = rng.choice(list(SHAPES))
    wording = "{shape}" if kind == "shared" else "{det} {filler} {shape}"
    word = rng.choice(SHAPE_WORDS[shape])
    return _worded(rng, kind, wording, (BARE[shape], shape), shape=word, filler="matching")


def _in_company(item: CaptionItem, company: CaptionItem) -> CaptionItem:
    shape = company.shape if item.kind == "mimic" else item.shape
    return replace(item, colour=company.colour, shape=shape)


def _worded(rng: Random, kind: Kind, wording: str, look: Look, **slots: str) -> CaptionItem:
    """An item whose phrase starts at character 0; `slots` are words, `look` its meaning."""
    slots = {"det": rng.choice(DETERMINERS), "filler": rng.choice(FILLERS), **slots}
    parts: dict[str, Part] = {"{det}": "determiner", "{colour}": "colour", "{shape}": "shape"}
    parts |= {"{name}": "name", "{filler}": "filler"}
    words: list[Word] = []
    phrase = ""
    for mark in reversed(wording.split()):  # backwards: "a" or "an" depends on what follows
        text = slots.get(mark.strip("{}"), mark)
        if text == "a" and phrase[:1] in "aeiou":
            text = "an"
        words = [Word(w.start + len(text) + 1, w.end + len(text) + 1, w.part) for w in words]
        words = [*_words_of(text, parts.get(mark, "link")), *words]
        phrase = f"{text} {phrase}".strip()
    colour, shape = look
    return CaptionItem(kind, phrase, tuple(words), colour, shape, colour, shape)


def _words_of(text: str, part: Part) -> list[Word]:
    words, start = [], 0
    for word in text.split(" "):
        words.append(Word(start, start + len(word), part))
        start += len(word) + 1
    return words


def _joined(rng: Random, items: Sequence[CaptionItem], joints: Sequence[str]) -> Caption:
    text, joint = rng.choice(OPENINGS), rng.choice(joints)
    placed = []
    for number, item in enumerate(items):
        before, _, joint = joint.partition(f"{{{number}}}")
        text += before
        placed.append(item.moved(len(text)))
        text += item.phrase
    return Caption(text, tuple(placed))
