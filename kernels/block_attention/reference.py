"""Reference implementation in torch: softmax over all N × N scores with a mask.

Shape legend: B batch, H heads, G key heads (H is a multiple of G), N tokens, D width of a head,
R rows of parts (see `structure.Parts`), P parts.
"""

from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from kernels.block_attention.structure import BlockStructure

Route = Literal["reference", "dense", "segments", "flex", "fused"]


class RouteUnfit(ValueError):
    """The selected implementation does not support this input or device; no other replaces it."""


class BlockAttention(NamedTuple):
    """Output and log-sum-exp of attention.

    `output_BHND` in the dtype of the query; 0 for a token that attends to nothing.
    `logsumexp_BHN` of the scaled, unmasked scores; natural; float32 (float64 for float64); −∞ for
    a token that attends to nothing.
    `part_logsumexp_BHR` the same per part, if requested: exp(part − whole) is the share of a
    token's attention that goes to the part.
    `route` names the implementation.
    """

    output_BHND: Tensor
    logsumexp_BHN: Tensor
    part_logsumexp_BHR: Tensor | None
    route: Route


def block_attention(
    query_BHND: Tensor,
    key_BGND: Tensor,
    value_BGND: Tensor,
    structure: BlockStructure,
    *,
    scale: float | None = None,
    parts: bool = False,
) -> BlockAttention:
    """softmax(scale · query keyᵀ) value, masked by the structure; scale is 1 / √D by default.

    Apply rotary positions to queries and keys before. Query head h uses key head h // (H / G).
    Computed in float32 (float64 for float64). Raise StructureInvalid.
    """
    structure.check(query_BHND, key_BGND, value_BGND)
    wide = torch.float64 if query_BHND.dtype == torch.float64 else torch.float32
    group = query_BHND.shape[1] // key_BGND.shape[1]
    key_BHND, value_BHND = (x.to(wide).repeat_interleave(group, 1) for x in (key_BGND, value_BGND))
    scores_BHNN = query_BHND.to(wide) @ key_BHND.mT * default_scale(query_BHND, scale)
    scores_BHNN = scores_BHNN.masked_fill(~structure.mask(query_BHND.device), -torch.inf)
    whole_BHN = scores_BHNN.logsumexp(-1)
    finite_BHN = whole_BHN.masked_fill(whole_BHN == -torch.inf, 0.0)  # −∞ − −∞ is NaN
    pattern_BHNN = (scores_BHNN - finite_BHN[..., None]).exp()
    return BlockAttention(
        output_BHND=(pattern_BHNN @ value_BHND).to(query_BHND.dtype),
        logsumexp_BHN=whole_BHN,
        part_logsumexp_BHR=_of_parts(scores_BHNN, structure) if parts else None,
        route="reference",
    )


def part_mass(found: BlockAttention, structure: BlockStructure) -> Tensor:
    """Attention mass of each part, mean over the tokens that attend to it, [B, H, P].

    Sums to 1 over the parts of a segment. `found` must have its parts.
    """
    part_BHR = found.part_logsumexp_BHR
    assert part_BHR is not None
    which_R, token_R = (x.to(part_BHR.device) for x in part_rows(structure))
    share_BHR = (part_BHR - found.logsumexp_BHN[..., token_R]).exp()
    mass_BHP = share_BHR.new_zeros(*share_BHR.shape[:2], len(structure.parts.key))
    mass_BHP.index_add_(2, which_R, share_BHR)
    lengths_P = torch.from_numpy(structure.lengths[structure.parts.query]).to(part_BHR.device)
    return mass_BHP / lengths_P


def part_rows(structure: BlockStructure) -> tuple[Tensor, Tensor]:
    """For each row of parts its part and its query token, int64 [R] each."""
    query, _, offsets = structure.parts
    which_R = np.repeat(np.arange(len(query)), np.diff(offsets))
    token_R = np.arange(offsets[-1]) + (structure.bounds[query] - offsets[:-1])[which_R]
    return torch.from_numpy(which_R), torch.from_numpy(token_R)


def default_scale(query_BHND: Tensor, scale: float | None) -> float:
    return float(query_BHND.shape[-1] ** -0.5) if scale is None else scale


def _of_parts(scores_BHNN: Tensor, structure: BlockStructure) -> Tensor:
    bounds, (query, key, _) = structure.bounds, structure.parts
    found = [
        scores_BHNN[:, :, bounds[q] : bounds[q + 1], bounds[k] : bounds[k + 1]].logsumexp(-1)
        for q, k in zip(query, key, strict=True)
    ]
    return torch.cat(found, -1) if found else scores_BHNN.new_empty(*scores_BHNN.shape[:2], 0)
