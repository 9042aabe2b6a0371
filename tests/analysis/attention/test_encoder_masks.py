from typing import Any

import pytest
import torch
from transformers import Gemma2Config, Gemma2Model, PreTrainedModel, T5Config, T5Model

from analysis.attention.edges import Cut
from analysis.attention.encoder_masks import cut_edges, encoder_parts, longest_input, run_with_cuts
from analysis.errors import CutOutOfRange, ModelIncompatible
from tests.analysis.attention.cuts import OUT_OF_RANGE
from tests.tiny_models import byte_tokenizer, spread
from tests.tiny_pictures import make_clip_encoder, make_t5_encoder

TOKENS = 7
ALL = tuple(range(TOKENS))


def make_gemma2(tokenizer: Any) -> PreTrainedModel:
    config = Gemma2Config(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, pad_token_id=2,
    )  # fmt: skip
    return spread(Gemma2Model(config)).eval()


MAKERS = {"t5": make_t5_encoder, "clip": make_clip_encoder, "gemma2": make_gemma2}


@pytest.fixture(scope="module", params=MAKERS)
def encoder(request: pytest.FixtureRequest) -> PreTrainedModel:
    return MAKERS[request.param](byte_tokenizer()).requires_grad_(requires_grad=False)


@pytest.fixture(scope="module")
def ids() -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randint(10, 300, (2, TOKENS), generator=generator)


def final(encoder: PreTrainedModel, ids: torch.Tensor, *cuts: Cut, **options: Any) -> torch.Tensor:
    return run_with_cuts(encoder, ids, cuts, **options).final_BND


def eager(encoder: PreTrainedModel, ids: torch.Tensor, **options: Any) -> Any:
    own = encoder.config._attn_implementation
    encoder.set_attn_implementation("eager")
    out = encoder(ids, output_hidden_states=True, **options)
    encoder.set_attn_implementation(own)
    return out


def test_without_cuts_states_are_those_of_plain_eager_attention_to_the_last_bit(
    encoder: PreTrainedModel, ids: torch.Tensor
) -> None:
    plain = eager(encoder, ids)
    found = run_with_cuts(encoder, ids, ())
    assert torch.equal(found.final_BND, plain.last_hidden_state)
    assert found.layers_LBND.shape == (3, 2, TOKENS, 32)
    for layer in (0, 1):
        assert torch.equal(found.layers_LBND[layer], plain.hidden_states[layer])
    normed = encoder_parts(encoder).final_norm(found.layers_LBND[-1])
    assert torch.equal(normed, found.final_BND)


def test_a_cut_of_no_edge_changes_nothing(encoder: PreTrainedModel, ids: torch.Tensor) -> None:
    cut = Cut((), ALL)
    assert torch.equal(final(encoder, ids, cut), eager(encoder, ids).last_hidden_state)


def test_padding_is_masked_as_without_cuts(encoder: PreTrainedModel, ids: torch.Tensor) -> None:
    mask = torch.tensor([[1] * TOKENS, [1] * 4 + [0] * 3])
    plain = eager(encoder, ids, attention_mask=mask).last_hidden_state
    assert torch.equal(final(encoder, ids, attention_mask_BN=mask), plain)
    cut = Cut((5,), (0,), layers=(1,), rows=(0,))
    found = final(encoder, ids, cut, attention_mask_BN=mask)
    assert torch.equal(found[1], plain[1])
    assert not torch.equal(found[0], plain[0])


def test_states_no_longer_depend_on_a_token_all_of_whose_paths_are_cut(
    encoder: PreTrainedModel, ids: torch.Tensor
) -> None:
    others = tuple(token for token in ALL if token != 2)
    cut = Cut(others, (2,))
    changed = ids.clone()
    changed[:, 2] = (ids[:, 2] + 17) % 300
    before, after = final(encoder, ids, cut), final(encoder, changed, cut)
    assert torch.equal(before[:, others], after[:, others])
    assert not torch.allclose(before[:, 2], after[:, 2])
    uncut = (final(encoder, ids) - final(encoder, changed))[:, 3:].abs().amax(-1)
    assert (uncut > 1e-4).all()


def test_a_cut_in_the_last_layer_changes_its_query_alone(
    encoder: PreTrainedModel, ids: torch.Tensor
) -> None:
    plain, found = final(encoder, ids), final(encoder, ids, Cut((4,), (1, 2), layers=(1,)))
    differs = (plain != found).any(-1)
    assert differs[:, 4].all()
    assert not differs[:, [token for token in ALL if token != 4]].any()


def test_the_rest_renormalises(ids: torch.Tensor) -> None:
    """CLIP's patterns under a cut are the uncut ones, without the key, divided by their sum."""
    encoder = make_clip_encoder(byte_tokenizer())
    seen: list[torch.Tensor] = []
    attention = encoder_parts(encoder).attentions[0]
    attention.register_forward_hook(lambda module, args, out: seen.append(out[1]))
    final(encoder, ids)
    final(encoder, ids, Cut((5,), (1,), layers=(0,), heads=(2,)))
    plain, cut = seen
    expected = plain[:, 2, 5].clone()
    expected[:, 1] = 0
    expected /= expected.sum(-1, keepdim=True)
    torch.testing.assert_close(cut[:, 2, 5], expected)
    assert torch.equal(cut[:, [0, 1, 3]], plain[:, [0, 1, 3]])


def test_rows_of_a_batch_have_cuts_of_their_own(
    encoder: PreTrainedModel, ids: torch.Tensor
) -> None:
    same = ids[:1].expand(3, -1)
    cuts = (Cut((5,), (1,), rows=(1,)), Cut((6,), (0, 3), heads=(1,), rows=(2,)))
    found = final(encoder, same, *cuts)
    torch.testing.assert_close(found[0], final(encoder, ids[:1])[0])
    for row, cut in ((1, Cut((5,), (1,))), (2, Cut((6,), (0, 3), heads=(1,)))):
        torch.testing.assert_close(found[row], final(encoder, ids[:1], cut)[0])


@pytest.mark.parametrize(("cut", "message"), OUT_OF_RANGE)
def test_what_is_not_there_cannot_be_cut(
    encoder: PreTrainedModel, ids: torch.Tensor, cut: Cut, message: str
) -> None:
    with pytest.raises(CutOutOfRange, match=message) as caught:
        final(encoder, ids, cut)
    assert caught.value.remedy


@pytest.mark.parametrize("cut", [Cut((3,), ALL, heads=(1,)), Cut((0,), ALL, layers=(1,))])
def test_a_token_is_left_something_to_attend_to(
    encoder: PreTrainedModel, ids: torch.Tensor, cut: Cut
) -> None:
    with pytest.raises(CutOutOfRange, match=f"leave token {cut.queries[0]} nothing"):
        final(encoder, ids, cut)
    assert torch.equal(final(encoder, ids), eager(encoder, ids).last_hidden_state)


def test_what_a_causal_mask_hides_does_not_count_as_left(ids: torch.Tensor) -> None:
    with pytest.raises(CutOutOfRange, match="leave token 1 nothing to attend to in layer 0"):
        final(make_clip_encoder(byte_tokenizer()), ids, Cut((1,), (0, 1)))


def test_own_attention_comes_back_and_hooks_go(encoder: PreTrainedModel, ids: torch.Tensor) -> None:
    own, before = encoder.config._attn_implementation, encoder(ids).last_hidden_state
    with cut_edges(encoder, [Cut((5,), (1,))], shape_BN=(2, TOKENS)):
        assert encoder.config._attn_implementation == "eager"
        assert not torch.allclose(encoder(ids).last_hidden_state, before)
    assert encoder.config._attn_implementation == own
    assert torch.equal(encoder(ids).last_hidden_state, before)


def test_another_architecture_is_refused_with_those_that_are_known(ids: torch.Tensor) -> None:
    other = T5Model(T5Config(vocab_size=8, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2))
    with pytest.raises(ModelIncompatible, match=r"T5Model cannot be run with cuts.*CLIPTextModel"):
        run_with_cuts(other, ids, ())


def test_the_longest_input_is_known_where_positions_are_learned(encoder: PreTrainedModel) -> None:
    expected = {"CLIPTextModel": 77, "T5EncoderModel": None, "Gemma2Model": 8192}
    assert longest_input(encoder) == expected[type(encoder).__name__]
