"""Model families whose configs or buffers differ from Llama's, through the methods as they are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import analysis
from analysis.catalog.entries import folder_entry
from analysis.catalog.metadata import read_metadata
from analysis.events import Event
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
