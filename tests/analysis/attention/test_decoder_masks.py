"""Both routes against each other, against plain transformers, and by what no longer matters."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedConfig, PreTrainedModel

from analysis.attention import decoder_masks
from analysis.attention.decoder_masks import eager, logits, of_cuts, size_of
from analysis.attention.edges import Cut, Size
from analysis.attention.modules import eager_attention
from analysis.errors import CutOutOfRange, InvalidParams, ModelIncompatible
from analysis.model import Model
from tests.analysis.attention.cuts import OUT_OF_RANGE
from tests.analysis.attention.hooked import hooked
from tests.load_folder import load_folder
from tests.tiny_models import make_gemma, make_gpt2, make_llama, make_qwen2

TOKENS, LAYERS, HEADS = 7, 2, 4
ALL = tuple(range(TOKENS))
MAKERS: dict[str, Callable[[Path], Path]] = {
    "gpt2": make_gpt2,  # learned positions
    "llama": make_llama,  # grouped heads
    "gemma": make_gemma,  # one key/value head, scaled embeddings
    "qwen2": make_qwen2,
}
NO_MASKS = [None] * LAYERS


@pytest.fixture(scope="module", params=MAKERS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_folder(MAKERS[request.param](tmp_path_factory.mktemp(request.param)))


@pytest.fixture(scope="module")
def ids() -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randint(10, 300, (2, TOKENS), generator=generator)


def fast(model: Model, ids: torch.Tensor, *cuts: Cut) -> torch.Tensor:
    keep = torch.arange(ids.shape[1])
    return logits(model, ids, of_cuts(cuts, size_of(model, ids)), keep_T=keep)


def slow(model: Model, ids: torch.Tensor, *cuts: Cut, zero: bool = False) -> torch.Tensor:
    keep = torch.arange(ids.shape[1])
    return eager(model, ids, of_cuts(cuts, size_of(model, ids)), keep_T=keep, zero=zero)


def by_hooks(model: Model, ids: torch.Tensor, *cuts: Cut, zero: bool = False) -> torch.Tensor:
    return hooked(model, ids, of_cuts(cuts, size_of(model, ids)), zero=zero)


def weights_of(model: Model, ids: torch.Tensor, masks: Any, *, zero: bool = False) -> torch.Tensor:
    """[L, B, H, N, N]"""
    found: list[torch.Tensor] = []
    keep = torch.arange(ids.shape[1])
    eager(model, ids, masks, keep_T=keep, zero=zero, receive=lambda _, one: found.append(one))
    return torch.stack(found)


@torch.inference_mode()
def test_without_masks_logits_are_the_routes_own_to_the_last_bit(
    model: Model, ids: torch.Tensor
) -> None:
    assert torch.equal(fast(model, ids), model.plain(ids).logits)
    with eager_attention(model.plain):
        plain = model.plain(ids).logits
    assert torch.equal(slow(model, ids), plain)
    nothing = Cut((), ALL)
    assert torch.equal(slow(model, ids, nothing), plain)
    torch.testing.assert_close(fast(model, ids, nothing), model.plain(ids).logits)


cuts = st.builds(
    lambda queries, keys, layers, heads, rows: (
        tuple(queries),
        tuple(set(keys) - set(queries)),
        layers,
        heads,
        rows,
    ),
    st.sets(st.integers(1, TOKENS - 1), min_size=1),
    st.sets(st.integers(1, TOKENS - 1)),
    st.none() | st.just((1,)),
    st.none() | st.just((0, 3)),
    st.none() | st.just((1,)),
)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(chosen=st.lists(cuts, max_size=3))
def test_both_routes_agree(model: Model, ids: torch.Tensor, chosen: list[tuple[Any, ...]]) -> None:
    made = [Cut(*fields) for fields in chosen]  # here: a strategy must not draw random checks
    other = by_hooks(model, ids, *made)
    near = {"rtol": 0, "atol": 1e-5 * float(other.abs().max())}
    torch.testing.assert_close(fast(model, ids, *made), other, **near)
    torch.testing.assert_close(slow(model, ids, *made), other, **near)
    zeroed = slow(model, ids, *made, zero=True)
    torch.testing.assert_close(zeroed, by_hooks(model, ids, *made, zero=True), **near)


@pytest.fixture(scope="module")
def double(model: Model) -> Model:
    """The same weights in float64, as a model of its own."""
    plain = model.plain.__class__(model.plain.config)
    plain.load_state_dict(model.plain.state_dict())
    plain = plain.double().eval().requires_grad_(requires_grad=False)
    return Model(model.info, plain, model.tokenizer, model.path)


def test_in_float64_both_routes_agree_to_ten_digits(
    double: Model, ids: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Norms and softmax of these classes go through float32 by name; here that name is float64."""
    monkeypatch.setattr(torch, "float32", torch.float64)
    chosen = (Cut((5,), (1, 3), layers=(0,)), Cut((6,), (2,), heads=(1,), rows=(1,)))
    one, other = fast(double, ids, *chosen), slow(double, ids, *chosen)
    assert one.dtype == torch.float64
    assert (one - other).abs().max() <= 1e-10


def test_the_output_no_longer_depends_on_a_token_all_of_whose_paths_are_cut(
    model: Model, ids: torch.Tensor
) -> None:
    cut = Cut((3, 4, 5, 6), (2,))
    changed = ids.clone()
    changed[:, 2] = (ids[:, 2] + 17) % 300
    for route in (fast, slow):
        before, after = route(model, ids, cut), route(model, changed, cut)
        assert torch.equal(before[:, [0, 1, 3, 4, 5, 6]], after[:, [0, 1, 3, 4, 5, 6]])
        assert not torch.allclose(before[:, 2], after[:, 2])
        assert not torch.allclose(route(model, ids)[:, 6], route(model, changed)[:, 6])


def test_a_cut_changes_nothing_before_its_query(model: Model, ids: torch.Tensor) -> None:
    before, after = slow(model, ids), slow(model, ids, Cut((4,), (1,)))
    assert torch.equal(before[:, :4], after[:, :4])
    assert not torch.allclose(before[:, 4], after[:, 4])


def test_each_row_is_as_if_it_were_alone(model: Model, ids: torch.Tensor) -> None:
    same = ids[:1].expand(3, -1)
    chosen = (Cut((5,), (1,), rows=(1,)), Cut((6,), (0, 3), heads=(1,), rows=(2,)))
    found = fast(model, same, *chosen)
    torch.testing.assert_close(found[:1], fast(model, ids[:1]))
    torch.testing.assert_close(found[1:2], fast(model, ids[:1], Cut((5,), (1,))))
    torch.testing.assert_close(found[2:], fast(model, ids[:1], Cut((6,), (0, 3), heads=(1,))))


def test_knocked_out_edges_renormalise_and_zeroed_ones_lose_their_mass(
    model: Model, ids: torch.Tensor
) -> None:
    masks = of_cuts([Cut((5,), (1,), layers=(0,), heads=(2,))], size_of(model, ids))
    plain, found = weights_of(model, ids, NO_MASKS), weights_of(model, ids, masks)
    patterns: list[torch.Tensor] = []
    hooked(model, ids, masks, patterns=patterns)
    torch.testing.assert_close(found, torch.stack(patterns))
    expected = plain[0].clone()
    expected[:, 2, 5, 1] = 0
    expected[:, 2, 5] /= expected[:, 2, 5].sum(-1, keepdim=True)
    torch.testing.assert_close(found[0], expected)
    zeroed = weights_of(model, ids, masks, zero=True)
    lost = 1 - plain[0, :, 2, 5, 1]
    torch.testing.assert_close(zeroed[0, :, 2, 5].sum(-1), lost)


def test_position_ids_may_start_again(model: Model, ids: torch.Tensor) -> None:
    """Two texts side by side that do not read each other, each as if it were alone."""
    positions = torch.tensor([0, 1, 2, 3, 0, 1, 2])
    apart = torch.block_diag(torch.ones(4, 4), torch.ones(3, 3)).bool()[None, None]
    keep = torch.arange(TOKENS)
    found = logits(model, ids, [apart] * LAYERS, keep_T=keep, positions_N=positions)
    torch.testing.assert_close(found[:, :4], fast(model, ids[:, :4]))
    torch.testing.assert_close(found[:, 4:], fast(model, ids[:, 4:]))
    other = hooked(model, ids, [apart] * LAYERS, positions_N=positions)
    torch.testing.assert_close(found, other, rtol=0, atol=1e-5 * float(other.abs().max()))
    slowly = eager(model, ids, [apart] * LAYERS, keep_T=keep, positions_N=positions)
    torch.testing.assert_close(slowly, other, rtol=0, atol=1e-5 * float(other.abs().max()))


def test_position_ids_that_start_again_without_a_mask_are_not_read_as_packed_texts(
    model: Model, ids: torch.Tensor
) -> None:
    positions = torch.tensor([0, 1, 2, 0, 1, 2, 3])
    full = torch.ones(1, 1, TOKENS, TOKENS, dtype=torch.bool)
    keep = torch.arange(TOKENS)
    given = {"keep_T": keep, "positions_N": positions}
    expected = logits(model, ids, [full] * LAYERS, **given)
    torch.testing.assert_close(logits(model, ids, NO_MASKS, **given), expected)
    near = {"rtol": 0, "atol": 1e-5 * float(expected.abs().max())}
    torch.testing.assert_close(eager(model, ids, NO_MASKS, **given), expected, **near)
    other = hooked(model, ids, NO_MASKS, positions_N=positions)
    torch.testing.assert_close(other, expected, **near)


def test_a_mask_never_shows_the_future(model: Model, ids: torch.Tensor) -> None:
    full = torch.ones(1, 1, TOKENS, TOKENS, dtype=torch.bool)
    found = logits(model, ids, [full] * LAYERS, keep_T=torch.arange(TOKENS))
    torch.testing.assert_close(found, fast(model, ids))


@pytest.mark.parametrize(("cut", "message"), OUT_OF_RANGE)
def test_what_is_not_there_cannot_be_cut(cut: Cut, message: str) -> None:
    with pytest.raises(CutOutOfRange, match=message) as caught:
        of_cuts([cut], Size(2, TOKENS, LAYERS, HEADS))
    assert caught.value.remedy


@pytest.mark.parametrize("cut", [Cut((3,), ALL, heads=(1,)), Cut((0,), (0,), layers=(1,))])
def test_a_token_is_left_something_to_attend_to(model: Model, ids: torch.Tensor, cut: Cut) -> None:
    for route in (fast, slow):
        with pytest.raises(CutOutOfRange, match=f"leave token {cut.queries[0]} nothing"):
            route(model, ids, cut)
    torch.testing.assert_close(fast(model, ids), slow(model, ids), rtol=0, atol=1e-4)


def test_there_is_a_mask_per_layer(model: Model, ids: torch.Tensor) -> None:
    with pytest.raises(InvalidParams, match="3 masks are given; the model has 2 layers"):
        eager(model, ids, [None] * 3, keep_T=torch.arange(TOKENS))


class Unmasked(PreTrainedModel):
    """A model without attention."""


def test_an_attention_without_masks_of_its_own_is_refused(ids: torch.Tensor) -> None:
    with (
        pytest.raises(ModelIncompatible, match="Unmasked takes no mask"),
        decoder_masks.masked(
            Unmasked(PreTrainedConfig()), [torch.ones(1, 1, 1, 1, dtype=torch.bool)]
        ),
    ):
        pass
