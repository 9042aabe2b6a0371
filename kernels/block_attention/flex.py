"""FlexAttention with a block table made from the structure, without an N × N mask.

Shape legend: as in reference.py; S segments, C blocks of BLOCK tokens.
"""

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention.flex_attention import AuxRequest, BlockMask, flex_attention

from kernels.block_attention.reference import BlockAttention, RouteUnfit, default_scale
from kernels.block_attention.structure import BlockStructure, Booleans, Integers

BLOCK = 128


def block_attention(
    query_BHND: Tensor,
    key_BGND: Tensor,
    value_BGND: Tensor,
    structure: BlockStructure,
    *,
    scale: float | None = None,
    parts: bool = False,
) -> BlockAttention:
    """See `reference.block_attention`; GPU only, without parts. Compiled at the first call."""
    structure.check(query_BHND, key_BGND, value_BGND)
    if parts:
        raise RouteUnfit("FlexAttention gives no parts; take fused")
    if query_BHND.device.type != "cuda":
        raise RouteUnfit("FlexAttention gives no log-sum-exp on a CPU; take segments")
    output_BHND, aux = compiled()(
        query_BHND, key_BGND, value_BGND,
        block_mask=block_mask(structure, query_BHND.device),
        scale=default_scale(query_BHND, scale),
        enable_gqa=query_BHND.shape[1] != key_BGND.shape[1],
        return_aux=AuxRequest(lse=True),
    )  # fmt: skip
    return BlockAttention(output_BHND, aux.lse, None, "flex")


@cache
def compiled() -> Callable[..., Any]:
    """FlexAttention, compiled for each shape and structure of blocks."""
    return torch.compile(flex_attention, dynamic=False)


@lru_cache(maxsize=8)
def block_mask(structure: BlockStructure, device: torch.device) -> BlockMask:
    """For each block of queries, the key blocks attended to in full and in part."""
    pairs_CC = _pairs(structure)
    full_CC = pairs_CC == BLOCK * BLOCK
    return BlockMask.from_kv_blocks(
        *_table((pairs_CC > 0) & ~full_CC, device),
        *_table(full_CC, device),
        BLOCK_SIZE=BLOCK,
        mask_mod=_reads(structure, device),
        seq_lengths=(structure.tokens, structure.tokens),
    )


def _pairs(structure: BlockStructure) -> Integers:
    """Number of (query, key) pairs in each pair of blocks, [C, C]."""
    first_C = np.arange(0, structure.tokens, BLOCK)
    start_CS = np.maximum(first_C[:, None], structure.bounds[:-1])
    stop_CS = np.minimum(first_C[:, None] + BLOCK, structure.bounds[1:])
    shared_CS = np.maximum(stop_CS - start_CS, 0)
    pairs_CC: Integers = shared_CS @ structure.adjacency.astype(np.int64) @ shared_CS.T
    for segment in np.flatnonzero(structure.inside):
        (blocks,) = np.nonzero(shared_CS[:, segment])
        starts = start_CS[blocks, segment] - structure.bounds[segment]
        edges = np.append(starts, structure.lengths[segment])
        corner = _below(edges[:, None], edges[None, :])
        pairs_CC[np.ix_(blocks, blocks)] += np.diff(np.diff(corner, axis=0), axis=1)
    return pairs_CC


def _below(rows: Integers, columns: Integers) -> Integers:
    """Pairs j ≤ i with i < rows and j < columns."""
    short = np.minimum(rows, columns)
    found: Integers = short * (short + 1) // 2 + (rows - short) * columns
    return found


def _table(held_CC: Booleans, device: torch.device) -> tuple[Tensor, Tensor]:
    """Number of key blocks per query block, [1, 1, C], and their indices first in [1, 1, C, C]."""
    order_CC = np.argsort(~held_CC, axis=1, kind="stable").astype(np.int32)
    counts_C = held_CC.sum(1, dtype=np.int32)
    counts, order = (torch.from_numpy(x).to(device)[None, None] for x in (counts_C, order_CC))
    return counts, order


def _reads(structure: BlockStructure, device: torch.device) -> Callable[..., Tensor]:
    every = np.repeat(np.arange(structure.segments), structure.lengths)
    segment_N = torch.from_numpy(every).to(device)
    edge_SS = torch.from_numpy(structure.adjacency).to(device)
    inside_S = torch.from_numpy(structure.inside.copy()).to(device)

    def reads(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        here, there = segment_N[query], segment_N[key]
        return edge_SS[here, there] | ((here == there) & inside_S[here] & (key <= query))

    return reads
