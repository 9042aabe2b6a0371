"""CPU implementation: torch's flash attention for one piece of the tokens after the other.

The keys that a piece attends to in full and those it attends to causally (with `parts`, each part)
are separate calls, merged by log-sum-exp: output = Σ_p e^(LSE_p − LSE) output_p.
Keys are gathered only where the runs of a piece are not adjacent. For grouped heads without a
causal mask the query heads of a group become rows, so that keys and values are not repeated.

Shape legend: as in reference.py; L tokens of a piece, K keys.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from kernels.block_attention.reference import BlockAttention, default_scale
from kernels.block_attention.structure import BlockStructure, Rows


class _Inputs(NamedTuple):
    query_BHND: Tensor
    key_BGND: Tensor
    value_BGND: Tensor
    scale: float


class _Attended(NamedTuple):
    output_BHLD: Tensor
    logsumexp_BHL: Tensor


def block_attention(
    query_BHND: Tensor,
    key_BGND: Tensor,
    value_BGND: Tensor,
    structure: BlockStructure,
    *,
    scale: float | None = None,
    parts: bool = False,
) -> BlockAttention:
    """See `reference.block_attention`; without gradients."""
    structure.check(query_BHND, key_BGND, value_BGND)
    inputs = _Inputs(query_BHND, key_BGND, value_BGND, default_scale(query_BHND, scale))
    apart: list[Tensor] = []
    pieces: list[_Attended] = []
    for rows in structure.segment_rows if parts else structure.rows:
        found = list(_attend(inputs, rows, apart=parts))
        apart.extend(part.logsumexp_BHL for part in found)
        pieces.append(_joined(found) if found else _nothing(inputs, rows))
    output_BHND, whole_BHN = (_joint(list(each)) for each in zip(*pieces, strict=True))
    part_BHR = torch.cat(apart, 2) if apart else whole_BHN[..., :0]
    return BlockAttention(output_BHND, whole_BHN, part_BHR if parts else None, "segments")


def _attend(inputs: _Inputs, rows: Rows, *, apart: bool) -> Iterator[_Attended]:
    """Attention to the runs (in one call or one each), then to the piece itself."""
    query_BHLD = inputs.query_BHND[:, :, rows.start : rows.stop]
    for runs in [(run,) for run in rows.runs] if apart else [rows.runs] * bool(rows.runs):
        key_BGKD = _gathered(inputs.key_BGND, runs)
        value_BGKD = _gathered(inputs.value_BGND, runs)
        yield _in_full(query_BHLD, key_BGKD, value_BGKD, inputs.scale)
    if rows.inside:
        own = slice(rows.start, rows.stop)
        group = query_BHLD.shape[1] // inputs.key_BGND.shape[1]
        key_BHLD, value_BHLD = (
            x[:, :, own] if group == 1 else x[:, :, own].repeat_interleave(group, 1)
            for x in (inputs.key_BGND, inputs.value_BGND)
        )
        yield _flash(query_BHLD, key_BHLD, value_BHLD, inputs.scale, causal=True)


def _in_full(query_BHLD: Tensor, key_BGKD: Tensor, value_BGKD: Tensor, scale: float) -> _Attended:
    batch, heads, length, width = query_BHLD.shape
    grouped = (batch, key_BGKD.shape[1], -1, width)
    found = _flash(query_BHLD.reshape(grouped), key_BGKD, value_BGKD, scale, causal=False)
    return _Attended(
        found.output_BHLD.reshape(batch, heads, length, width),
        found.logsumexp_BHL.reshape(batch, heads, length),
    )


def _flash(query: Tensor, key: Tensor, value: Tensor, scale: float, *, causal: bool) -> _Attended:
    """torch's CPU kernel, called by name because the public function hides log-sum-exp."""
    return _Attended(
        *torch._scaled_dot_product_flash_attention_for_cpu(
            query, key, value, is_causal=causal, scale=scale
        )
    )


def _gathered(x_BGND: Tensor, runs: tuple[tuple[int, int], ...]) -> Tensor:
    return _joint([x_BGND[:, :, start:stop] for start, stop in runs])


def _joint(pieces: list[Tensor]) -> Tensor:
    """Concatenate along the tokens; a single piece is not copied."""
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces, 2)


def _nothing(inputs: _Inputs, rows: Rows) -> _Attended:
    zeros_BHLD = torch.zeros_like(inputs.query_BHND[:, :, rows.start : rows.stop])
    wide = torch.float64 if zeros_BHLD.dtype == torch.float64 else torch.float32
    shape = zeros_BHLD.shape[:3]
    return _Attended(
        zeros_BHLD, torch.full(shape, -torch.inf, dtype=wide, device=zeros_BHLD.device)
    )


def _joined(found: list[_Attended]) -> _Attended:
    if len(found) == 1:
        return found[0]
    part_PBHL = torch.stack([part.logsumexp_BHL for part in found])
    whole_BHL = part_PBHL.logsumexp(0)
    share_PBHL1 = (part_PBHL - whole_BHL).exp()[..., None]
    output_BHLD = torch.zeros_like(found[0].output_BHLD, dtype=whole_BHL.dtype)
    for part, share_BHL1 in zip(found, share_PBHL1, strict=True):
        output_BHLD += part.output_BHLD * share_BHL1
    return _Attended(output_BHLD.to(found[0].output_BHLD.dtype), whole_BHL)
