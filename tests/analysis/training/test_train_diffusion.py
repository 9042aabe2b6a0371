import json
from pathlib import Path
from random import Random

import pytest
import torch
from transformers import (
    AutoModelForMaskedLM,
    LlamaConfig,
    LlamaForCausalLM,
    ModernBertForMaskedLM,
)

from analysis.training import train_diffusion
from analysis.training.canvas import MaskedLesson, masked_batches
from analysis.training.gates_diffusion import canvases_fill, numbers_filled
from analysis.training.journal import LOG_NAME
from analysis.training.tokenizer import tokenizer_train
from analysis.worlds.numbers import number_document, number_item

TOKENIZER = tokenizer_train(number_document(Random(seed)).text for seed in range(300))
LESSON = MaskedLesson("short", 2, 4, number_document)


@pytest.fixture
def lm() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(TOKENIZER), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=256,
        tie_word_embeddings=True, bos_token_id=0, eos_token_id=1, pad_token_id=2,
    )  # fmt: skip
    model = LlamaForCausalLM._from_config(config, attn_implementation="eager")
    with torch.no_grad():  # gains that a fold could lose
        for name, weight in model.named_parameters():
            if "norm" in name:
                weight.uniform_(0.5, 1.5)
    return model.eval()


@pytest.fixture
def model(lm: LlamaForCausalLM) -> ModernBertForMaskedLM:
    return train_diffusion.model_from(lm).eval()


@torch.inference_mode()
def test_blocks_compute_what_those_of_the_llama_do(
    lm: LlamaForCausalLM, model: ModernBertForMaskedLM
) -> None:
    """From the second block on, on centred input and attending backwards only."""
    states_1NW = torch.randn(1, 9, 32)
    states_1NW -= states_1NW.mean(-1, keepdim=True)
    positions_1N = torch.arange(9)[None]
    causal_11NN = torch.full((9, 9), -torch.inf).triu(1)[None, None]
    old = lm.model.layers[1](
        states_1NW,
        attention_mask=causal_11NN,
        position_embeddings=lm.model.rotary_emb(states_1NW, positions_1N),
    )
    new = model.model.layers[1](
        states_1NW,
        attention_mask=causal_11NN,
        position_embeddings=model.model.rotary_emb(states_1NW, positions_1N, "full_attention"),
    )
    old -= old.mean(-1, keepdim=True)
    assert torch.allclose(old, new, atol=1e-5)


@torch.inference_mode()
def test_it_attends_both_ways(model: ModernBertForMaskedLM) -> None:
    ids = torch.randint(4, len(TOKENIZER), (1, 12))
    changed = ids.clone()
    changed[0, -1] = 5 if ids[0, -1] != 5 else 6
    difference = (model(ids).logits - model(changed).logits)[0, 0].abs().max()
    assert difference > 1e-6


def test_loss_of_an_ignorant_model_is_that_of_chance(model: ModernBertForMaskedLM) -> None:
    with torch.no_grad():
        model.decoder.weight.zero_()
        model.decoder.bias.zero_()
    losses = [
        train_diffusion.loss_of(model, batch)[0].item()
        for _, batch in zip(range(40), masked_batches(TOKENIZER, Random(0), LESSON), strict=False)
    ]
    chance = torch.tensor(float(len(TOKENIZER))).log().item()
    assert sum(losses) / 40 == pytest.approx(chance, rel=0.15)


def test_training_writes_a_folder_that_loads(
    tmp_path: Path, model: ModernBertForMaskedLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_diffusion, "LESSONS", (LESSON,))
    monkeypatch.setattr(train_diffusion, "CHECK_ITEMS", 2)
    train_diffusion.train(model, TOKENIZER, seed=0, folder=tmp_path)
    loaded = AutoModelForMaskedLM.from_pretrained(tmp_path, dtype=torch.float16)
    assert isinstance(loaded, ModernBertForMaskedLM)
    assert torch.equal(loaded.head.dense.weight, model.head.dense.weight.half())
    assert loaded.config.masked_diffusion
    assert json.loads((tmp_path / LOG_NAME).read_text())["step"] == 2


def test_a_canvas_is_filled_whatever_the_length_of_its_neighbours(
    model: ModernBertForMaskedLM,
) -> None:
    prompts = ["Anna has 3 apples.", "Tom has 12 nuts. Then Tom gets 5 more. Tom sells 2."]
    together = canvases_fill(model, TOKENIZER, prompts, canvas=8, block=4)
    alone = [canvases_fill(model, TOKENIZER, [each], canvas=8, block=4)[0] for each in prompts]
    assert together == alone
    assert not any("<mask>" in text for text in together)


def test_an_untrained_model_is_not_right(model: ModernBertForMaskedLM) -> None:
    items = [number_item(Random(n)) for n in range(3)]
    assert not any(numbers_filled(model, TOKENIZER, items, canvas=8, block=8))
