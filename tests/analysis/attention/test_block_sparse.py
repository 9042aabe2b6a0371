"""Whole models under a block structure, against plain transformers under a dense mask."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AttentionInterface,
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    PreTrainedModel,
)
from transformers.masking_utils import create_causal_mask

from analysis.attention.block_sparse import block_sparse
from analysis.errors import ModelIncompatible
from kernels.block_attention import BlockAttention, BlockStructure, StructureInvalid, part_mass
from tests.tiny_models import make_gpt2, make_llama

GRAPH = BlockStructure.of([2, 7, 5, 9, 6, 8], [[], [], [], [1, 2], [2], [0, 1, 2, 3, 4]])
POSITIONS = [0, 1, *range(2, 9), *range(2, 7), *range(9, 18), *range(9, 15), *range(18, 26)]
STRUCTURES = {
    "graph": (GRAPH, POSITIONS),
    "causal": (BlockStructure.causal(37), list(range(37))),
    "many pieces": (BlockStructure.of([1] * 37, [[]] * 37), [0] * 37),
}


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Learned positions and full heads; rotary positions and grouped heads. In float64."""
    make = {"gpt2": make_gpt2, "llama": make_llama}[request.param]
    folder: Path = make(tmp_path_factory.mktemp("models") / request.param)
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64).eval()


@pytest.fixture(scope="module")
def tokens_BN() -> torch.Tensor:
    return torch.randint(3, 300, (2, 37), generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def dense(model: PreTrainedModel, ids_BN: torch.Tensor, name: str) -> tuple[torch.Tensor, Any]:
    """Logits and patterns [B, H, N, N] by a softmax in float64 under the 4-D mask.

    (transformers' own eager attention of Llama has its softmax in float32.)
    """
    structure, positions = STRUCTURES[name]
    patterns: list[torch.Tensor] = []

    def attend(module: Any, query: Any, key: Any, value: Any, mask: Any, **options: Any) -> Any:
        group = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(group, 1), value.repeat_interleave(group, 1)
        scores = query @ key.mT * options["scaling"]
        patterns.append(scores.masked_fill(~mask, -torch.inf).softmax(-1))
        return (patterns[-1] @ value).transpose(1, 2), None

    AttentionInterface.register("plain_softmax", attend)
    own = model.config._attn_implementation
    model.set_attn_implementation("plain_softmax")
    logits = model(
        ids_BN,
        attention_mask=structure.mask().expand(2, 1, 37, 37),
        position_ids=torch.tensor([positions] * 2),
    ).logits
    model.set_attn_implementation(own)
    return logits, patterns


@torch.no_grad()
def blockwise(
    model: PreTrainedModel, ids_BN: torch.Tensor, name: str, keep: Any = None, **options: Any
) -> torch.Tensor:
    structure, positions = STRUCTURES[name]
    with block_sparse(model, structure, keep):
        logits: torch.Tensor = model(
            ids_BN, position_ids=torch.tensor([positions] * 2), use_cache=False, **options
        ).logits
    return logits


@pytest.mark.parametrize("name", STRUCTURES)
def test_logits_are_those_under_the_dense_mask(
    model: PreTrainedModel, tokens_BN: torch.Tensor, name: str
) -> None:
    expected, _ = dense(model, tokens_BN, name)
    assert expected.std() > 0.1
    torch.testing.assert_close(blockwise(model, tokens_BN, name), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", STRUCTURES)
def test_mass_of_each_layer_is_that_of_its_pattern(
    model: PreTrainedModel, tokens_BN: torch.Tensor, name: str
) -> None:
    structure, _ = STRUCTURES[name]
    found: list[BlockAttention] = []
    blockwise(model, tokens_BN, name, found.append)
    _, patterns = dense(model, tokens_BN, name)
    assert len(found) == len(patterns) == 2
    for layer, pattern_BHNN in zip(found, patterns, strict=True):
        mass_BHP = part_mass(layer, structure)
        for part, (q, k) in enumerate(zip(structure.parts.query, structure.parts.key, strict=True)):
            rows = slice(structure.bounds[q], structure.bounds[q + 1])
            columns = slice(structure.bounds[k], structure.bounds[k + 1])
            expected = pattern_BHNN[:, :, rows, columns].sum(-1).mean(-1)
            torch.testing.assert_close(mass_BHP[:, :, part], expected, rtol=0, atol=1e-12)


def test_the_model_is_left_as_it_was(model: PreTrainedModel, tokens_BN: torch.Tensor) -> None:
    own = model.config._attn_implementation
    with torch.no_grad():
        before = model(tokens_BN).logits
        with pytest.raises(StructureInvalid), block_sparse(model, BlockStructure.causal(3)):
            model(tokens_BN)
        assert model.config._attn_implementation == own
        assert torch.equal(model(tokens_BN).logits, before)


def test_no_mask_of_tokens_by_tokens_is_made(
    model: PreTrainedModel, tokens_BN: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Positions that restart make transformers build one, unless the function has no mask."""
    made: list[Any] = []

    def watch(*given: Any, **named: Any) -> Any:
        made.append(create_causal_mask(*given, **named))
        return made[-1]

    module = __import__(type(model).__module__, fromlist=["create_causal_mask"])
    monkeypatch.setattr(module, "create_causal_mask", watch)
    blockwise(model, tokens_BN, "graph")
    assert made == [None]


def test_a_mask_beside_the_structure_is_refused(
    model: PreTrainedModel, tokens_BN: torch.Tensor
) -> None:
    with pytest.raises(StructureInvalid, match="give the structure alone"):
        blockwise(model, tokens_BN, "graph", attention_mask=torch.ones(2, 1, 37, 37).bool())


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"attn_logit_softcapping": 50.0}, "its scores are capped"),
        ({"attn_logit_softcapping": None}, "a layer reads 16 tokens back, of 37"),
    ],
)
def test_attention_that_does_more_is_refused(
    tokens_BN: torch.Tensor, values: dict[str, Any], why: str
) -> None:
    config = Gemma2Config(
        vocab_size=300, hidden_size=16, intermediate_size=16, num_hidden_layers=1, head_dim=8,
        num_attention_heads=2, num_key_value_heads=1, sliding_window=16, pad_token_id=0, **values,
    )  # fmt: skip
    with pytest.raises(ModelIncompatible, match=why):
        blockwise(Gemma2ForCausalLM(config).eval(), tokens_BN, "graph")


def test_a_model_with_its_own_attention_is_refused(
    model: PreTrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(model), "_supports_attention_backend", False, raising=False)
    with (
        pytest.raises(ModelIncompatible, match="has an attention of its own"),
        block_sparse(model, GRAPH),
    ):
        pass
