"""Block-sparse attention between whole segments; only the attended blocks are computed."""

from kernels.block_attention.dispatch import block_attention
from kernels.block_attention.reference import BlockAttention, RouteUnfit, part_mass, part_rows
from kernels.block_attention.structure import BlockStructure, StructureInvalid

__all__ = [
    "BlockAttention",
    "BlockStructure",
    "RouteUnfit",
    "StructureInvalid",
    "block_attention",
    "part_mass",
    "part_rows",
]
