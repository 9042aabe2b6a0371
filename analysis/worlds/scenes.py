"""Scenes of coloured shapes, what can be said of them, and which pixels it means.

A scene is a list of things on a plain ground. Words alone describe a thing: one of
three sizes, its colour, its shape and one of nine places. Centres are on a lattice and none on the
border of two places, so that each word is either right or wrong. The lattice also spares a small
tower: shapes then meet its patches in few ways.

Shape legend: H, W pixel rows and columns of the picture.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Int8, UInt8

from analysis.worlds.choices import refuse_unknown
from analysis.worlds.shapes import COLOURS, GROUNDS, SHAPES, Shape, coverage

SIZE = 64  # pixels of a side
RADII: dict[str, float] = {"small": 5.5, "medium": 8.5, "large": 12.0}  # pixels
LATTICE = 4  # pixels between the places that a centre can take
ROWS, COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")
THINGS = (2, 5)  # in a scene, at least and at most
MOST_THINGS = 8  # that a scene has room for, whatever their sizes
HELD_OUT_SHARE = 10  # one set of things in ten never occurs in training
_TRIES = 40  # at a place for a thing, before the scene is begun again

Split = Literal["train", "held out"]


@dataclass(frozen=True, slots=True)
class Thing:
    """A shape with the word for its size."""

    drawn: Shape
    size: str

    @property
    def colour(self) -> str:
        """The word for its colour."""
        return self.drawn.colour

    @property
    def shape(self) -> str:
        """The word for its shape."""
        return self.drawn.shape

    @property
    def place(self) -> str:
        """Its cell of three rows by three columns: "top left", "middle centre"."""
        row, column = (int(at * 3 // SIZE) for at in (self.drawn.y, self.drawn.x))
        return f"{ROWS[row]} {COLUMNS[column]}"

    @property
    def area(self) -> float:
        """Square pixels that it covers, were it alone."""
        return AREAS[self.shape] * self.drawn.radius**2

    def __str__(self) -> str:
        return f"{self.size} {self.colour} {self.shape}"


@dataclass(frozen=True)
class Scene:
    """Things on a plain ground, the last on top."""

    things: tuple[Thing, ...]
    ground: str

    @property
    def held_out(self) -> bool:
        """Whether a scene with these shapes in these colours is kept out of training."""
        inventory = sorted(f"{thing.colour} {thing.shape}" for thing in self.things)
        return zlib.crc32("|".join(inventory).encode()) % HELD_OUT_SHARE == 0

    @cached_property
    def _layers(self) -> tuple[UInt8[np.ndarray, "H W 3"], Int8[np.ndarray, "H W"]]:
        pixels = np.full((SIZE, SIZE, 3), GROUNDS[self.ground], dtype=np.float32)
        owner_HW = np.full((SIZE, SIZE), -1, dtype=np.int8)
        for index, thing in enumerate(self.things):
            share_HW = coverage(thing.drawn, SIZE)
            pixels += share_HW[..., None] * (
                np.array(COLOURS[thing.colour], dtype=np.float32) - pixels
            )
            owner_HW[share_HW >= 0.5] = index
        return pixels.round().astype(np.uint8), owner_HW

    @property
    def picture(self) -> UInt8[np.ndarray, "H W 3"]:
        """The pixels, as `analysis.worlds.shapes.picture` paints them."""
        return self._layers[0]

    @property
    def owner(self) -> Int8[np.ndarray, "H W"]:
        """Per pixel the index of the topmost thing that covers half of it or more, else −1."""
        return self._layers[1]

    def mask(self, index: int) -> Bool[np.ndarray, "H W"]:
        """The pixels at which the thing of that index is seen."""
        mask_HW: np.ndarray = self.owner == index
        return mask_HW


def scene(rng: Random, *, split: Split = "train", things: tuple[int, int] = THINGS) -> Scene:
    """A scene of that split; few colours and shapes recur, so that things must be compared.

    Raises UnknownChoice for another split, and for a number of things that no scene has room for.
    """
    refuse_unknown("split", split, get_args(Split))
    for number in things:
        refuse_unknown("things", number, range(1, MOST_THINGS + 1))
    while True:
        found = _scene(rng, rng.randint(*things))
        if found is not None and found.held_out == (split == "held out"):
            return found


def _scene(rng: Random, count: int) -> Scene | None:
    """`count` things in places that do not hide each other; None if no place was found."""
    colours, shapes = rng.sample(sorted(COLOURS), 3), rng.sample(sorted(SHAPES), 3)
    placed: list[Thing] = []
    for _ in range(count):
        size, colour, shape = rng.choice(list(RADII)), rng.choice(colours), rng.choice(shapes)
        places = _places(rng, RADII[size], [thing.drawn for thing in placed])
        place = next(places, None)
        if place is None:
            return None
        placed.append(Thing(Shape(shape, colour, *place, RADII[size]), size))
    return Scene(tuple(placed), rng.choice(list(GROUNDS)))


def _places(rng: Random, radius: float, others: list[Shape]) -> Iterator[tuple[float, float]]:
    """Centres at which a thing lies inside the picture and hides nothing, nor is hidden."""
    first, last = math.ceil(radius / LATTICE), math.floor((SIZE - radius) / LATTICE)
    for _ in range(_TRIES):
        x, y = (float(LATTICE * rng.randint(first, last)) for _ in "xy")
        if all(_seen_beside(x, y, radius, other) for other in others):
            yield x, y


def _seen_beside(x: float, y: float, radius: float, other: Shape) -> bool:
    """Whether the smaller one's centre lies outside the larger one, by a third of its radius."""
    small, large = sorted((radius, other.radius))
    return math.hypot(x - other.x, y - other.y) >= large + 0.35 * small


def _area(shape: str) -> float:
    """The area of a shape of radius 1, by the shoelace formula; a circle has no corners."""
    corners = SHAPES[shape]
    if not corners:
        return math.pi
    return 0.5 * abs(sum(x * y_next - x_next * y for (x, y), (x_next, y_next) in _pairs(corners)))


def _pairs(
    corners: tuple[tuple[float, float], ...],
) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
    return zip(corners, corners[1:] + corners[:1], strict=True)


AREAS = {shape: _area(shape) for shape in SHAPES}
