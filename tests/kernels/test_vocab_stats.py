"""vocab_stats: the reference against float64 formulas, the kernel against the reference."""

import math
import os

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import kernels.vocab_stats as dispatched
from kernels.vocab_stats import reference
from kernels.vocab_stats.reference import VocabStats

SIZES = (1, 2, 63, 1000, 4099)
TOLERANCE = {torch.float32: 2e-6, torch.bfloat16: 2e-6}  # bf16 logits are read exactly


@pytest.fixture
def fused(interpreted: None):  # type: ignore[no-untyped-def]
    from kernels.vocab_stats import fused as kernel

    return kernel


def logits(rows: int, vocabulary: int, dtype: torch.dtype, *, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(rows, vocabulary, generator=generator) * 5).to(dtype)


def assert_same(found: VocabStats, expected: VocabStats, given: Tensor, tolerance: float) -> None:
    for name in ("entropy_R", "logsumexp_R", "max_R", "second_R", "top_values_RK"):
        torch.testing.assert_close(
            getattr(found, name), getattr(expected, name), rtol=tolerance, atol=tolerance
        )
    torch.testing.assert_close(found.argmax_R, expected.argmax_R)
    torch.testing.assert_close(
        given.float().gather(1, found.top_ids_RK), found.top_values_RK, rtol=tolerance, atol=1e-5
    )
    assert all(len(set(row)) == len(row) for row in found.top_ids_RK.tolist())


@pytest.mark.parametrize("vocabulary", SIZES)
@pytest.mark.parametrize("rows", [1, 3])
def test_the_reference_is_the_definition(rows: int, vocabulary: int) -> None:
    x = logits(rows, vocabulary, torch.float32) * 20
    k = min(5, vocabulary)
    found = reference.vocab_stats(x, k=k)
    logp = x.double().log_softmax(-1)
    torch.testing.assert_close(
        found.entropy_R.double(), -(logp.exp() * logp).sum(-1), atol=2e-6, rtol=2e-6
    )
    torch.testing.assert_close(
        found.logsumexp_R.double(), x.double().logsumexp(-1), atol=1e-5, rtol=1e-6
    )
    ordered = x.sort(descending=True).values
    torch.testing.assert_close(found.top_values_RK, ordered[:, :k])
    torch.testing.assert_close(found.max_R, ordered[:, 0])
    second = ordered[:, 1] if vocabulary > 1 else torch.full((rows,), -math.inf)
    torch.testing.assert_close(found.second_R, second)
    assert found.argmax_R.tolist() == x.argmax(-1).tolist()


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 40), st.data())
def test_forbidden_logits_count_for_nothing(vocabulary: int, data: st.DataObject) -> None:
    x = logits(2, vocabulary, torch.float32, seed=vocabulary)
    kept = data.draw(st.lists(st.integers(0, vocabulary - 1), min_size=1, unique=True))
    masked = torch.full_like(x, -math.inf)
    masked[:, kept] = x[:, kept]
    found, alone = reference.vocab_stats(masked), reference.vocab_stats(x[:, kept])
    torch.testing.assert_close(found.entropy_R, alone.entropy_R, atol=2e-6, rtol=2e-6)
    torch.testing.assert_close(found.logsumexp_R, alone.logsumexp_R)
    assert found.argmax_R.tolist() == [kept[at] for at in alone.argmax_R.tolist()]


def test_the_first_of_equals_is_the_argmax() -> None:
    x = torch.tensor([[1.0, 3.0, 3.0, 2.0]])
    found = reference.vocab_stats(x)
    assert found.argmax_R.tolist() == [1]
    assert found.second_R.tolist() == [3.0]


@pytest.mark.parametrize(("vocabulary", "k"), [(4, 0), (4, 5), (1000, 65)])
def test_a_k_that_cannot_be_is_refused(vocabulary: int, k: int) -> None:
    with pytest.raises(ValueError, match=f"k is {k}; it must be 1 to"):
        dispatched.vocab_stats(torch.zeros(1, vocabulary), k=k)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("vocabulary", SIZES)
@pytest.mark.parametrize("rows", [1, 3])
def test_the_kernel_equals_the_reference(
    fused: object, rows: int, vocabulary: int, dtype: torch.dtype
) -> None:
    x = logits(rows, vocabulary, dtype)
    k = min(5, vocabulary)
    found = fused.vocab_stats(x, k=k)  # type: ignore[attr-defined]
    assert_same(found, reference.vocab_stats(x, k=k), x, TOLERANCE[dtype])


def test_the_kernel_joins_many_slices(fused: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "COLUMNS", 64)
    x = logits(2, 1000, torch.float32)
    found = fused.vocab_stats(x, k=7)  # type: ignore[attr-defined]
    assert_same(found, reference.vocab_stats(x, k=7), x, 2e-6)


def test_the_kernel_reads_strides_and_forbidden_logits(fused: object) -> None:
    x = logits(63, 6, torch.float32).T
    x[2, 5:] = -math.inf
    x[3, 10:40] = -math.inf
    found = fused.vocab_stats(x, k=4)  # type: ignore[attr-defined]
    assert_same(found, reference.vocab_stats(x, k=4), x, 2e-6)


def test_the_kernel_takes_the_first_of_equals(fused: object) -> None:
    x = torch.full((2, 300), -1.0)
    x[0, [7, 200]] = 4.0
    found = fused.vocab_stats(x, k=2)  # type: ignore[attr-defined]
    assert found.argmax_R.tolist() == [7, 0]
    assert found.second_R.tolist() == [4.0, -1.0]
    assert found.top_ids_RK.tolist() == [[7, 200], [0, 1]]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("rows", "width", "vocabulary"), [(1, 1, 1), (17, 63, 63), (3, 70, 1000)])
@pytest.mark.parametrize("biased", ["", "biased"])
def test_the_kernel_multiplies_as_the_reference(
    fused: object, rows: int, width: int, vocabulary: int, dtype: torch.dtype, biased: str
) -> None:  # fmt: skip
    hidden = logits(rows, width, dtype, seed=1) / 5
    weight = logits(vocabulary, width, dtype, seed=2) / 5
    bias = logits(1, vocabulary, dtype, seed=3)[0] if biased else None
    k = min(3, vocabulary)
    found = fused.hidden_stats(hidden, weight, bias, k=k)  # type: ignore[attr-defined]
    x = hidden.float() @ weight.float().T + (0 if bias is None else bias.float())
    assert_same(found, reference.hidden_stats(hidden, weight, bias, k=k), x, 2e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="kernels are interpreted")
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("vocabulary", [*SIZES, 151_936])
def test_a_gpu_gives_the_same(vocabulary: int, dtype: torch.dtype) -> None:
    x = logits(33, vocabulary, dtype)
    k = min(5, vocabulary)
    found = dispatched.vocab_stats(x.cuda(), k=k)
    here = VocabStats(*(value.cpu() for value in found))
    assert_same(here, reference.vocab_stats(x, k=k), x, 1e-5)
