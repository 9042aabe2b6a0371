"""Choose the implementation; the result names it. There is no silent fallback to a slower one.

GPU: the Triton kernel. CPU: by segments, or one dense call where tokens are few and pieces many
(docs/decisions/0050-attention-by-segments.md).
"""

from importlib import import_module

import torch
from torch import Tensor

from kernels.block_attention.reference import BlockAttention, Route, RouteUnfit
from kernels.block_attention.structure import BlockStructure

MOST_DENSE = 1024  # tokens: a bias of 4 MiB
# What a further call costs, in products of a score and a width that dense attention makes for
# nothing, on one core; a piece that reads both others and itself costs JOINED calls.
CALL, JOINED = 700_000, 4


def block_attention(
    query_BHND: Tensor,
    key_BGND: Tensor,
    value_BGND: Tensor,
    structure: BlockStructure,
    *,
    scale: float | None = None,
    parts: bool = False,
    route: Route | None = None,
) -> BlockAttention:
    """See `reference.block_attention`; `route` selects the implementation by name.

    Raise RouteUnfit if it does not support the input; only the reference has gradients.
    """
    tensors = query_BHND, key_BGND, value_BGND
    chosen = route or _chosen(query_BHND, structure, parts=parts)
    if chosen != "reference" and torch.is_grad_enabled() and any(t.requires_grad for t in tensors):
        raise RouteUnfit(
            f"gradients are asked of {chosen}, which gives none; call it under torch.no_grad(), "
            "or name the reference"
        )
    if chosen in ("dense", "segments") and query_BHND.device.type != "cpu":
        raise RouteUnfit(f"{chosen} runs on a CPU; tensors are on {query_BHND.device}")
    code = import_module(f"kernels.block_attention.{chosen}")  # Triton is not on every machine
    found: BlockAttention = code.block_attention(*tensors, structure, scale=scale, parts=parts)
    return found


def _chosen(query_BHND: Tensor, structure: BlockStructure, *, parts: bool) -> Route:
    device = query_BHND.device.type
    if device == "cuda":
        return "fused"
    if device != "cpu":
        raise RouteUnfit(f"there is no fast code for {device}; name the reference")
    return "dense" if not parts and _few(query_BHND, structure) else "segments"


def _few(query_BHND: Tensor, structure: BlockStructure) -> bool:
    """Whether computing the masked scores costs less than the additional calls that avoid them."""
    if structure.tokens > MOST_DENSE:
        return False
    batch, heads, tokens, width = query_BHND.shape
    unread = (tokens**2 - structure.area) * batch * heads * width
    pieces = structure.rows
    calls = len(pieces) + (JOINED - 1) * sum(bool(one.runs) and one.inside for one in pieces)
    return (calls - 1) * CALL * torch.get_num_threads() > unread
