"""A marked pixel in each corner is found again through scaling, cropping and padding."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from transformers import (
    CLIPImageProcessorPil,
    Qwen2VLImageProcessorPil,
    SamImageProcessorPil,
    SiglipImageProcessorPil,
)
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

from analysis.errors import ModelIncompatible
from analysis.methods.seg_similarity.patch_frame import (
    PatchFrame,
    cells_of,
    frame_of,
    longest_square,
    shares,
    spread,
    whole,
)

PLAIN = {"image_mean": [0.0] * 3, "image_std": [1.0] * 3, "resample": Image.Resampling.BILINEAR}
SQUARE = {"height": 96, "width": 96}
PROCESSORS: dict[str, Any] = {
    "scaled": SiglipImageProcessorPil(size=SQUARE, **PLAIN),
    "cropped": CLIPImageProcessorPil(size={"shortest_edge": 96}, crop_size=SQUARE, **PLAIN),
    "cropped smaller": CLIPImageProcessorPil(
        size={"shortest_edge": 112}, crop_size=SQUARE, **PLAIN
    ),
    "padded": LlavaImageProcessorPil(
        size={"shortest_edge": 96}, crop_size=SQUARE, do_pad=True, **PLAIN
    ),
    "unscaled": CLIPImageProcessorPil(do_resize=False, do_center_crop=False, do_pad=False, **PLAIN),
}
SIZES = [(192, 192), (144, 240), (250, 130)]
MARK = 10  # pixels


def seen_by(name: str, picture: np.ndarray) -> np.ndarray:
    """The green of what the processor makes of the picture, rows × columns."""
    made = PROCESSORS[name](images=[Image.fromarray(picture)], return_tensors="np")
    pixels: np.ndarray = made["pixel_values"][0][1]
    return pixels


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PROCESSORS)
def test_a_mark_in_each_corner_lies_where_the_frame_says(name: str, size: tuple[int, int]) -> None:
    frame = frame_of(PROCESSORS[name], size)
    left, top = max(0.0, frame.left), max(0.0, frame.top)
    right = min(size[1], frame.left + frame.width)
    bottom = min(size[0], frame.top + frame.height)
    for x in (round(left) + 1, round(right) - MARK - 1):
        for y in (round(top) + 1, round(bottom) - MARK - 1):
            picture = np.zeros((*size, 3), np.uint8)
            picture[y : y + MARK, x : x + MARK, 1] = 255
            seen = seen_by(name, picture)
            rows, columns = seen.sum(1), seen.sum(0)
            at_y = (rows @ (np.arange(len(rows)) + 0.5)) / rows.sum() / len(rows)
            at_x = (columns @ (np.arange(len(columns)) + 0.5)) / columns.sum() / len(columns)
            assert frame.left + at_x * frame.width == pytest.approx(x + MARK / 2, abs=0.6)
            assert frame.top + at_y * frame.height == pytest.approx(y + MARK / 2, abs=0.6)


@pytest.mark.parametrize("size", SIZES)
def test_qwens_patches_divide_the_whole_picture(size: tuple[int, int]) -> None:
    assert frame_of(Qwen2VLImageProcessorPil(), size) == whole(size)


def test_segment_anything_pads_below_and_to_the_right() -> None:
    side = {"height": 64, "width": 64}
    images = SamImageProcessorPil(
        size={"longest_edge": 64}, pad_size=side, image_mean=[0.0] * 3, image_std=[1.0] * 3
    )
    picture = np.zeros((60, 100, 3), np.uint8)
    picture[50:, 90:] = 255
    seen = images(images=[Image.fromarray(picture)], return_tensors="np")["pixel_values"][0][1]
    rows, columns = seen.sum(1), seen.sum(0)
    frame = longest_square((60, 100))
    at_y = (rows @ (np.arange(64) + 0.5)) / rows.sum() / 64
    at_x = (columns @ (np.arange(64) + 0.5)) / columns.sum() / 64
    assert at_x * frame.width == pytest.approx(95, abs=0.8)
    assert at_y * frame.height == pytest.approx(55, abs=0.8)


def test_an_unknown_way_of_scaling_is_refused_by_name() -> None:
    images = CLIPImageProcessorPil(size={"longest_edge": 96}, do_center_crop=False)
    with pytest.raises(ModelIncompatible, match="longest_edge"):
        frame_of(images, (10, 20))


@pytest.mark.parametrize("size", [(16, 24), (7, 31)])
@pytest.mark.parametrize("grid", [(4, 6), (5, 3)])
def test_spreading_over_the_whole_picture_is_bilinear_scaling(
    size: tuple[int, int], grid: tuple[int, int]
) -> None:
    cells = torch.randn(2, *grid, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = torch.nn.functional.interpolate(cells[None], size, mode="bilinear")[0]
    torch.testing.assert_close(spread(cells, size, whole(size)), expected)


def test_beyond_the_frame_there_is_no_map() -> None:
    over = spread(torch.ones(1, 3, 3), (6, 12), PatchFrame(3.0, 0.0, 6.0, 6.0))[0]
    np.testing.assert_array_equal(over, np.repeat([[0, 1, 0]], 6, 0).repeat([3, 6, 3], 1))


def test_a_padded_frame_reaches_beyond_the_picture() -> None:
    cells = torch.zeros(1, 2, 2)
    cells[0, 0, 0] = 1.0
    over = spread(cells, (8, 4), PatchFrame(-2.0, 0.0, 8.0, 8.0))[0]
    assert over[1, 0] == over.max() > 0.8
    assert over[1, 3] < 0.5


@given(
    rows=st.integers(1, 5), columns=st.integers(1, 5),
    left=st.floats(-9, 9), top=st.floats(-9, 9), edge=st.floats(4, 40),
)  # fmt: skip
def test_shares_are_what_fine_sampling_counts(
    rows: int, columns: int, left: float, top: float, edge: float
) -> None:
    mask = torch.from_numpy(np.random.default_rng(0).random((12, 17)) < 0.5)
    frame = PatchFrame(left, top, edge, edge)
    found = shares(mask, (rows, columns), frame)
    fine = 64
    padded = np.zeros((100, 100))
    padded[40:52, 40:57] = mask
    for row in range(rows):
        for column in range(columns):
            y = top + edge / rows * (row + (np.arange(fine) + 0.5) / fine)
            x = left + edge / columns * (column + (np.arange(fine) + 0.5) / fine)
            counted = padded[np.floor(y).astype(int) + 40][:, np.floor(x).astype(int) + 40].mean()
            assert float(found[row, column]) == pytest.approx(counted, abs=0.05)


def test_each_pixel_is_of_the_patch_under_its_middle() -> None:
    np.testing.assert_array_equal(
        cells_of((3, 6), (1, 2), PatchFrame(1.0, 0.0, 4.0, 2.0)),
        [[-1, 0, 0, 1, 1, -1], [-1, 0, 0, 1, 1, -1], [-1] * 6],
    )
