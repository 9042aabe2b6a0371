"""Says which coloured shapes a picture shows: the judge of the pictures of `demo-t2i`.

Each pixel is taken for the colour (or the ground) nearest to it. A connected region of one colour
is then compared with each shape, drawn at the place and of the area at which it would cover what
the region covers; the similarity is the overlap of the two covers (intersection over union).

Shape legend: H, W pixel rows and columns, K palette entries.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage

from analysis.worlds.captions import GROUND, Look
from analysis.worlds.shapes import COLOURS, GROUNDS, SHAPES, Shape, coverage

MIN_AREA, MAX_AREA = 25.0, 200.0  # pixels; shapes are drawn from 44 to 117
MIN_OVERLAP = 0.6  # half-drawn shapes and smears stay below
PALETTE: Float[np.ndarray, "K 3"] = np.array([GROUNDS[GROUND], *COLOURS.values()], dtype=np.float32)
UNIT_RADIUS = 12.0


@dataclass(frozen=True, slots=True)
class Detection:
    """A shape found in a picture; `overlap` is its similarity to the exact shape, 0 to 1."""

    thing: Shape
    overlap: float

    @property
    def look(self) -> Look:
        return self.thing.colour, self.thing.shape


def _unit(shape: str) -> tuple[float, float]:
    """Area of a shape of radius 1, and how far its centre of mass lies below its centre."""
    size = int(4 * UNIT_RADIUS)
    cover_HW = coverage(Shape(shape, "red", size / 2, size / 2, UNIT_RADIUS), size)
    rows = np.arange(size) + 0.5
    below = float((cover_HW.sum(axis=1) @ rows) / cover_HW.sum() - size / 2) / UNIT_RADIUS
    return float(cover_HW.sum()) / UNIT_RADIUS**2, below


UNITS = {shape: _unit(shape) for shape in SHAPES}


def detections(pixels: UInt8[np.ndarray, "H W 3"]) -> list[Detection]:
    """The shapes that a picture on the `GROUND` shows, from top to bottom."""
    values = pixels.astype(np.float32)
    nearest_HW = ((values[:, :, None] - PALETTE) ** 2).sum(-1).argmin(-1)
    found: list[Detection] = []
    for number, colour in enumerate(COLOURS, start=1):
        regions_HW, count = ndimage.label(nearest_HW == number)
        for region in range(1, count + 1):
            detection = _recognise(values, regions_HW == region, colour)
            found += [] if detection is None else [detection]
    return sorted(found, key=lambda detection: (detection.thing.y, detection.thing.x))


def _recognise(
    values: Float[np.ndarray, "H W 3"], region_HW: Bool[np.ndarray, "H W"], colour: str
) -> Detection | None:
    """The shape most like a region, or None for one too small or like none of them."""
    if region_HW.sum() < MIN_AREA / 2:
        return None
    cover_HW = _cover(values, region_HW, colour)
    area = float(cover_HW.sum())
    if not MIN_AREA <= area <= MAX_AREA:
        return None
    best = max(
        (_compare(cover_HW, area, shape, colour) for shape in SHAPES), key=lambda s: s.overlap
    )
    return best if best.overlap >= MIN_OVERLAP else None


def _cover(
    values: Float[np.ndarray, "H W 3"], region_HW: Bool[np.ndarray, "H W"], colour: str
) -> Float[np.ndarray, "H W"]:
    """How much of each pixel in or next to the region has the colour and not the ground."""
    ground, paint = PALETTE[0], np.array(COLOURS[colour], dtype=np.float32)
    share_HW = (values - ground) @ (paint - ground) / ((paint - ground) ** 2).sum()
    near_HW = ndimage.binary_dilation(region_HW, structure=np.ones((3, 3)))
    cover_HW: np.ndarray = np.where(near_HW, share_HW.clip(0, 1), 0)
    return cover_HW


def _compare(cover_HW: Float[np.ndarray, "H W"], area: float, shape: str, colour: str) -> Detection:
    """The shape drawn with the same area and centre of mass, and its overlap with the cover."""
    unit_area, below = UNITS[shape]
    radius = (area / unit_area) ** 0.5
    rows, columns = np.arange(cover_HW.shape[0]) + 0.5, np.arange(cover_HW.shape[1]) + 0.5
    x, y = float(cover_HW.sum(axis=0) @ columns) / area, float(cover_HW.sum(axis=1) @ rows) / area
    thing = Shape(shape, colour, x, y - below * radius, radius)
    drawn_HW = coverage(thing, len(cover_HW))
    overlap = np.minimum(cover_HW, drawn_HW).sum() / np.maximum(cover_HW, drawn_HW).sum()
    return Detection(thing, float(overlap))


def looks(pixels: UInt8[np.ndarray, "H W 3"]) -> list[Look]:
    """Colour and shape of all that a picture shows."""
    return [detection.look for detection in detections(pixels)]


def shows(pixels: UInt8[np.ndarray, "H W 3"], wanted: Sequence[Look]) -> bool:
    """Whether a picture shows all of `wanted`, as many times as they are wanted."""
    return not Counter(wanted) - Counter(looks(pixels))
