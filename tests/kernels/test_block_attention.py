"""block_attention: the reference against torch's own attention, every route against it."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from kernels.block_attention import (
    BlockStructure,
    StructureInvalid,
    part_mass,
    part_rows,
    reference,
)

STRUCTURES = {
    "one token": BlockStructure.causal(1),
    "causal": BlockStructure.causal(63),
    "sequential": BlockStructure.of([20, 1, 44], [[], [0], [0, 1]]),
    "parallel": BlockStructure.of([64, 1, 63, 65], [[], [], [], []]),
    "star": BlockStructure.of([5, 17, 64, 30], [[], [], [], [0, 1, 2]]),
    "later segments": BlockStructure.of([30, 9, 40, 3], [[2, 3], [0], [1, 3], []]),
    "a blind segment": BlockStructure.of([33, 2, 30], [[], [], [0, 1]], [True, False, True]),
    "a prefix": BlockStructure.of([3, 40, 25, 70, 9], [[], [0], [0], [0, 2], [0, 1, 2, 3]]),
    "reading without itself": BlockStructure.of([12, 66], [[], [0]], [True, False]),
}


def tensors(
    tokens: int, dtype: torch.dtype = torch.float64, *, heads: int = 4, group: int = 2,
    width: int = 16, batch: int = 1, seed: int = 0,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Query, key and value; the scores spread over some tens of nats."""
    generator = torch.Generator().manual_seed(seed)

    def made(count: int) -> Tensor:
        return torch.randn(batch, count, tokens, width, generator=generator).to(dtype) * 2

    return made(heads), made(heads // group), made(heads // group)


def plain_mask(lengths: list[int], reads: list[list[int]], inside: list[bool]) -> Tensor:
    """The mask token by token, from the words of the definition."""
    segment = [s for s, length in enumerate(lengths) for _ in range(length)]
    return torch.tensor(
        [
            [(t in reads[s]) or (s == t and inside[s] and j <= i) for j, t in enumerate(segment)]
            for i, s in enumerate(segment)
        ]
    )


@st.composite
def drawn(draw: st.DrawFn) -> tuple[list[int], list[list[int]], list[bool]]:
    lengths = draw(st.lists(st.integers(1, 20), min_size=1, max_size=6))
    count = len(lengths)
    others = [st.sampled_from([t for t in range(count) if t != s] or [-1]) for s in range(count)]
    reads = [draw(st.lists(o, unique=True)) if count > 1 else [] for o in others]
    inside = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    return lengths, reads, inside


@settings(deadline=None, max_examples=60)
@given(drawn())
def test_a_structure_is_the_mask_of_its_words(
    given: tuple[list[int], list[list[int]], list[bool]],
) -> None:
    structure, mask_NN = BlockStructure.of(*given), plain_mask(*given)
    assert torch.equal(structure.mask(), mask_NN)
    assert structure.area == mask_NN.sum()
    rebuilt = torch.zeros_like(mask_NN)
    for rows in structure.rows:
        for start, stop in rows.runs:
            rebuilt[rows.start : rows.stop, start:stop] = True
        if rows.inside:
            own = rebuilt[rows.start : rows.stop, rows.start : rows.stop]
            own |= torch.ones_like(own).tril()
    assert torch.equal(rebuilt, mask_NN)


def test_segments_that_read_on_are_one_piece() -> None:
    pieces = BlockStructure.of([4, 3, 2, 5], [[], [0], [1], [1, 2]]).rows
    assert [(piece.start, piece.stop, piece.runs) for piece in pieces] == [
        (0, 7, ()),
        (7, 14, ((4, 7),)),
    ]


@pytest.mark.parametrize("name", STRUCTURES)
def test_the_reference_is_attention_under_the_mask(name: str) -> None:
    structure = STRUCTURES[name]
    query, key, value = tensors(structure.tokens, batch=2)
    found = reference.block_attention(query, key, value, structure, scale=0.3)
    mask_NN = structure.mask()
    expected = F.scaled_dot_product_attention(
        query, key, value, attn_mask=mask_NN, scale=0.3, enable_gqa=True
    )
    blind_N = ~mask_NN.any(-1)
    torch.testing.assert_close(found.output_BHND[:, :, ~blind_N], expected[:, :, ~blind_N])
    assert (found.output_BHND[:, :, blind_N] == 0).all()
    assert (found.logsumexp_BHN[:, :, blind_N] == -math.inf).all()
    assert found.logsumexp_BHN[:, :, ~blind_N].isfinite().all()


@pytest.mark.parametrize("name", STRUCTURES)
def test_the_mass_of_a_part_is_its_sum_of_the_pattern(name: str) -> None:
    structure = STRUCTURES[name]
    query, key, value = tensors(structure.tokens)
    found = reference.block_attention(query, key, value, structure, parts=True)
    scores = query @ key.repeat_interleave(2, 1).mT / 4
    pattern = scores.masked_fill(~structure.mask(), -math.inf).softmax(-1).nan_to_num()
    mass_BHP = part_mass(found, structure)
    for part, (q, k) in enumerate(zip(structure.parts.query, structure.parts.key, strict=True)):
        rows = slice(structure.bounds[q], structure.bounds[q + 1])
        columns = slice(structure.bounds[k], structure.bounds[k + 1])
        expected = pattern[:, :, rows, columns].sum(-1).mean(-1)
        torch.testing.assert_close(mass_BHP[:, :, part], expected)


def test_rows_of_parts_say_which_token_reads() -> None:
    which_R, token_R = part_rows(BlockStructure.of([2, 3], [[1], []]))
    assert which_R.tolist() == [0, 0, 1, 1, 2, 2, 2]
    assert token_R.tolist() == [0, 1, 0, 1, 2, 3, 4]


def test_the_type_of_the_query_is_that_of_the_output() -> None:
    query, key, value = tensors(5, torch.bfloat16)
    found = reference.block_attention(query, key, value, BlockStructure.causal(5))
    assert found.output_BHND.dtype == torch.bfloat16
    assert found.logsumexp_BHN.dtype == torch.float32


@pytest.mark.parametrize(
    ("lengths", "reads", "inside", "message"),
    [
        ([], [], None, "there are no segments"),
        ([3, 0], [[], []], None, "segment 1 has no token"),
        ([3, 2], [[]], None, "there are 2 lengths, 1 lists"),
        ([3, 2], [[], []], [True], "there are 2 lengths, 2 lists of segments read and 1"),
        ([3, 2], [[], [2]], None, "segment 1 reads segment 2; segments are 0 to 1"),
        ([3, 2], [[-1], []], None, "segment 0 reads segment -1"),
        ([3, 2], [[], [1]], None, "segment 1 reads itself"),
        ([3, 2], [[], [0, 0]], None, "segment 1 reads segment 0 twice"),
    ],
)
def test_a_structure_that_cannot_be_is_refused(
    lengths: list[int], reads: list[list[int]], inside: list[bool] | None, message: str
) -> None:
    with pytest.raises(StructureInvalid, match=message):
        BlockStructure.of(lengths, reads, inside)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((1, 2, 4, 8), (1, 2, 4, 8), (1, 2, 4, 4)), "keys and values of one shape"),
        (((2, 4, 8), (2, 4, 8), (2, 4, 8)), "are \\[batch, heads, tokens, width\\]"),
        (((1, 3, 4, 8), (1, 2, 4, 8), (1, 2, 4, 8)), "a multiple of the key's"),
        (((1, 2, 4, 8), (1, 2, 5, 8), (1, 2, 5, 8)), "all but the heads must be the same"),
        (((1, 2, 5, 8), (1, 2, 5, 8), (1, 2, 5, 8)), "there are 5 tokens, but the segments are 4"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(
    shapes: tuple[tuple[int, ...], ...], message: str
) -> None:
    query, key, value = (torch.zeros(shape) for shape in shapes)
    with pytest.raises(StructureInvalid, match=message):
        reference.block_attention(query, key, value, BlockStructure.causal(4))
