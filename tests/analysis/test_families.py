"""Model families whose configs or buffers differ from Llama's, through the methods as they are."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import analysis
from analysis.attention import decoder_masks
from analysis.attention.decoder_masks import of_cuts, size_of
from analysis.attention.edges import Cut
from analysis.attention.modules import eager_attention
from analysis.catalog.entries import folder_entry
from analysis.catalog.metadata import read_metadata
from analysis.errors import CutOutOfRange, ModelIncompatible
from analysis.events import Event
from analysis.methods.information_flow.text.block_parts import block_parts
from analysis.model import Model
from tests.families import TEXT
from tests.load_folder import load_folder
from tests.tiny_models import byte_tokenizer, edit_config, save, spread

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 320}
QUICK = {"probes": 16, "draws": 1, "max_new_tokens": 2}
LONG_ROPE = {
    "rope_type": "longrope",
    "short_factor": [1.0] * 4,
    "long_factor": [2.0, 3.0, 4.0, 5.0],
    "rope_theta": 10000.0,
    "original_max_position_embeddings": 64,
}
Make = Callable[[], transformers.PreTrainedModel]


def bloom() -> transformers.PreTrainedModel:
    config = transformers.BloomConfig(hidden_size=32, n_layer=2, n_head=4, vocab_size=320)
    return transformers.BloomForCausalLM(config)


def neox() -> transformers.PreTrainedModel:
    config = transformers.GPTNeoXConfig(
        **SIZES, intermediate_size=64, max_position_embeddings=96, bos_token_id=0, eos_token_id=1
    )
    return transformers.GPTNeoXForCausalLM(config)


def phi3() -> transformers.PreTrainedModel:
    config = transformers.Phi3Config(
        **SIZES, intermediate_size=64, num_key_value_heads=2, bos_token_id=0, eos_token_id=1,
        pad_token_id=2, max_position_embeddings=256, original_max_position_embeddings=64,
        rope_parameters=LONG_ROPE,
    )  # fmt: skip
    return transformers.Phi3ForCausalLM(config)


def qwen3_next() -> transformers.PreTrainedModel:
    """A layer of linear attention, which has no pattern, before one of full attention."""
    config = transformers.Qwen3NextConfig(
        **SIZES, intermediate_size=64, num_key_value_heads=2, head_dim=8, bos_token_id=0,
        eos_token_id=1, pad_token_id=2, max_position_embeddings=256,
        layer_types=["linear_attention", "full_attention"], linear_conv_kernel_dim=4,
        linear_key_head_dim=8, linear_value_head_dim=8, linear_num_key_heads=2,
        linear_num_value_heads=4, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32,
        shared_expert_intermediate_size=32,
    )  # fmt: skip
    return transformers.Qwen3NextForCausalLM(config)


def folder_of(make: Make, path: Path) -> Path:
    torch.manual_seed(0)
    return save(spread(make().eval()), byte_tokenizer(), path)


def run(method: str, folder: Path, **params: Any) -> list[Event]:
    given = {"prompt": "Anna has the ball.", **params}
    return list(analysis.run(method, model=folder_entry(folder), params=given))


@pytest.mark.parametrize("make", [bloom, neox, phi3])
@pytest.mark.parametrize("letters", [1, 8])  # a long text takes Phi-3's other factors
def test_gradients_follow_what_was_read_without(make: Make, letters: int, tmp_path: Path) -> None:
    """ReAGent reads logits first, then integrates gradients through the same buffers."""
    folder = folder_of(make, tmp_path / "model")
    events = run("reagent", folder, **QUICK, prompt="Anna has it. " * letters)
    names = {event.name for event in events if event.kind == "baseline"}  # type: ignore[attr-defined]
    assert "integrated_gradients" in names


@pytest.mark.parametrize("make", [neox, phi3])
def test_a_model_keeps_no_tensor_that_takes_no_gradient(make: Make, tmp_path: Path) -> None:
    model = load_folder(folder_of(make, tmp_path / "model"))
    for ids in (torch.full((1, 8), 5), torch.full((1, 90), 5), torch.full((1, 8), 5)):
        with torch.no_grad():
            model.logits(ids, torch.arange(ids.shape[1]))
            model.bridge(ids)
    for part in (model.plain, model.bridge):
        assert not [name for name, kept in part.named_buffers() if kept.is_inference()]
        assert not [name for name, kept in part.named_parameters() if kept.is_inference()]


@pytest.mark.parametrize("method", ["reagent", "cntp"])
def test_a_model_without_a_limit_reads_any_length(method: str, tmp_path: Path) -> None:
    folder = folder_of(bloom, tmp_path / "model")
    params = QUICK if method == "reagent" else {"max_new_tokens": 2}
    events = run(method, folder, prompt="Anna has it. " * 20, **params)
    info = next(event.info for event in events if event.kind == "model")  # type: ignore[attr-defined]
    assert info.context == 0
    assert info.longest > 10**6


def test_sizes_are_read_under_the_names_that_bloom_and_mpt_give_them(tmp_path: Path) -> None:
    folder = folder_of(bloom, tmp_path / "model")
    edit_config(folder, hidden_size=None, n_embed=32, max_seq_len=128)
    metadata = read_metadata(folder)
    assert (metadata.width, metadata.context) == (32, 128)


def test_a_side_analysis_that_a_layer_cannot_show_is_left_out(tmp_path: Path) -> None:
    events = run("reagent", folder_of(qwen3_next, tmp_path / "model"), **QUICK)
    names = {event.name for event in events if event.kind == "baseline"}  # type: ignore[attr-defined]
    assert "integrated_gradients" in names
    assert "attention_rollout" not in names
    assert events[-1].kind == "cost"


def test_linear_attention_is_decoded_as_it_is_without_a_cache(tmp_path: Path) -> None:
    folder = folder_of(qwen3_next, tmp_path / "model")
    params = {"max_new_tokens": 6, "trial_cap": 3}
    events = run("cntp", folder, **params, decoder="greedy")
    output = next(event.ids for event in events if event.kind == "output_tokens")  # type: ignore[attr-defined]
    model = load_folder(folder)
    ids = torch.tensor([model.tokenizer("Anna has the ball.").input_ids])
    with torch.no_grad():
        for token in output:
            assert int(model.plain(input_ids=ids, use_cache=False).logits[0, -1].argmax()) == token
            ids = torch.cat([ids, torch.tensor([[token]])], 1)
    assert run("cntp", folder, **params)[-1].kind == "trace_end"


@pytest.fixture(scope="module", params=TEXT)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model of each family that takes masks per layer."""
    found = load_folder(folder_of(TEXT[request.param], tmp_path_factory.mktemp("family") / "model"))
    assert found.info.self_check
    if found.info.self_check.abilities["masks"]:
        pytest.skip(found.info.self_check.abilities["masks"])
    return found


@torch.no_grad()
def test_weights_are_those_that_transformers_gives(family: Model) -> None:
    ids, layers, found = torch.arange(10, 21)[None], family.info.layers, list[torch.Tensor]()
    keep = torch.arange(ids.shape[1])
    logits = decoder_masks.eager(
        family, ids, [None] * layers, keep_T=keep, receive=lambda _, one: found.append(one)
    )
    with eager_attention(family.plain):
        plain = family.plain(ids, output_attentions=True)
    torch.testing.assert_close(torch.stack(found), torch.stack(plain.attentions))
    torch.testing.assert_close(logits, plain.logits)


@torch.no_grad()
def test_a_cut_is_that_of_a_mask_given_to_the_whole_model(family: Model) -> None:
    """transformers takes a mask [1, 1, N, N] as it is, except beside ALiBi."""
    if family.info.architecture in ("BloomForCausalLM", "MptForCausalLM", "FalconForCausalLM"):
        pytest.skip("the model builds its mask from one value per token")
    ids = torch.arange(10, 21)[None]
    size = ids.shape[1]
    hidden = torch.ones(size, size, dtype=torch.bool).triu(1)
    hidden[[5, 8], [2, 3]] = True
    mask = torch.zeros(1, 1, size, size).masked_fill(hidden, torch.finfo(torch.float32).min)
    with eager_attention(family.plain):
        positions = torch.arange(size)[None]
        expected = family.plain(ids, attention_mask=mask, position_ids=positions).logits
    cuts = of_cuts([Cut((5,), (2,)), Cut((8,), (3,))], size_of(family, ids))
    for route in (decoder_masks.logits, decoder_masks.eager):
        found = route(family, ids, cuts, keep_T=torch.arange(size))
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


@torch.no_grad()
def test_a_cut_stays_within_a_window_that_the_attention_applies_itself(tmp_path: Path) -> None:
    """GPT-Neo's local layers hide what is 16 tokens back or more, whatever mask they are given."""
    model = load_folder(folder_of(TEXT["GPT-Neo"], tmp_path / "model"))
    ids = torch.arange(10, 34)[None]
    size = ids.shape[1]
    hidden = torch.ones(size, size, dtype=torch.bool).triu(1)
    hidden[20, [2, 12]] = True
    mask = torch.zeros(1, 1, size, size).masked_fill(hidden, torch.finfo(torch.float32).min)
    expected = model.plain(ids, attention_mask=mask).logits
    cuts = of_cuts([Cut((20,), (2, 12))], size_of(model, ids))
    found = decoder_masks.logits(model, ids, cuts, keep_T=torch.arange(size))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
    blind = of_cuts([Cut((20,), tuple(range(5, 21)))], size_of(model, ids))
    with pytest.raises(CutOutOfRange, match="token 20 nothing to attend to in layer 1"):
        decoder_masks.logits(model, ids, blind, keep_T=torch.arange(size))


@torch.no_grad()
def test_the_parts_of_a_block_add_up_to_its_states(family: Model) -> None:
    ids, layers = torch.arange(10, 21)[None], family.info.layers
    if getattr(family.plain.config, "do_layer_norm_before", True) is False:  # OPT-350m
        with pytest.raises(ModelIncompatible, match="is not a sum"):
            list(block_parts(family, ids, range(layers)))
        return
    for _, parts in block_parts(family, ids, range(layers)):
        heads_ND = torch.einsum("hqk,khd->qd", parts.weights_HQK, parts.written_KHD)
        whole = parts.before_ND + parts.scale_ND * (heads_ND + parts.bias_D)
        near = 1e-5 * float(whole.abs().max())
        torch.testing.assert_close(whole, parts.middle_ND, rtol=0, atol=near)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_contributions_are_divided_in_half_precision(dtype: torch.dtype, tmp_path: Path) -> None:
    model = load_folder(folder_of(TEXT["Llama 3.2"], tmp_path / "model"))
    half = replace(model, plain=copy.deepcopy(model.plain).to(dtype))
    ids = torch.arange(10, 41)[None]
    exact = dict(block_parts(model, ids, range(2)))
    for layer, parts in block_parts(half, ids, range(2)):
        size = float(exact[layer].after_ND.abs().max())
        assert float((parts.after_ND - exact[layer].after_ND).abs().max()) <= 0.05 * size
