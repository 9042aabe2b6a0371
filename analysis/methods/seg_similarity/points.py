"""Select patches of a similarity map as points that prompt a mask decoder.

Source: "Reasoning to Attend" (READ, arXiv 2412.17741). The paper selects patches by their distance
from the mean in standard deviations; its released code halves the grid first and uses fixed shares
of the range. Both are implemented.

Shape legend: P patches row by row, R, C their rows and columns, T points, H, W pixels.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch.nn import functional as F

from analysis.methods.seg_similarity.patch_frame import PatchFrame
from analysis.methods.seg_similarity.similarity import spread_maps, unit_maps
from analysis.precision import exact

Variant = Literal["paper", "code"]
POSITIVE, NEGATIVE = 0.8, 0.2  # of the map's range, in the released code
REACH = 6  # pixels around a point; those farther away have weights below 1e-15


@dataclass(frozen=True)
class Points:
    """`labels_T`: 1 inside, 0 outside, −1 undecided. Coordinates are x, y in the picture's
    pixels.
    """

    labels_T: torch.Tensor
    centres_T2: torch.Tensor
    continuous_T2: torch.Tensor


def select_points(
    map_P: torch.Tensor,
    grid: tuple[int, int],
    size: tuple[int, int],
    frame: PatchFrame,
    *,
    variant: Variant,
    count: int,
    sigmas: float,
) -> Points:
    """At most `count` points: the highest positive ones first, then the lowest, then the rest.

    paper: positive from μ + `sigmas`·σ, negative up to μ − `sigmas`·σ. code: on the halved grid,
    positive from 0.8 of the range, negative up to 0.2. Points outside the picture are omitted.
    """
    cells_RC = exact(map_P).reshape(grid)
    if variant == "code":
        half = (max(1, grid[0] // 2), max(1, grid[1] // 2))
        cells_RC = F.interpolate(cells_RC[None, None], half, mode="bilinear")[0, 0]
    labels_RC = _labels(cells_RC, variant, sigmas)
    centres_RC2 = _centres(cells_RC.shape[0], cells_RC.shape[1], frame)
    order_T = [n for n in _order(cells_RC, labels_RC) if _within(centres_RC2, n, size)][:count]
    centres_T2 = centres_RC2.flatten(0, 1)[order_T]
    unit_HW = spread_maps(exact(map_P)[None, None], grid, size, frame)[0, 0]
    moved = [_continuous(unit_HW, point_2) for point_2 in centres_T2]
    return Points(
        labels_RC.flatten()[order_T],
        centres_T2,
        torch.stack(moved) if moved else centres_T2,
    )


def _labels(cells_RC: torch.Tensor, variant: Variant, sigmas: float) -> torch.Tensor:
    if variant == "paper":
        mean, deviation = cells_RC.mean(), sigmas * cells_RC.std(correction=0)
        low, high, values_RC = mean - deviation, mean + deviation, cells_RC
    else:
        low, high = torch.tensor(NEGATIVE), torch.tensor(POSITIVE)
        values_RC = unit_maps(cells_RC.flatten()).reshape(cells_RC.shape)
    if cells_RC.min() == cells_RC.max():
        return torch.full_like(cells_RC, -1, dtype=torch.long)  # a constant map has no points
    undecided = torch.where(values_RC <= low, 0, -1)
    return torch.where(values_RC >= high, 1, undecided)


def _order(cells_RC: torch.Tensor, labels_RC: torch.Tensor) -> list[int]:
    """Positive points in descending order, negative ones in ascending order, then the rest."""
    values, labels = cells_RC.flatten().tolist(), labels_RC.flatten().tolist()
    rank = {1: 0, 0: 1, -1: 2}
    keys = [
        (rank[label], -value if label == 1 else value if label == 0 else 0.0)
        for value, label in zip(values, labels, strict=True)
    ]
    return sorted(range(len(keys)), key=keys.__getitem__)


def _centres(rows: int, columns: int, frame: PatchFrame) -> torch.Tensor:
    """x, y of the centre of each cell, [R, C, 2]."""
    x = frame.left + frame.width * (torch.arange(columns, dtype=torch.float64) + 0.5) / columns
    y = frame.top + frame.height * (torch.arange(rows, dtype=torch.float64) + 0.5) / rows
    return torch.stack([x.expand(rows, -1), y[:, None].expand(-1, columns)], -1)


def _within(centres_RC2: torch.Tensor, cell: int, size: tuple[int, int]) -> bool:
    x, y = centres_RC2.flatten(0, 1)[cell].tolist()
    return bool(0 <= x < size[1] and 0 <= y < size[0])


def _continuous(unit_HW: torch.Tensor, point_2: torch.Tensor) -> torch.Tensor:
    """ĉ = Σ gᵢ w̃ᵢ over the pixels gᵢ: exp(−‖gᵢ − c‖²) times the softmax of the unit map.

    The softmax's sum cancels when the weights are normalised.
    """
    left, top = (max(0, int(at) - REACH) for at in point_2.tolist())
    part = unit_HW[top : top + 2 * REACH + 1, left : left + 2 * REACH + 1]
    x = left + 0.5 + torch.arange(part.shape[1], dtype=torch.float64)
    y = top + 0.5 + torch.arange(part.shape[0], dtype=torch.float64)
    apart = (x - point_2[0]).square() + (y - point_2[1])[:, None].square()
    weights = (part - apart).flatten().softmax(0).reshape(part.shape)
    return torch.stack([(weights.sum(0) * x).sum(), (weights.sum(1) * y).sum()])
