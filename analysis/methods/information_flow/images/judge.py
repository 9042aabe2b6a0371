"""Judges whether a picture shows an item: the bundled classifier of coloured shapes.

A verdict is shown together with what the judge detected and with the judge's accuracy. Pictures of
models other than the bundled one have no judge.

Shape legend: H, W rows and columns of pixels.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.worlds import shape_judge
from analysis.worlds.captions import BORROWERS, COLOUR_WORDS, MIMICS, NAMES, SHAPE_WORDS, Look

JUDGED_MODEL = "demo-t2i"
ACCURACY_ROW = "judge accuracy on rendered pictures"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Colour and shape that a phrase names; None for what it does not name."""

    colour: str | None
    shape: str | None

    def fits(self, look: Look) -> bool:
        return self.colour in (None, look[0]) and self.shape in (None, look[1])


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Accuracy of the judge on pictures whose content is known."""

    share: float
    pictures: int


def wanted(phrase: str) -> Wanted:
    """Colour and shape named by the words of the bundled world; both None for other words."""
    words = f" {phrase.lower()} "
    for names in (NAMES, BORROWERS, MIMICS):
        for name, (colour, shape) in names.items():
            if f" {name} " in words:
                return Wanted(colour, shape)
    return Wanted(_said(COLOUR_WORDS, words), _said(SHAPE_WORDS, words))


def detect(picture: np.ndarray) -> list[Look]:
    """Colour and shape of every object in [H, W, 3] pixels, from top to bottom."""
    return list(shape_judge.looks(picture))


def shows(seen: Sequence[Look], item: Wanted) -> bool | None:
    """Whether the item was detected; None if its words name neither colour nor shape."""
    if item == Wanted(None, None):
        return None
    return any(item.fits(look) for look in seen)


def leaks(seen: Sequence[Look], item: Wanted, others: Sequence[Wanted]) -> bool | None:
    """Whether a picture of `item` alone shows another item, or its shape in another's colour."""
    known = _looks(others)
    if not known:
        return None
    foreign = {*known, *((colour, item.shape) for colour, _ in known if colour != item.colour)}
    return any(look in foreign for look in seen)


def borrows(seen: Sequence[Look], item: Wanted, others: Sequence[Wanted]) -> bool | None:
    """Whether in a picture of all items this one has another's colour, or another replaces it.

    An object drawn twice is not leakage as long as the item itself is present.
    """
    known = _looks(others)
    if not known:
        return None
    strays = {(colour, item.shape or "") for colour, _ in known if colour != item.colour}
    strays |= set() if shows(seen, item) else set(known)
    return any(list(seen).count(stray) > known.count(stray) for stray in strays)


def _looks(items: Sequence[Wanted]) -> list[Look]:
    """Colour and shape of the items that name both."""
    return [(item.colour, item.shape) for item in items if item.colour and item.shape]


def accuracy(folder: Path) -> Accuracy | None:
    """The accuracy recorded in the model's folder; None if there is none."""
    file = folder / "report.json"
    if not file.is_file():
        return None
    rows: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    for row in rows:
        if row["name"] == ACCURACY_ROW:
            return Accuracy(float(row["share"]), int(row["items"]))
    return None


def _said(words: Mapping[str, tuple[str, ...]], phrase: str) -> str | None:
    for meaning, synonyms in words.items():
        if any(f" {word} " in phrase for word in synonyms):
            return meaning
    return None
