"""The mean input embedding of models, against explicit weights and scales."""

from pathlib import Path

import pytest
import torch
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    OPTConfig,
    OPTForCausalLM,
)

from analysis.catalog.entries import Catalog
from analysis.loading import ModelCache, load, loaded
from analysis.model import Model
from analysis.text import embedding_table
from analysis.text.embedding_table import embedding_deviation, embedding_mean
from tests.tiny_models import (
    byte_tokenizer,
    make_gemma,
    make_gemma2,
    make_gemma3,
    make_gpt2,
    make_llama,
    save,
    spread,
)


def make_opt(folder: Path) -> Path:
    """Embeddings of another width, projected after the table."""
    tokenizer = byte_tokenizer()
    config = OPTConfig(
        vocab_size=len(tokenizer), hidden_size=32, ffn_dim=64, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=96, word_embed_proj_dim=16,
        bos_token_id=0, eos_token_id=1, pad_token_id=2,
    )  # fmt: skip
    return save(spread(OPTForCausalLM(config)), tokenizer, folder)


def make_bloom(folder: Path) -> Path:
    """A layer norm after the table."""
    tokenizer = byte_tokenizer()
    config = BloomConfig(vocab_size=len(tokenizer), hidden_size=32, n_layer=2, n_head=4)
    return save(spread(BloomForCausalLM(config)), tokenizer, folder)


SCALES = {
    make_gemma: 32**0.5, make_gemma2: 32**0.5, make_gemma3: 32**0.5, make_llama: 1.0,
    make_gpt2: 1.0, make_opt: 1.0, make_bloom: 1.0,
}  # fmt: skip


@pytest.fixture(params=SCALES)
def family(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Model, float]:
    request.param(tmp_path / "tiny")
    catalog, cache = Catalog(model_dirs=(tmp_path,)), ModelCache(budget=2**30)
    list(load("tiny", catalog=catalog, cache=cache))
    return loaded(catalog.find("tiny"), cache), SCALES[request.param]


def test_mean_and_deviation_are_those_of_what_the_layers_are_given(
    family: tuple[Model, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, scale = family
    monkeypatch.setattr(embedding_table, "ROWS_AT_ONCE", 37)
    weight = model.plain.get_input_embeddings().weight.detach() * scale
    torch.testing.assert_close(embedding_mean(model), weight.mean(0))
    assert embedding_deviation(model) == pytest.approx(float(weight.std()), rel=1e-5)


@torch.no_grad()
def test_a_plain_pass_reads_embeddings_of_that_size(family: tuple[Model, float]) -> None:
    """What `inputs_embeds` takes: all rows of the table, given as embeddings, change nothing."""
    model, scale = family
    ids = torch.arange(40)[None]
    given = model.plain.get_input_embeddings().weight[:40][None] * scale
    by_ids, by_embeddings = model.plain(ids).logits, model.plain(inputs_embeds=given).logits
    torch.testing.assert_close(by_ids, by_embeddings, atol=1e-4, rtol=1e-4)
