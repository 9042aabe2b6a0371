"""Mask patches of a picture, to measure which ones an answer depends on.

Shape legend: H, W rows and columns of pixels.
"""

from collections.abc import Sequence
from random import Random
from typing import Literal

import numpy as np
from PIL import Image, ImageFilter

from analysis.methods.seg_similarity.patch_frame import PatchFrame, cells_of

Fill = Literal["mean", "blur", "other"]


def mask_patches(
    picture: np.ndarray,
    cells: Sequence[int],
    grid: tuple[int, int],
    frame: PatchFrame,
    *,
    fill: Fill,
    other: np.ndarray,
) -> np.ndarray:
    """The picture, [H, W, 3] uint8, with the pixels of these patches replaced.

    mean: the picture's mean colour. blur: a Gaussian blur as wide as a patch. other: the same patch
    of another picture, scaled to this one's size.
    """
    size = (picture.shape[0], picture.shape[1])
    within_HW = np.isin(cells_of(size, grid, frame).numpy(), list(cells))
    return np.where(within_HW[..., None], _filling(picture, grid, frame, fill, other), picture)


def _filling(
    picture: np.ndarray, grid: tuple[int, int], frame: PatchFrame, fill: Fill, other: np.ndarray
) -> np.ndarray:
    if fill == "mean":
        colour: np.ndarray = picture.mean((0, 1)).round().astype(np.uint8)
        return colour
    if fill == "blur":
        radius = max(frame.height / grid[0], frame.width / grid[1])
        return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius)))
    size = (picture.shape[1], picture.shape[0])
    return np.asarray(Image.fromarray(other).resize(size, Image.Resampling.BILINEAR))


def random_outside(cells: Sequence[int], patches: int, rng: Random) -> list[int]:
    """The same number of other patches, or all others if there are fewer."""
    outside = sorted(set(range(patches)) - set(cells))
    return sorted(rng.sample(outside, min(len(cells), len(outside))))
