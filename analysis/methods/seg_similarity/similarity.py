"""Similarity of a token's state to the states of the picture's patches, layer by layer.

Source: "Reasoning to Attend" (READ, arXiv 2412.17741): S_j = ⟨h_j, h_q⟩, a raw dot product of the
residual stream. The other scores remove what all patches have in common.

Shape legend: L layers, Q queries, P patches row by row (R rows × C columns), D state width,
S scores, H, W pixel rows and columns, M measures.
"""

from dataclasses import dataclass

import torch
from scipy.stats import spearmanr
from torch.nn import functional as F

from analysis.methods.seg_similarity.patch_frame import PatchFrame, shares, spread, whole
from analysis.precision import exact

SCORES = ("dot", "cosine", "centred", "z_scored", "minus_neutral")
MEASURES = ("auc", "iou", "iou_sigma", "iou_area", "pointing")
INSIDE_SHARE = 0.25  # minimum share of a patch covered by the mask for the patch to count as inside
THRESHOLD = 0.5  # of a map's range
SIGMAS = 0.5  # standard deviations above the mean, the alternative threshold
MEASURED_SIDE = 256  # length of the longer side in pixels at which overlaps are measured


@dataclass(frozen=True)
class Patches:
    """States of the patches, with the values that all queries use."""

    states_LPD: torch.Tensor
    own_LPD: torch.Tensor  # minus the mean over patches
    mean_L1D: torch.Tensor
    weight_L1D: torch.Tensor  # 1 / variance over patches; 0 if it is constant
    lengths_LP: torch.Tensor

    @classmethod
    def prepare(cls, states_LPD: torch.Tensor) -> "Patches":
        mean_L1D = states_LPD.mean(1, keepdim=True)
        spread_L1D = states_LPD.std(1, keepdim=True, correction=0)
        # A dimension that is constant over patches carries no information.
        weight_L1D = torch.where(spread_L1D > 0, spread_L1D, torch.inf).square().reciprocal()
        return cls(states_LPD, states_LPD - mean_L1D, mean_L1D, weight_L1D, states_LPD.norm(dim=-1))


def similarity(
    patches: Patches, queries_LQD: torch.Tensor, neutral_LD: torch.Tensor
) -> torch.Tensor:
    """Scores of every patch for each query, [Q, S, L, P].

    dot: ⟨h_j, h_q⟩. cosine: of their directions. centred: ⟨h_j − μ, h_q − μ⟩, μ the mean over
    patches. z_scored: centred, and each dimension divided by its standard deviation over patches.
    minus_neutral: ⟨h_j, h_q − h_n⟩, h_n the state of a neutral token.
    """
    asked_LQD = queries_LQD - patches.mean_L1D
    lengths_LQ1 = queries_LQD.norm(dim=-1)[..., None] * patches.lengths_LP[:, None]
    dot_LQP = _products(patches.states_LPD, queries_LQD)
    scores = (
        dot_LQP,
        dot_LQP / lengths_LQ1.clamp_min(torch.finfo(dot_LQP.dtype).tiny),
        _products(patches.own_LPD, asked_LQD),
        _products(patches.own_LPD, asked_LQD * patches.weight_L1D),
        dot_LQP - _products(patches.states_LPD, neutral_LD[:, None]),
    )
    return torch.stack(scores).permute(2, 0, 1, 3)


def _products(states_LPD: torch.Tensor, queries_LQD: torch.Tensor) -> torch.Tensor:
    return queries_LQD @ states_LPD.mT


def unit_maps(maps_SLP: torch.Tensor) -> torch.Tensor:
    """Scale each map to the range 0 to 1; a constant map becomes 0."""
    low, high = maps_SLP.amin(-1, keepdim=True), maps_SLP.amax(-1, keepdim=True)
    return (maps_SLP - low) / (high - low).clamp_min(torch.finfo(maps_SLP.dtype).tiny)


def spread_maps(
    maps_SLP: torch.Tensor,
    grid: tuple[int, int],
    size: tuple[int, int],
    frame: PatchFrame | None = None,
) -> torch.Tensor:
    """Maps scaled to the range 0 to 1 and interpolated bilinearly, [S, L, H, W]."""
    cells_SLRC = unit_maps(maps_SLP).unflatten(-1, grid)
    over_NHW = spread(cells_SLRC.flatten(0, 1), size, frame or whole(size))
    over_SLHW: torch.Tensor = over_NHW.unflatten(0, maps_SLP.shape[:2])
    return over_SLHW


def threshold_mask(
    map_P: torch.Tensor,
    grid: tuple[int, int],
    size: tuple[int, int],
    frame: PatchFrame | None = None,
) -> torch.Tensor:
    """The pixels above half of the map's range, [H, W]."""
    over_HW: torch.Tensor = spread_maps(map_P[None, None], grid, size, frame)[0, 0]
    return over_HW > THRESHOLD


def inside_patches(
    mask_HW: torch.Tensor, grid: tuple[int, int], frame: PatchFrame | None = None
) -> torch.Tensor:
    """Patches of which the mask covers at least a quarter, [P]; for a tiny mask, the patch it
    covers most.
    """
    size = (mask_HW.shape[0], mask_HW.shape[1])
    share_P = shares(mask_HW, grid, frame or whole(size)).flatten()
    inside_P = share_P >= INSIDE_SHARE - 1e-9
    if share_P.any() and not inside_P.any():
        inside_P[share_P.argmax()] = True
    return inside_P


def measures(
    maps_SLP: torch.Tensor,
    mask_HW: torch.Tensor,
    grid: tuple[int, int],
    frame: PatchFrame | None = None,
) -> torch.Tensor:
    """Agreement of maps with a mask, [M, S, L], all from 0 to 1.

    auc: how often a patch inside scores above one outside; ties count half. iou: IoU of the mask
    and the pixels above half of the map's range. iou_sigma: the same with the pixels above μ + σ/2
    of the patches. iou_area: the same with as many of the highest pixels as the mask has. pointing:
    whether the highest patch is inside. Overlaps are measured on a picture whose longer side is at
    most `MEASURED_SIDE`.
    """
    frame = frame or whole((mask_HW.shape[0], mask_HW.shape[1]))
    inside_P = inside_patches(mask_HW, grid, frame)
    auc_SL = _areas_under_curve(maps_SLP, inside_P)
    pointing_SL = exact(inside_P[maps_SLP.argmax(-1)])
    small_HW, factor = _measured(mask_HW)
    size = (small_HW.shape[0], small_HW.shape[1])
    over_SLHW = spread_maps(maps_SLP, grid, size, frame.scaled(factor))
    unit_SLP = unit_maps(maps_SLP)
    above_SL = unit_SLP.mean(-1) + SIGMAS * unit_SLP.std(-1, correction=0)
    kept = max(1, int(small_HW.sum()))
    highest_SL = over_SLHW.flatten(2).topk(kept, -1).values[..., -1]
    ious = (
        overlap(over_SLHW > THRESHOLD, small_HW),
        overlap(over_SLHW > above_SL[..., None, None], small_HW),
        overlap(over_SLHW >= highest_SL[..., None, None], small_HW),
    )
    return torch.stack([auc_SL, *ious, pointing_SL]).nan_to_num(0.0).float()


def _areas_under_curve(maps_SLP: torch.Tensor, inside_P: torch.Tensor) -> torch.Tensor:
    inside, outside = maps_SLP[..., inside_P, None], maps_SLP[..., None, ~inside_P]
    return (exact(inside > outside) + 0.5 * (inside == outside)).mean((-2, -1))


def _measured(mask_HW: torch.Tensor) -> tuple[torch.Tensor, float]:
    """The mask at the size at which overlaps are measured, and the scale."""
    longest = max(mask_HW.shape)
    if longest <= MEASURED_SIDE:
        return mask_HW, 1.0
    factor = MEASURED_SIDE / longest
    size = [max(1, round(side * factor)) for side in mask_HW.shape]
    return F.interpolate(mask_HW[None, None].float(), size, mode="area")[0, 0] >= 0.5, factor


def overlap(one_HW: torch.Tensor, other_HW: torch.Tensor) -> torch.Tensor:
    """Intersection over union of masks [..., H, W]; 0 if both are empty."""
    both = exact((one_HW & other_HW).sum((-2, -1)))
    either = exact((one_HW | other_HW).sum((-2, -1)))
    return both / either.clamp_min(1)


def rank_correlation(one_N: torch.Tensor, other_N: torch.Tensor) -> float:
    """Spearman's rank correlation; 0 if one of the maps is constant."""
    if one_N.min() == one_N.max() or other_N.min() == other_N.max():
        return 0.0
    return float(spearmanr(exact(one_N).numpy(), exact(other_N).numpy()).statistic)
