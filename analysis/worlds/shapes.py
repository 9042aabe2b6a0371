"""Coloured shapes on a plain ground: what every picture of the image worlds is drawn from.

Shape legend: H, W pixel rows and columns of the picture.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (220, 40, 40),
    "green": (40, 160, 60),
    "blue": (45, 85, 225),
    "yellow": (240, 205, 30),
    "purple": (140, 60, 180),
    "orange": (245, 130, 20),
}
GROUNDS: dict[str, tuple[int, int, int]] = {
    "white": (250, 250, 250),
    "grey": (150, 150, 150),
    "black": (15, 15, 15),
}
# Corners in units of the radius, y downwards; a circle has none.
SHAPES: dict[str, tuple[tuple[float, float], ...]] = {
    "circle": (),
    "square": ((-0.86, -0.86), (0.86, -0.86), (0.86, 0.86), (-0.86, 0.86)),
    "triangle": ((0.0, -1.0), (0.95, 0.8), (-0.95, 0.8)),
    "cross": (
        (-0.33, -1.0), (0.33, -1.0), (0.33, -0.33), (1.0, -0.33), (1.0, 0.33), (0.33, 0.33),
        (0.33, 1.0), (-0.33, 1.0), (-0.33, 0.33), (-1.0, 0.33), (-1.0, -0.33), (-0.33, -0.33),
    ),
}  # fmt: skip
_OVERSAMPLING = 4


@dataclass(frozen=True, slots=True)
class Shape:
    """One thing in a picture: `x`, `y` of its centre and `radius`, in pixels."""

    shape: str
    colour: str
    x: float
    y: float
    radius: float


def coverage(thing: Shape, size: int) -> Float[np.ndarray, "H W"]:
    """The share of each pixel of a `size` × `size` picture that the thing covers, 0 to 1."""
    fine = Image.new("L", (size * _OVERSAMPLING, size * _OVERSAMPLING))
    draw = ImageDraw.Draw(fine)
    x, y, radius = (value * _OVERSAMPLING for value in (thing.x, thing.y, thing.radius))
    corners = SHAPES[thing.shape]
    if corners:
        draw.polygon([(x + radius * across, y + radius * down) for across, down in corners], fill=1)
    else:
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1)
    cells = np.asarray(fine, dtype=np.float32)
    shares: np.ndarray = cells.reshape(size, _OVERSAMPLING, size, _OVERSAMPLING).mean(axis=(1, 3))
    return shares


def picture(things: list[Shape], *, ground: str, size: int) -> UInt8[np.ndarray, "H W 3"]:
    """The things painted one over the other, the last on top."""
    pixels = np.full((size, size, 3), GROUNDS[ground], dtype=np.float32)
    for thing in things:
        share = coverage(thing, size)[..., None]
        pixels += share * (np.array(COLOURS[thing.colour], dtype=np.float32) - pixels)
    return pixels.round().astype(np.uint8)
