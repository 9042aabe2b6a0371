"""Short inputs on a CPU: one call of torch's flash attention with an N × N bias.

Shape legend: as in reference.py.
"""

from functools import lru_cache

import torch
from torch import Tensor

from kernels.block_attention.reference import BlockAttention, RouteUnfit, default_scale
from kernels.block_attention.structure import BlockStructure


def block_attention(
    query_BHND: Tensor,
    key_BGND: Tensor,
    value_BGND: Tensor,
    structure: BlockStructure,
    *,
    scale: float | None = None,
    parts: bool = False,
) -> BlockAttention:
    """See `reference.block_attention`; without parts."""
    structure.check(query_BHND, key_BGND, value_BGND)
    if parts:
        raise RouteUnfit("dense attention gives no parts; take segments")
    group = query_BHND.shape[1] // key_BGND.shape[1]
    key_BHND, value_BHND = (
        x if group == 1 else x.repeat_interleave(group, 1) for x in (key_BGND, value_BGND)
    )
    output_BHND, whole_BHN = torch._scaled_dot_product_flash_attention_for_cpu(
        query_BHND, key_BHND, value_BHND,
        attn_mask=_bias(structure, query_BHND.dtype), scale=default_scale(query_BHND, scale),
    )  # fmt: skip
    if (blind_N := _blind(structure)) is not None:
        whole_BHN = whole_BHN.masked_fill(blind_N, -torch.inf)  # torch says 0 there
    return BlockAttention(output_BHND, whole_BHN, None, "dense")


@lru_cache(maxsize=8)
def _bias(structure: BlockStructure, dtype: torch.dtype) -> Tensor:
    """[N, N] in the dtype of the query: 0 where attention is allowed, −∞ elsewhere."""
    zeros_NN = torch.zeros(structure.tokens, structure.tokens, dtype=dtype)
    return zeros_NN.masked_fill(~structure.mask(), -torch.inf)


@lru_cache(maxsize=8)
def _blind(structure: BlockStructure) -> Tensor | None:
    """Bool [N]: tokens that attend to nothing; None if there is no such token."""
    blind_N = ~structure.mask().any(-1)
    return blind_N if blind_N.any() else None
