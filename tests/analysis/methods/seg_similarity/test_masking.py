"""Blanked patches: exactly these pixels change, to what the fill says."""

from random import Random

import numpy as np
import pytest
from PIL import Image, ImageFilter

from analysis.methods.seg_similarity.masking import Fill, mask_patches, random_outside
from analysis.methods.seg_similarity.patch_frame import PatchFrame, whole

PICTURE = np.random.default_rng(0).integers(0, 256, (12, 18, 3), dtype=np.uint8)
OTHER = np.random.default_rng(1).integers(0, 256, (24, 36, 3), dtype=np.uint8)
FILLINGS = {
    "mean": np.broadcast_to(PICTURE.mean((0, 1)).round().astype(np.uint8), PICTURE.shape),
    "blur": np.asarray(Image.fromarray(PICTURE).filter(ImageFilter.GaussianBlur(6))),
    "other": np.asarray(Image.fromarray(OTHER).resize((18, 12), Image.Resampling.BILINEAR)),
}


@pytest.mark.parametrize("fill", ["mean", "blur", "other"])
def test_the_pixels_of_the_patches_alone_are_replaced(fill: Fill) -> None:
    found = mask_patches(PICTURE, [1, 5], (2, 3), whole((12, 18)), fill=fill, other=OTHER)
    expected = PICTURE.copy()
    expected[:6, 6:12] = FILLINGS[fill][:6, 6:12]
    expected[6:, 12:] = FILLINGS[fill][6:, 12:]
    np.testing.assert_array_equal(found, expected)


def test_a_cropped_pictures_patches_lie_within_its_frame() -> None:
    found = mask_patches(
        PICTURE, [0], (1, 1), PatchFrame(3.0, 0.0, 12.0, 12.0), fill="mean", other=OTHER
    )
    changed = (found != PICTURE).any(-1)
    assert not changed[:, :3].any()
    assert not changed[:, 15:].any()
    assert changed[:, 3:15].mean() > 0.9


def test_controls_are_as_many_patches_elsewhere() -> None:
    rng = Random(0)
    for _ in range(20):
        drawn = random_outside([2, 3, 4], 9, rng)
        assert len(set(drawn)) == 3
        assert not {2, 3, 4} & set(drawn)
    assert random_outside(range(7), 9, rng) == [7, 8]
    assert random_outside(range(9), 9, rng) == []
