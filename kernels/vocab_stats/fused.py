"""Triton implementation: one pass over the logits, which are never written if given hidden states.

The vocabulary is split into slices, one program each, so that a few rows fill a GPU. A program
keeps running statistics of its slice (m, s, t as in reference.py, and the K largest); a second
kernel merges the slices of a row. A larger maximum m' rescales the running statistics:
s' = s e^(m − m'), t' = (t + s (m − m')) e^(m − m').

Shape legend: R rows, V vocabulary, D width, C slices, K kept, B rows of a program.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.vocab_stats.reference import VocabStats, check

COLUMNS = 2048  # logits per load
PROGRAMS = 512  # target: about four per multiprocessor of a large GPU
ROWS, TILE, DEPTH = 16, 128, 64  # of the matrix product


def vocab_stats(logits_RV: Tensor, *, k: int = 1) -> VocabStats:
    """See `reference.vocab_stats`."""
    rows, vocabulary = logits_RV.shape
    check(vocabulary, k)
    columns = min(COLUMNS, triton.next_power_of_2(vocabulary))
    slices, length = _slices(rows, vocabulary, columns)
    parts = _Parts(rows, slices, k, logits_RV.device)
    _logit_slices[(rows, slices)](
        logits_RV, logits_RV.stride(0), logits_RV.stride(1), vocabulary, length,
        parts.sums, parts.values, parts.ids,
        C=slices, K=parts.kept, COLUMNS=columns,
    )  # fmt: skip
    return parts.joined(k)


def hidden_stats(
    hidden_RD: Tensor, weight_VD: Tensor, bias_V: Tensor | None = None, *, k: int = 1
) -> VocabStats:
    """See `reference.hidden_stats`; the logits are never written."""
    (rows, width), vocabulary = hidden_RD.shape, weight_VD.shape[0]
    check(vocabulary, k)
    groups = triton.cdiv(rows, ROWS)
    slices, length = _slices(groups, vocabulary, TILE)
    parts = _Parts(rows, slices, k, hidden_RD.device)
    _hidden_slices[(groups, slices)](
        hidden_RD, hidden_RD.stride(0), hidden_RD.stride(1),
        weight_VD, weight_VD.stride(0), weight_VD.stride(1),
        weight_VD if bias_V is None else bias_V,
        rows, width, vocabulary, length,
        parts.sums, parts.values, parts.ids,
        BIAS=bias_V is not None, WIDEN=triton.knobs.runtime.interpret,
        C=slices, K=parts.kept, B=ROWS, TILE=TILE, DEPTH=DEPTH,
    )  # fmt: skip
    return parts.joined(k)


class _Parts:
    """Statistics per slice: sums [R, C, 3] (m, s, t), values and ids [R, C, K]."""

    def __init__(self, rows: int, slices: int, k: int, device: torch.device) -> None:
        self.rows, self.slices, self.device = rows, slices, device
        self.kept = triton.next_power_of_2(max(k, 2))
        self.sums = self._empty(rows, slices, 3)
        self.values = self._empty(rows, slices, self.kept)
        self.ids = self._empty(rows, slices, self.kept, dtype=torch.int64)

    def joined(self, k: int) -> VocabStats:
        entropy_R, logsumexp_R = self._empty(self.rows), self._empty(self.rows)
        values_RK = self._empty(self.rows, self.kept)
        ids_RK = self._empty(self.rows, self.kept, dtype=torch.int64)
        _join[(self.rows,)](
            self.sums, self.values, self.ids, entropy_R, logsumexp_R, values_RK, ids_RK,
            C=self.slices, SLICES=triton.next_power_of_2(self.slices), K=self.kept,
        )  # fmt: skip
        return VocabStats(
            entropy_R=entropy_R,
            logsumexp_R=logsumexp_R,
            max_R=values_RK[:, 0],
            argmax_R=ids_RK[:, 0],
            second_R=values_RK[:, 1],
            top_values_RK=values_RK[:, :k],
            top_ids_RK=ids_RK[:, :k],
        )

    def _empty(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.empty(shape, dtype=dtype, device=self.device)


def _slices(programs: int, vocabulary: int, step: int) -> tuple[int, int]:
    """Number of slices of the vocabulary and their length, a multiple of `step`."""
    steps = triton.cdiv(vocabulary, step)
    slices = min(steps, max(1, PROGRAMS // programs), 128)
    length = triton.cdiv(steps, slices) * step
    return triton.cdiv(vocabulary, length), length


@triton.jit
def _fold(x_BN, id_N, m_B, s_B, t_B, value_BK, id_BK, K: tl.constexpr):
    """Update the running statistics with logits [B, N]; −∞ is ignored."""
    new_B = tl.maximum(m_B, tl.max(x_BN, axis=1))
    safe_B = tl.where(new_B == float("-inf"), 0.0, new_B)  # nothing yet: all terms are 0
    shift_B = tl.where(m_B == float("-inf"), 0.0, m_B - safe_B)
    scale_B = tl.where(m_B == float("-inf"), 0.0, tl.exp(shift_B))
    shifted_BN = tl.where(x_BN == float("-inf"), 0.0, x_BN - safe_B[:, None])
    exp_BN = tl.where(x_BN == float("-inf"), 0.0, tl.exp(shifted_BN))
    t_B = (t_B + s_B * shift_B) * scale_B + tl.sum(exp_BN * shifted_BN, axis=1)
    s_B = s_B * scale_B + tl.sum(exp_BN, axis=1)
    value_BK, id_BK = _keep_largest(x_BN, id_N, value_BK, id_BK, K)
    return new_B, s_B, t_B, value_BK, id_BK


@triton.jit
def _keep_largest(x_BN, id_N, value_BK, id_BK, K: tl.constexpr):
    """Replace the smallest kept logit by the largest new one while that is larger.

    Equal logits come with ascending ids, so that the first of them is kept.
    """
    place_K = tl.arange(0, K)
    best_B = tl.max(x_BN, axis=1)
    least_B = tl.min(value_BK, axis=1)
    while tl.max(tl.where(best_B > least_B, 1, 0)) > 0:
        # Ids of all largest, of which the first; those not largest count as very far.
        at_B = tl.min(tl.where(x_BN == best_B[:, None], id_N[None, :], 2147483647), axis=1)
        # Of equal smallest, the last id goes; empty places have id −1 and value −∞.
        weak_BK = value_BK == least_B[:, None]
        last_B = tl.max(tl.where(weak_BK, id_BK, -1), axis=1)
        slot_BK = weak_BK & (id_BK == last_B[:, None])
        first_B = tl.min(tl.where(slot_BK, place_K[None, :], K), axis=1)
        put_BK = (place_K[None, :] == first_B[:, None]) & (best_B > least_B)[:, None]
        value_BK = tl.where(put_BK, best_B[:, None], value_BK)
        id_BK = tl.where(put_BK, at_B[:, None].to(id_BK.dtype), id_BK)
        x_BN = tl.where(id_N[None, :] == at_B[:, None], float("-inf"), x_BN)
        best_B = tl.max(x_BN, axis=1)
        least_B = tl.min(value_BK, axis=1)
    return value_BK, id_BK


@triton.jit
def _store(row_B, slot, live_B, m_B, s_B, t_B, value_BK, id_BK, sums, values, ids,
           C: tl.constexpr, K: tl.constexpr):  # fmt: skip
    at_B = row_B.to(tl.int64) * C + slot
    tl.store(sums + at_B * 3, m_B, mask=live_B)
    tl.store(sums + at_B * 3 + 1, s_B, mask=live_B)
    tl.store(sums + at_B * 3 + 2, t_B, mask=live_B)
    kept_BK = at_B[:, None] * K + tl.arange(0, K)[None, :]
    tl.store(values + kept_BK, value_BK, mask=live_B[:, None])
    tl.store(ids + kept_BK, id_BK, mask=live_B[:, None])


@triton.jit
def _logit_slices(
    logits, row_stride, column_stride, vocabulary, length, sums, values, ids,
    C: tl.constexpr, K: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """One row, one slice of the vocabulary."""
    row_B = tl.program_id(0) + tl.arange(0, 1)
    slot = tl.program_id(1)
    m_B = tl.full((1,), float("-inf"), tl.float32)
    s_B = tl.zeros((1,), tl.float32)
    t_B = tl.zeros((1,), tl.float32)
    value_BK = tl.full((1, K), float("-inf"), tl.float32)
    id_BK = tl.full((1, K), -1, tl.int64)
    start = slot * length
    for at in range(start, tl.minimum(start + length, vocabulary), COLUMNS):
        id_N = at + tl.arange(0, COLUMNS)
        place_BN = row_B.to(tl.int64)[:, None] * row_stride + id_N[None, :] * column_stride
        x_BN = tl.load(logits + place_BN, mask=(id_N < vocabulary)[None, :], other=float("-inf"))
        m_B, s_B, t_B, value_BK, id_BK = _fold(
            x_BN.to(tl.float32), id_N, m_B, s_B, t_B, value_BK, id_BK, K
        )
    _store(row_B, slot, row_B >= 0, m_B, s_B, t_B, value_BK, id_BK, sums, values, ids, C, K)


@triton.jit
def _hidden_slices(
    hidden, hidden_row, hidden_column, weight, weight_row, weight_column, bias,
    rows, width, vocabulary, length, sums, values, ids,
    BIAS: tl.constexpr, WIDEN: tl.constexpr, C: tl.constexpr, K: tl.constexpr, B: tl.constexpr,
    TILE: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    """B rows, one slice of the vocabulary; TILE logits at a time, in registers."""
    row_B = tl.program_id(0) * B + tl.arange(0, B)
    live_B = row_B < rows
    slot = tl.program_id(1)
    m_B = tl.full((B,), float("-inf"), tl.float32)
    s_B = tl.zeros((B,), tl.float32)
    t_B = tl.zeros((B,), tl.float32)
    value_BK = tl.full((B, K), float("-inf"), tl.float32)
    id_BK = tl.full((B, K), -1, tl.int64)
    start = slot * length
    for at in range(start, tl.minimum(start + length, vocabulary), TILE):
        id_N = at + tl.arange(0, TILE)
        in_N = id_N < vocabulary
        x_BN = tl.zeros((B, TILE), tl.float32)
        for depth in range(0, width, DEPTH):
            d = depth + tl.arange(0, DEPTH)
            h_BD = tl.load(
                hidden + row_B.to(tl.int64)[:, None] * hidden_row + d[None, :] * hidden_column,
                mask=live_B[:, None] & (d < width)[None, :],
                other=0.0,
            )
            w_DN = tl.load(
                weight + id_N.to(tl.int64)[None, :] * weight_row + d[:, None] * weight_column,
                mask=in_N[None, :] & (d < width)[:, None],
                other=0.0,
            )
            if WIDEN:  # the interpreter has no bfloat16 matrix product
                h_BD, w_DN = h_BD.to(tl.float32), w_DN.to(tl.float32)
            x_BN = tl.dot(h_BD, w_DN, x_BN, input_precision="ieee")
        if BIAS:
            x_BN += tl.load(bias + id_N, mask=in_N, other=0.0).to(tl.float32)[None, :]
        x_BN = tl.where(in_N[None, :] & live_B[:, None], x_BN, float("-inf"))
        m_B, s_B, t_B, value_BK, id_BK = _fold(x_BN, id_N, m_B, s_B, t_B, value_BK, id_BK, K)
    _store(row_B, slot, live_B, m_B, s_B, t_B, value_BK, id_BK, sums, values, ids, C, K)


@triton.jit
def _join(
    sums, values, ids, entropy, logsumexp, out_values, out_ids,
    C: tl.constexpr, SLICES: tl.constexpr, K: tl.constexpr,
):  # fmt: skip
    """Merge the slices of one row; its K largest are written in descending order."""
    row = tl.program_id(0).to(tl.int64)
    c = tl.arange(0, SLICES)
    at_C = (row * C + c) * 3
    m_C = tl.load(sums + at_C, mask=c < C, other=float("-inf"))
    s_C = tl.load(sums + at_C + 1, mask=c < C, other=0.0)
    t_C = tl.load(sums + at_C + 2, mask=c < C, other=0.0)
    m = tl.max(m_C, axis=0)
    shift_C = tl.where(m_C == float("-inf"), 0.0, m_C - m)
    scale_C = tl.where(m_C == float("-inf"), 0.0, tl.exp(shift_C))
    s = tl.sum(s_C * scale_C, axis=0)
    t = tl.sum((t_C + s_C * shift_C) * scale_C, axis=0)
    tl.store(entropy + row, tl.maximum(tl.log(s) - t / s, 0.0))
    tl.store(logsumexp + row, m + tl.log(s))
    kept_N = tl.arange(0, SLICES * K)
    in_N = kept_N < C * K
    x_N = tl.load(values + row * C * K + kept_N, mask=in_N, other=float("-inf"))
    id_N = tl.load(ids + row * C * K + kept_N, mask=in_N, other=-1)
    for place in range(K):
        best = tl.max(x_N, axis=0)
        # Of equals the first id; places that hold nothing (−1) count as very far.
        far_N = tl.where((x_N == best) & (id_N >= 0), id_N, 9223372036854775807)
        at = tl.min(far_N, axis=0)
        tl.store(out_values + row * K + place, best)
        tl.store(out_ids + row * K + place, at)
        x_N = tl.where(id_N == at, float("-inf"), x_N)
        id_N = tl.where(id_N == at, -1, id_N)
