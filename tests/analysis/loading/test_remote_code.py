"""LLaDA and Dream with code that fails on transformers 5 where their published files do."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional
from transformers import AutoModel

from analysis.errors import ModelUnreadable
from analysis.loading.remote_code import refill_buffers, refuse_unset_tables
from analysis.model import Model
from tests.load_folder import load_folder, load_trusted
from tests.tiny_models import make_dream, make_llada

Make = Callable[[Path], Path]
# Names of weights before the layers, in each, and behind them.
LLADA = {
    "embed": "model.transformer.wte", "layer": "model.transformer.blocks.{}.", "q": "q_proj",
    "k": "k_proj", "v": "v_proj", "o": "attn_out", "gate": "ff_proj", "up": "up_proj",
    "down": "ff_out", "before": "attn_norm", "between": "ff_norm",
    "norm": "model.transformer.ln_f", "head": "model.transformer.ff_out",
}  # fmt: skip
DREAM = {
    "embed": "model.embed_tokens", "layer": "model.layers.{}.", "q": "self_attn.q_proj",
    "k": "self_attn.k_proj", "v": "self_attn.v_proj", "o": "self_attn.o_proj",
    "gate": "mlp.gate_proj", "up": "mlp.up_proj", "down": "mlp.down_proj",
    "before": "input_layernorm", "between": "post_attention_layernorm", "norm": "model.norm",
    "head": "lm_head",
}  # fmt: skip


def logits_by_hand(folder: Path, ids: list[int], names: dict[str, str]) -> torch.Tensor:
    """From the stored weights alone: Llama blocks whose tokens see all others, [N, V]."""
    weights = load_file(folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    heads, eps = config.get("n_heads") or config["num_attention_heads"], config["rms_norm_eps"]

    def linear(x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"))

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        return weights[f"{name}.weight"] * x / (x.pow(2).mean(-1, keepdim=True) + eps).sqrt()

    x = weights[f"{names['embed']}.weight"][ids]
    dim = x.shape[1] // heads
    angles = torch.outer(torch.arange(len(ids)), 10000.0 ** (-torch.arange(0, dim, 2) / dim))
    turn = torch.polar(torch.ones_like(angles), angles)

    def split(x: torch.Tensor, *, turned: bool) -> torch.Tensor:
        x = x.unflatten(-1, (-1, dim)).transpose(0, 1)
        x = x.repeat_interleave(heads // len(x), 0)
        if not turned:
            return x
        pairs = torch.complex(x[..., : dim // 2], x[..., dim // 2 :]) * turn
        return torch.cat([pairs.real, pairs.imag], -1)

    for layer in range(2):
        at = {name: names["layer"].format(layer) + names[name] for name in names}
        normed = norm(x, at["before"])
        q, k, v = (split(linear(normed, at[n]), turned=n != "v") for n in "qkv")
        mixed = (q @ k.transpose(-2, -1) / dim**0.5).softmax(-1) @ v
        x = x + linear(mixed.transpose(0, 1).flatten(1), at["o"])
        normed = norm(x, at["between"])
        gated = functional.silu(linear(normed, at["gate"])) * linear(normed, at["up"])
        x = x + linear(gated, at["down"])
    return linear(norm(x, names["norm"]), names["head"])


@pytest.fixture(scope="module")
def dream(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_trusted(make_dream(tmp_path_factory.mktemp("remote") / "dream"))


@pytest.mark.parametrize(("make", "names"), [(make_llada, LLADA), (make_dream, DREAM)])
def test_logits_are_those_of_the_stored_weights(
    tmp_path: Path, make: Make, names: dict[str, str]
) -> None:
    model = load_trusted(make(tmp_path / "own-code"))
    ids = model.tokenizer("Anna has the ball and Tom has the book.").input_ids
    with torch.no_grad():
        logits = model.plain(torch.tensor([ids])).logits[0]
    expected = logits_by_hand(model.path, ids, names)
    assert expected.std() > 0.5
    assert torch.allclose(logits, expected, atol=1e-5)
    assert model.info.self_check is not None
    assert model.info.self_check.passed


@pytest.mark.parametrize(
    ("make", "lacks"), [(make_llada, "all_tied_weights_keys"), (make_dream, "default")]
)
def test_transformers_alone_does_not_read_the_code(tmp_path: Path, make: Make, lacks: str) -> None:
    folder = make(tmp_path / f"plain-{lacks}")
    with pytest.raises((AttributeError, KeyError), match=lacks):
        AutoModel.from_pretrained(folder, trust_remote_code=True)


def test_a_second_loading_of_the_same_files_is_the_first_again(dream: Model) -> None:
    again = load_trusted(dream.path)
    assert type(again.plain) is type(dream.plain)
    ids = torch.arange(4, 40)[None]
    with torch.no_grad():
        assert torch.equal(again.plain(ids).logits, dream.plain(ids).logits)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e-42, 0.0])
def test_a_table_that_nothing_filled_is_refused_and_filled_again(
    dream: Model, value: float
) -> None:
    rotary: Any = dream.plain.model.rotary_emb
    kept = rotary.inv_freq
    rotary.inv_freq = torch.full_like(kept, value)
    with pytest.raises(ModelUnreadable, match=r"rotary_emb.inv_freq was not computed") as caught:
        refuse_unset_tables("dream", dream.plain)
    assert caught.value.remedy
    refill_buffers(dream.plain)
    refuse_unset_tables("dream", dream.plain)
    assert torch.equal(rotary.inv_freq, kept)
    assert rotary.original_inv_freq is rotary.inv_freq


@pytest.mark.parametrize("make", [make_llada, make_dream])
def test_a_diffusion_models_own_code_runs_only_where_it_is_listed(
    tmp_path: Path, make: Make
) -> None:
    with pytest.raises(ModelUnreadable, match="custom code") as caught:
        load_folder(make(tmp_path / "own-code"))
    assert "TRUSTED_REMOTE_CODE" in caught.value.remedy
