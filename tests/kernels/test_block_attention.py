"""block_attention: the reference against torch's own attention, every route against it."""

import math
import os

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from kernels.block_attention import (
    BlockAttention,
    BlockStructure,
    RouteUnfit,
    StructureInvalid,
    block_attention,
    flex,
    part_mass,
    part_rows,
    reference,
)

# Relative and absolute; of bfloat16 two steps of its rounding.
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-5, torch.bfloat16: 2**-6}

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

Drawn = tuple[list[int], list[list[int]], list[bool]]


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
def drawn(draw: st.DrawFn) -> Drawn:
    lengths = draw(st.lists(st.integers(1, 20), min_size=1, max_size=6))
    count = len(lengths)
    others = [st.sampled_from([t for t in range(count) if t != s] or [-1]) for s in range(count)]
    reads = [draw(st.lists(o, unique=True)) if count > 1 else [] for o in others]
    inside = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    return lengths, reads, inside


@settings(deadline=None, max_examples=60)
@given(drawn())
def test_a_structure_is_the_mask_of_its_words(
    given: Drawn,
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


def assert_same(
    found: BlockAttention, expected: BlockAttention, dtype: torch.dtype = torch.float64
) -> None:
    """The expected one is of float64; scores are multiplied from the given type exactly."""
    tolerance = TOLERANCE[dtype]
    assert found.output_BHND.dtype == dtype
    torch.testing.assert_close(
        found.output_BHND.double(), expected.output_BHND, rtol=tolerance, atol=tolerance
    )
    sums = min(tolerance, 2e-4)
    torch.testing.assert_close(
        found.logsumexp_BHN.double(), expected.logsumexp_BHN, rtol=sums, atol=sums
    )
    if found.part_logsumexp_BHR is not None:
        assert expected.part_logsumexp_BHR is not None
        torch.testing.assert_close(
            found.part_logsumexp_BHR.double(), expected.part_logsumexp_BHR, rtol=sums, atol=sums
        )


def definition(
    structure: BlockStructure, *given: Tensor, parts: bool = True, **options: float
) -> BlockAttention:
    """The reference in float64 of what is given."""
    query, key, value = (x.double() for x in given)
    return reference.block_attention(query, key, value, structure, parts=parts, **options)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("group", [1, 3])
@pytest.mark.usefixtures("interpreted")
def test_routes_on_a_cpu_equal_the_definition(name: str, dtype: torch.dtype, group: int) -> None:
    structure = STRUCTURES[name]
    given = tensors(structure.tokens, dtype, heads=6, group=group, width=24, batch=2)
    expected = definition(structure, *given, scale=0.2)
    for route, parts in (("dense", False), ("segments", False), ("segments", True)):
        found = block_attention(*given, structure, scale=0.2, parts=parts, route=route)
        assert found.route == route
        assert (found.part_logsumexp_BHR is not None) == parts
        assert_same(found, expected, dtype)


@settings(deadline=None, max_examples=40)
@given(drawn())
def test_segments_are_the_definition_in_any_structure(given: Drawn) -> None:
    structure = BlockStructure.of(*given)
    made = tensors(structure.tokens, width=8, seed=structure.area)
    expected = definition(structure, *made)
    for parts in (False, True):
        assert_same(block_attention(*made, structure, parts=parts, route="segments"), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.usefixtures("interpreted")
def test_the_kernel_equals_the_definition(name: str, dtype: torch.dtype) -> None:
    structure = STRUCTURES[name]
    given = tensors(structure.tokens, dtype, heads=2, width=24)  # one key head for both
    expected = definition(structure, *given)
    for parts in (False, True):
        found = block_attention(*given, structure, parts=parts, route="fused")
        assert found.route == "fused"
        assert (found.part_logsumexp_BHR is not None) == parts
        assert_same(found, expected, dtype)


@pytest.mark.parametrize(("tokens", "width", "heads"), [(400, 16, 1), (65, 7, 2), (64, 72, 1)])
@pytest.mark.usefixtures("interpreted")
def test_the_kernel_takes_odd_sizes(tokens: int, width: int, heads: int) -> None:
    structure = BlockStructure.causal(tokens)
    given = tensors(tokens, torch.float32, heads=heads, group=heads, width=width)
    assert_same(
        block_attention(*given, structure, route="fused"),
        definition(structure, *given),
        torch.float32,
    )


@settings(deadline=None, max_examples=8)
@given(drawn())
def test_the_kernel_is_the_definition_in_any_structure(given: Drawn) -> None:
    pytest.importorskip("triton", reason="Triton has no wheel for this machine")
    if os.environ.get("TRITON_INTERPRET") != "1":
        pytest.skip("set TRITON_INTERPRET=1 to run the kernels on a CPU")
    structure = BlockStructure.of(*given)
    made = tensors(structure.tokens, torch.float32, heads=1, group=1, seed=structure.area)
    expected = definition(structure, *made)
    for parts in (False, True):
        found = block_attention(*made, structure, parts=parts, route="fused")
        assert_same(found, expected, torch.float32)


@pytest.mark.usefixtures("interpreted")
def test_the_kernel_reads_strides() -> None:
    """As projections leave them: heads inside tokens."""
    structure = STRUCTURES["later segments"]
    given = [x.transpose(1, 2).contiguous().transpose(1, 2) for x in tensors(82, torch.float32)]
    assert_same(
        block_attention(*given, structure, route="fused"),
        definition(structure, *given),
        torch.float32,
    )


def test_parts_far_below_the_rest_keep_their_own_sum() -> None:
    """Where shares of attention underflow, log-sum-exps do not."""
    structure = BlockStructure.of([4, 4], [[], [0]])
    query, key, value = (torch.ones(1, 1, 8, 16) for _ in range(3))
    key[:, :, :4] *= -40
    found = block_attention(query, key, value, structure, parts=True)
    assert found.part_logsumexp_BHR is not None
    part = found.part_logsumexp_BHR[0, 0, 4:8]
    torch.testing.assert_close(part, torch.full((4,), -160 + math.log(4)))
    assert part_mass(found, structure)[0, 0].tolist() == [1, 0, 1]


@pytest.mark.parametrize("name", [*STRUCTURES, "many blocks"])
def test_flex_has_the_blocks_of_the_mask(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flex, "BLOCK", 16)
    structure = STRUCTURES.get(name) or BlockStructure.of([40, 16, 70, 1], [[], [0], [1], [0, 2]])
    flex.block_mask.cache_clear()
    blocks = flex.block_mask(structure, torch.device("cpu"))
    flex.block_mask.cache_clear()
    rest = -structure.tokens % 16
    pairs_CC = F.avg_pool2d(F.pad(structure.mask().double(), (0, rest, 0, rest))[None], 16)[0]
    assert torch.equal(blocks.to_dense()[0, 0].bool(), pairs_CC > 0)
    full = torch.zeros_like(pairs_CC)
    assert blocks.full_kv_num_blocks is not None
    assert blocks.full_kv_indices is not None
    for row, count in enumerate(blocks.full_kv_num_blocks[0, 0].tolist()):
        full[row, blocks.full_kv_indices[0, 0, row, :count].long()] = 1
    assert torch.equal(full, (pairs_CC == 1).double())
    every = torch.arange(structure.tokens)
    assert torch.equal(
        blocks.mask_mod(every[:1], every[:1], every[:, None], every[None]), structure.mask()
    )


def test_few_tokens_in_many_pieces_are_one_call() -> None:
    pieces = BlockStructure.of([4] * 16, [[]] * 16)
    assert block_attention(*tensors(64), pieces).route == "dense"
    assert block_attention(*tensors(64), pieces, parts=True).route == "segments"
    assert block_attention(*tensors(64), BlockStructure.causal(64)).route == "segments"
    many = BlockStructure.of([4] * 512, [[]] * 512)
    assert block_attention(*tensors(2048, heads=1, group=1, width=1), many).route == "segments"


def test_what_a_route_cannot_do_is_refused() -> None:
    structure = BlockStructure.causal(4)
    given = tensors(4)
    for route, parts, message in (
        ("dense", True, "dense attention gives no parts"),
        ("flex", True, "FlexAttention gives no parts"),
        ("flex", False, "no log-sum-exp on a CPU"),
    ):
        with pytest.raises(RouteUnfit, match=message):
            block_attention(*given, structure, parts=parts, route=route)
    with pytest.raises(RouteUnfit, match="there is no fast code for meta"):
        block_attention(*(x.to("meta") for x in given), structure)
    with pytest.raises(RouteUnfit, match="segments runs on a CPU; tensors are on meta"):
        block_attention(*(x.to("meta") for x in given), structure, route="segments")
    with pytest.raises(RouteUnfit, match="gradients are asked of segments"):
        block_attention(given[0].requires_grad_(), *given[1:], structure)


@pytest.mark.usefixtures("interpreted")
def test_what_the_kernel_cannot_do_is_refused() -> None:
    structure = BlockStructure.causal(4)
    with pytest.raises(RouteUnfit, match=r"heads are 16 wide, in torch\.float64"):
        block_attention(*tensors(4), structure, route="fused")
    with pytest.raises(RouteUnfit, match="heads are 257 wide"):
        block_attention(*tensors(4, torch.float32, width=257), structure, route="fused")


def test_the_reference_gives_gradients() -> None:
    structure = STRUCTURES["a blind segment"]
    query, key, value = (x.requires_grad_() for x in tensors(structure.tokens))
    found = block_attention(query, key, value, structure, route="reference")
    found.output_BHND.square().sum().backward()
    mask_NN, seen = structure.mask(), structure.mask().any(-1)
    again = [x.detach().requires_grad_() for x in (query, key, value)]
    out = F.scaled_dot_product_attention(
        *again, attn_mask=mask_NN | ~seen[:, None], enable_gqa=True
    )
    (out * seen[:, None]).square().sum().backward()
    for ours, plain in zip((query, key, value), again, strict=True):
        torch.testing.assert_close(ours.grad, plain.grad)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="kernels are interpreted")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("width", [24, 64, 128, 256])
@pytest.mark.parametrize("name", [*STRUCTURES, "long"])
def test_a_gpu_gives_the_same(name: str, width: int, dtype: torch.dtype) -> None:
    structure = STRUCTURES.get(name) or BlockStructure.of([700, 301, 999], [[], [0], [0]])
    given = [x.cuda() for x in tensors(structure.tokens, dtype, width=width, batch=2)]
    expected = definition(structure, *given)
    for parts in (False, True):
        found = block_attention(*given, structure, parts=parts)
        assert found.route == "fused"
        assert_same(found, expected, dtype)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", ["star", "a blind segment", "a prefix"])
def test_flex_on_a_gpu_gives_the_same(name: str) -> None:
    structure = STRUCTURES[name]
    given = [x.cuda() for x in tensors(structure.tokens, torch.bfloat16, width=64)]
    found = block_attention(*given, structure, route="flex")
    assert_same(found, definition(structure, *given), torch.bfloat16)
