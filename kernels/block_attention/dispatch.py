"""Which code runs; the result says it."""

from torch import Tensor

from kernels.block_attention import reference
from kernels.block_attention.reference import BlockAttention
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
    """See `reference.block_attention`."""
    return reference.block_attention(
        query_BHND, key_BGND, value_BGND, structure, scale=scale, parts=parts
    )
