"""Where a token looks: its state against the states of the picture's patches, layer by layer.

Source: "Reasoning to Attend" (READ, arXiv 2412.17741): S_j = ⟨h_j, h_q⟩, a raw dot product of
the residual stream. What else is offered takes away what all patches have in common.

Shape legend: L layers, P patches row by row (R rows × C columns), D state width, S scores,
H, W pixel rows and columns, M measures.
"""

import torch
from torch.nn import functional as F

SCORES = ("dot", "cosine", "centred", "z_scored")
MEASURES = ("auc", "iou", "pointing")
INSIDE_SHARE = 0.25  # of a patch that the mask fills, for the patch to be within it
THRESHOLD = 0.5  # of a map between its least and its greatest value


def similarity(patches_LPD: torch.Tensor, query_LD: torch.Tensor) -> torch.Tensor:
    """Scores of every patch, [S, L, P].

    dot: ⟨h_j, h_q⟩. cosine: of their directions. centred: ⟨h_j − μ, h_q − μ⟩, μ the mean over
    patches. z_scored: likewise, each dimension divided by its standard deviation over patches.
    """
    mean_L1D = patches_LPD.mean(1, keepdim=True)
    spread_L1D = patches_LPD.std(1, keepdim=True, correction=0)
    own_LPD, query_L1D = patches_LPD - mean_L1D, query_LD[:, None]
    asked_L1D = query_L1D - mean_L1D
    directions_LPD = F.normalize(patches_LPD, dim=-1), F.normalize(query_L1D, dim=-1)
    # A dimension that is the same in all patches tells none from another.
    weight_L1D = torch.where(spread_L1D > 0, spread_L1D, torch.inf).square().reciprocal()
    products = (
        patches_LPD * query_L1D,
        directions_LPD[0] * directions_LPD[1],
        own_LPD * asked_L1D,
        own_LPD * asked_L1D * weight_L1D,
    )
    return torch.stack([product.sum(-1) for product in products])


def spread_maps(
    maps_SLP: torch.Tensor, grid: tuple[int, int], size: tuple[int, int]
) -> torch.Tensor:
    """Maps between 0 and 1 (each from its least to its greatest value), bilinear, [S, L, H, W]."""
    low, high = maps_SLP.amin(-1, keepdim=True), maps_SLP.amax(-1, keepdim=True)
    unit_SLP = (maps_SLP - low) / (high - low).clamp_min(torch.finfo(maps_SLP.dtype).tiny)
    cells_SLRC = unit_SLP.unflatten(-1, grid)
    return F.interpolate(cells_SLRC, size=size, mode="bilinear", align_corners=False)


def threshold_mask(
    map_P: torch.Tensor, grid: tuple[int, int], size: tuple[int, int]
) -> torch.Tensor:
    """The pixels above half of the way from the map's least to its greatest value, [H, W]."""
    return spread_maps(map_P[None, None], grid, size)[0, 0] > THRESHOLD


def inside_patches(mask_HW: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """Which patches the mask fills to a quarter, [P]; of a tiny mask, the one it fills most."""
    share_RC = F.adaptive_avg_pool2d(mask_HW.float()[None], grid)[0]
    inside_P = (share_RC >= INSIDE_SHARE).flatten()
    if mask_HW.any() and not inside_P.any():
        inside_P[share_RC.argmax()] = True
    return inside_P


def measures(maps_SLP: torch.Tensor, mask_HW: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """How well maps show a mask, [M, S, L], all from 0 to 1.

    auc: how often a patch within scores above one outside, a tie counting half. iou: of the mask
    with the pixels above half of the map. pointing: whether the highest patch lies within.
    """
    inside_P = inside_patches(mask_HW, grid)
    inside, outside = maps_SLP[..., inside_P, None], maps_SLP[..., None, ~inside_P]
    auc_SL = ((inside > outside).double() + 0.5 * (inside == outside)).mean((-2, -1))
    size = (mask_HW.shape[0], mask_HW.shape[1])
    shown_SLHW = spread_maps(maps_SLP, grid, size) > THRESHOLD
    iou_SL = overlap(shown_SLHW, mask_HW)
    pointing_SL = inside_P[maps_SLP.argmax(-1)].double()
    return torch.stack([auc_SL, iou_SL, pointing_SL]).nan_to_num(0.0).float()


def overlap(one_HW: torch.Tensor, other_HW: torch.Tensor) -> torch.Tensor:
    """Intersection over union of masks [..., H, W], 0 where both are empty."""
    both = (one_HW & other_HW).sum((-2, -1)).double()
    either = (one_HW | other_HW).sum((-2, -1)).double()
    return both / either.clamp_min(1)
