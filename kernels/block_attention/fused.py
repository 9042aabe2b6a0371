"""Triton implementation: each tile of queries iterates over a list of its key tiles.

A tile of queries never crosses the end of a piece (`structure.rows`), so that all its tokens
attend to the same runs. Key tiles inside a run, or entirely before the queries in their own piece,
need no mask; the remainder of a run and the tiles on the diagonal do. Online softmax as in
FlashAttention (arXiv 2205.14135), in base 2. With `parts`, pieces are segments and each part has
its own running statistics.

Shape legend: as in reference.py; T tiles of queries, M and K tokens of a tile, W padded width.
"""

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.block_attention.reference import BlockAttention, RouteUnfit, default_scale
from kernels.block_attention.structure import BlockStructure, Rows


class Tiling(NamedTuple):
    """Tokens per tile of queries and of keys; number of warps and pipeline stages."""

    queries: int
    keys: int
    warps: int
    stages: int


# By padded head width. Compiled for compute capability 8.0 and 9.0: at most 100 KiB of shared
# memory and no register spills, except 50 bytes at half precision, width 64, on 8.0.
_HALF = {64: Tiling(128, 64, 4, 3), 128: Tiling(128, 64, 8, 2), 256: Tiling(64, 32, 8, 2)}
_FLOAT = {64: Tiling(64, 32, 8, 2), 128: Tiling(64, 32, 8, 2), 256: Tiling(32, 32, 8, 1)}
TILINGS = {torch.float16: _HALF, torch.bfloat16: _HALF, torch.float32: _FLOAT}
WIDEST = 256


class Tables(NamedTuple):
    """Index tables for T tiles of queries and their key tiles; int32 on the device.

    `span_T2`: first query and end; `whole_T1` and `cut_T1`: where the lists of a tile begin.
    `whole`: first key of each tile without a mask. `cut`, per masked tile [5]: first key, end,
    whether causal, the row of its part that token 0 would have, and whether the part ends here.
    """

    span_T2: Tensor
    whole_T1: Tensor
    cut_T1: Tensor
    whole: Tensor
    cut: Tensor


def block_attention(
    query_BHND: Tensor,
    key_BGND: Tensor,
    value_BGND: Tensor,
    structure: BlockStructure,
    *,
    scale: float | None = None,
    parts: bool = False,
) -> BlockAttention:
    """See `reference.block_attention`; float32, float16 or bfloat16, without gradients.

    Raise RouteUnfit for other dtypes and for head widths above 256.
    """
    structure.check(query_BHND, key_BGND, value_BGND)
    tiling = _tiling(query_BHND, structure, parts=parts)
    device = query_BHND.device
    tables = tile_tables(structure, tiling.queries, tiling.keys, device, parts=parts)
    batch, heads, tokens, width = query_BHND.shape
    output_BHND = torch.empty(query_BHND.shape, dtype=query_BHND.dtype, device=device)
    whole_BHN = _empty(query_BHND, tokens)
    part_BHR = _empty(query_BHND, int(structure.parts.offsets[-1]) if parts else 0)
    _attend[(len(tables.span_T2), batch * heads)](
        query_BHND, *query_BHND.stride(), key_BGND, *key_BGND.stride(),
        value_BGND, *value_BGND.stride(), output_BHND, whole_BHN, part_BHR, *tables,
        default_scale(query_BHND, scale) / math.log(2), tokens, part_BHR.shape[-1],
        H=heads, GROUP=heads // key_BGND.shape[1], D=width,
        W=max(16, triton.next_power_of_2(width)), M=tiling.queries, K=tiling.keys, PARTS=parts,
        WIDEN=triton.knobs.runtime.interpret, num_warps=tiling.warps, num_stages=tiling.stages,
    )  # fmt: skip
    return BlockAttention(output_BHND, whole_BHN, part_BHR if parts else None, "fused")


def _empty(query_BHND: Tensor, last: int) -> Tensor:
    shape = (*query_BHND.shape[:2], last)
    return torch.empty(shape, dtype=torch.float32, device=query_BHND.device)


def _tiling(query_BHND: Tensor, structure: BlockStructure, *, parts: bool) -> Tiling:
    """Tiling for this head width, no larger than the longest piece."""
    if query_BHND.device.type != "cuda" and not triton.knobs.runtime.interpret:
        raise RouteUnfit("the kernel runs on a GPU; on a CPU take segments")
    width, of_type = query_BHND.shape[-1], TILINGS.get(query_BHND.dtype)
    if of_type is None or width > WIDEST:
        raise RouteUnfit(
            f"heads are {width} wide, in {query_BHND.dtype}; the kernel takes float32, float16 and "
            f"bfloat16, up to {WIDEST} wide; take the reference"
        )
    tiling = of_type[min(most for most in of_type if width <= most)]
    pieces = structure.segment_rows if parts else structure.rows
    longest = triton.next_power_of_2(max(piece.stop - piece.start for piece in pieces))
    return tiling._replace(queries=min(tiling.queries, max(16, longest)))


class _Tile(NamedTuple):
    start: int
    stop: int
    whole: list[int]
    cut: list[tuple[int, int, int, int, int]]


@lru_cache(maxsize=8)
def tile_tables(
    structure: BlockStructure, queries: int, keys: int, device: torch.device, *, parts: bool
) -> Tables:
    """Tiles in descending length of their lists, for balanced load."""
    tiles: list[_Tile] = []
    rows = iter(structure.parts.offsets.tolist())
    for piece in structure.segment_rows if parts else structure.rows:
        spans = len(piece.runs) + piece.inside
        origins = [next(rows) - piece.start for _ in range(spans)] if parts else None
        for start in range(piece.start, piece.stop, queries):
            tiles.append(_tile(piece, start, min(start + queries, piece.stop), keys, origins))
    tiles.sort(key=lambda tile: -len(tile.whole) - len(tile.cut))
    return Tables(
        _int32([(tile.start, tile.stop) for tile in tiles], device),
        _int32(_running_sums(len(tile.whole) for tile in tiles), device),
        _int32(_running_sums(len(tile.cut) for tile in tiles), device),
        _int32([first for tile in tiles for first in tile.whole], device),
        _int32([cut for tile in tiles for cut in tile.cut], device),
    )


def _tile(piece: Rows, start: int, stop: int, keys: int, origins: list[int] | None) -> _Tile:
    """Key tiles of the queries from `start` to `stop`; with parts, all of them are masked tiles."""
    tile = _Tile(start, stop, [], [])
    spans = [(*run, 0) for run in piece.runs] + [(piece.start, stop, 1)] * piece.inside
    for part, (begin, end, causal) in enumerate(spans):
        unmasked = start + 1 if causal else end  # all queries attend to the earlier keys
        for first in range(begin, end, keys):
            if origins is None and first + keys <= unmasked:
                tile.whole.append(first)
            else:
                origin = 0 if origins is None else origins[part]
                tile.cut.append((first, end, causal, origin, first + keys >= end))
    return tile


def _running_sums(counts: Iterable[int]) -> list[int]:
    return list(accumulate(counts, initial=0))


def _int32(values: Sequence[object], device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=torch.int32, device=device)


@triton.jit
def _rows(x, first, stop, at_X, row_stride, width_stride, D: tl.constexpr, W: tl.constexpr):
    """Rows first + at_X of a head, [X, W]; 0 from `stop` on and beyond the head's width."""
    row_X = first + at_X
    w = tl.arange(0, W)
    return tl.load(
        x + row_X.to(tl.int64)[:, None] * row_stride + w[None, :] * width_stride,
        mask=(row_X < stop)[:, None] & (w < D)[None, :],
        other=0.0,
    )


@triton.jit
def _fold(score_MK, value_KW, top_M, sum_M, mixed_MW, WIDEN: tl.constexpr):
    """Update running maximum, sum and output with a tile of scores; −∞ is masked."""
    new_M = tl.maximum(top_M, tl.max(score_MK, axis=1))
    safe_M = tl.where(new_M == float("-inf"), 0.0, new_M)  # nothing yet: all terms are 0
    weight_MK = tl.exp2(score_MK - safe_M[:, None])
    keep_M = tl.exp2(top_M - safe_M)
    sum_M = sum_M * keep_M + tl.sum(weight_MK, axis=1)
    mixed_MW = mixed_MW * keep_M[:, None]
    if WIDEN:  # the interpreter has no bfloat16 matrix product
        value_KW = value_KW.to(tl.float32)
    weight_MK = weight_MK.to(value_KW.dtype)
    mixed_MW = tl.dot(weight_MK, value_KW, mixed_MW, input_precision="ieee")
    return new_M, sum_M, mixed_MW


@triton.jit
def _logsumexp(top_M, sum_M):
    """Natural log-sum-exp from a maximum and a sum in base 2; −∞ if nothing was attended to."""
    some_M = sum_M > 0
    found_M = (top_M + tl.log2(tl.where(some_M, sum_M, 1.0))) * 0.6931471805599453
    return tl.where(some_M, found_M, float("-inf"))


@triton.jit
def _attend(
    query, query_b, query_h, query_n, query_d, key, key_b, key_h, key_n, key_d,
    value, value_b, value_h, value_n, value_d, output, whole_lse, part_lse,
    span, whole_at, cut_at, whole, cut, scale, tokens, part_rows,
    H: tl.constexpr, GROUP: tl.constexpr, D: tl.constexpr, W: tl.constexpr,
    M: tl.constexpr, K: tl.constexpr, PARTS: tl.constexpr, WIDEN: tl.constexpr,
):  # fmt: skip
    """One tile of queries of one head."""
    tile = tl.program_id(0)
    row = tl.program_id(1).to(tl.int64)  # of batch and head
    batch, head = row // H, row % H
    key += batch * key_b + head // GROUP * key_h
    value += batch * value_b + head // GROUP * value_h
    start, stop = tl.load(span + tile * 2), tl.load(span + tile * 2 + 1)
    at_M, at_K = tl.arange(0, M), tl.arange(0, K)
    token_M = start + at_M
    query += batch * query_b + head * query_h
    query_MW = _rows(query, start, stop, at_M, query_n, query_d, D, W)
    if WIDEN:
        query_MW = query_MW.to(tl.float32)
    top_M = tl.full((M,), float("-inf"), tl.float32)
    sum_M = tl.zeros((M,), tl.float32)
    mixed_MW = tl.zeros((M, W), tl.float32)

    for at in range(tl.load(whole_at + tile), tl.load(whole_at + tile + 1)):
        first = tl.load(whole + at)
        key_KW = _rows(key, first, first + K, at_K, key_n, key_d, D, W)
        value_KW = _rows(value, first, first + K, at_K, value_n, value_d, D, W)
        if WIDEN:
            key_KW = key_KW.to(tl.float32)
        score_MK = tl.dot(query_MW, tl.trans(key_KW), input_precision="ieee") * scale
        top_M, sum_M, mixed_MW = _fold(score_MK, value_KW, top_M, sum_M, mixed_MW, WIDEN)

    part_top_M = tl.full((M,), float("-inf"), tl.float32)
    part_sum_M = tl.zeros((M,), tl.float32)
    for at in range(tl.load(cut_at + tile), tl.load(cut_at + tile + 1)):
        first, end = tl.load(cut + at * 5), tl.load(cut + at * 5 + 1)
        causal = tl.load(cut + at * 5 + 2)
        key_KW = _rows(key, first, end, at_K, key_n, key_d, D, W)
        value_KW = _rows(value, first, end, at_K, value_n, value_d, D, W)
        if WIDEN:
            key_KW = key_KW.to(tl.float32)
        score_MK = tl.dot(query_MW, tl.trans(key_KW), input_precision="ieee") * scale
        token_K = first + at_K
        read_MK = (token_K < end)[None, :]
        read_MK = read_MK & ((causal == 0) | (token_K[None, :] <= token_M[:, None]))
        score_MK = tl.where(read_MK, score_MK, float("-inf"))
        top_M, sum_M, mixed_MW = _fold(score_MK, value_KW, top_M, sum_M, mixed_MW, WIDEN)
        if PARTS:
            new_M = tl.maximum(part_top_M, tl.max(score_MK, axis=1))
            safe_M = tl.where(new_M == float("-inf"), 0.0, new_M)
            part_sum_M = part_sum_M * tl.exp2(part_top_M - safe_M)
            part_sum_M += tl.sum(tl.exp2(score_MK - safe_M[:, None]), axis=1)
            part_top_M = new_M
            last = tl.load(cut + at * 5 + 4)
            place_M = row * part_rows + tl.load(cut + at * 5 + 3) + token_M
            found_M = _logsumexp(part_top_M, part_sum_M)
            tl.store(part_lse + place_M, found_M, mask=token_M < stop * last)
            part_top_M = tl.where(last != 0, float("-inf"), part_top_M)
            part_sum_M = tl.where(last != 0, 0.0, part_sum_M)

    place_M = row * tokens + token_M
    tl.store(whole_lse + place_M, _logsumexp(top_M, sum_M), mask=token_M < stop)
    w = tl.arange(0, W)
    output_MW = mixed_MW / tl.where(sum_M > 0, sum_M, 1.0)[:, None]
    tl.store(
        output + place_M[:, None] * D + w[None, :],
        output_MW.to(output.dtype.element_ty),
        mask=(token_M < stop)[:, None] & (w < D)[None, :],
    )
