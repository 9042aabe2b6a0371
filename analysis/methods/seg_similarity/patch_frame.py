"""The area of a picture that is divided into patches, after scaling, cropping and padding.

Shape legend: H, W rows and columns of pixels, R, C rows and columns of patches.
"""

from dataclasses import dataclass
from typing import Any

import torch

from analysis.errors import ModelIncompatible
from analysis.precision import exact


@dataclass(frozen=True)
class PatchFrame:
    """A rectangle in a picture's pixels; it extends beyond a padded picture."""

    left: float
    top: float
    width: float
    height: float

    def scaled(self, factor: float) -> "PatchFrame":
        """The same rectangle in a picture of `factor` times the size."""
        left, top = self.left * factor, self.top * factor
        return PatchFrame(left, top, self.width * factor, self.height * factor)


def whole(size: tuple[int, int]) -> PatchFrame:
    """All of a picture of height and width `size`."""
    return PatchFrame(0.0, 0.0, float(size[1]), float(size[0]))


def longest_square(size: tuple[int, int]) -> PatchFrame:
    """A square of the picture's longer side with the picture at the top left, as in Segment
    Anything.
    """
    return PatchFrame(0.0, 0.0, float(max(size)), float(max(size)))


def frame_of(images: Any, size: tuple[int, int]) -> PatchFrame:
    """The area of a picture of height and width `size` that an image processor's output shows.

    Raises ModelIncompatible for an unknown scaling method.
    """
    if hasattr(images, "merge_size"):  # Qwen-VL: scaled to whole patches
        return whole(size)
    padded = _padded(images, size)
    height, width = round(padded.height), round(padded.width)
    created = _resized(images, height, width)
    if not getattr(images, "do_center_crop", False):
        return padded
    crop = int(images.crop_size["height"]), int(images.crop_size["width"])
    down, across = height / created[0], width / created[1]  # picture pixels per made pixel
    return PatchFrame(
        padded.left + across * ((created[1] - crop[1]) // 2),
        padded.top + down * ((created[0] - crop[0]) // 2),
        across * crop[1],
        down * crop[0],
    )


def _padded(images: Any, size: tuple[int, int]) -> PatchFrame:
    """LLaVA's padding: the picture in the centre of a square."""
    height, width = size
    if not getattr(images, "do_pad", False):
        return whole(size)
    side = max(size)
    return PatchFrame(-float((side - width) // 2), -float((side - height) // 2), side, side)


def _resized(images: Any, height: int, width: int) -> tuple[int, int]:
    """Height and width after scaling."""
    if not images.do_resize:
        return height, width
    asked = dict(images.size)
    if asked.get("height") and asked.get("width"):
        return int(asked["height"]), int(asked["width"])
    short = asked.get("shortest_edge")
    if not short or asked.get("longest_edge"):
        named = {name: edge for name, edge in asked.items() if edge}
        raise ModelIncompatible(
            f"{type(images).__name__} scales pictures to {named}, for which the pixels of a patch "
            "are unknown.",
            remedy="Choose a LLaVA 1.5, Qwen2-VL, Qwen2.5-VL, Gemma 3 or PaliGemma model.",
            field="model",
        )
    long = int(short * max(height, width) / min(height, width))
    return (int(short), long) if height <= width else (long, int(short))


def cells_of(size: tuple[int, int], grid: tuple[int, int], frame: PatchFrame) -> torch.Tensor:
    """The patch at the centre of each pixel, int64 [H, W]; −1 outside the frame."""
    row_H = _cell(size[0], grid[0], frame.top, frame.height)
    column_W = _cell(size[1], grid[1], frame.left, frame.width)
    cells_HW = row_H[:, None] * grid[1] + column_W
    return torch.where((row_H[:, None] < 0) | (column_W < 0), -1, cells_HW)


def _cell(pixels: int, cells: int, start: float, length: float) -> torch.Tensor:
    at = ((torch.arange(pixels, dtype=torch.float64) + 0.5 - start) / length * cells).floor()
    return torch.where((at < 0) | (at >= cells), -1, at).long()


def shares(mask_HW: torch.Tensor, grid: tuple[int, int], frame: PatchFrame) -> torch.Tensor:
    """The share of each patch's area that a mask covers, [R, C]."""
    mask = exact(mask_HW)
    down_RH = _overlap(mask.shape[0], grid[0], frame.top, frame.height)
    across_CW = _overlap(mask.shape[1], grid[1], frame.left, frame.width)
    area = (frame.height / grid[0]) * (frame.width / grid[1])
    return down_RH @ mask @ across_CW.T / area


def _overlap(pixels: int, cells: int, start: float, length: float) -> torch.Tensor:
    """How much of each pixel each cell covers along one axis, [cells, pixels]."""
    edges = start + length / cells * torch.arange(cells + 1, dtype=torch.float64)[:, None]
    at = torch.arange(pixels, dtype=torch.float64)
    return (torch.minimum(edges[1:], at + 1) - torch.maximum(edges[:-1], at)).clamp_min(0)


def spread(cells_NRC: torch.Tensor, size: tuple[int, int], frame: PatchFrame) -> torch.Tensor:
    """Values of patches over a picture of height and width `size`, bilinear, [N, H, W].

    Values outside the frame are 0.
    """
    down = _sampled(size[0], frame.top, frame.height)
    across = _sampled(size[1], frame.left, frame.width)
    at_HW2 = torch.stack(torch.broadcast_tensors(across, down[:, None]), -1).to(cells_NRC.dtype)
    over_NHW = torch.nn.functional.grid_sample(
        cells_NRC[None], at_HW2[None], padding_mode="border", align_corners=False
    )[0]
    return over_NHW * ((down.abs()[:, None] <= 1) & (across.abs() <= 1))


def _sampled(pixels: int, start: float, length: float) -> torch.Tensor:
    """The centres of pixels along one axis, where −1 and 1 are the frame's ends."""
    return (torch.arange(pixels, dtype=torch.float64) + 0.5 - start) / length * 2 - 1
