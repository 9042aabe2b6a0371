import json
import math
from pathlib import Path
from random import Random

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from analysis.training import train_lm
from analysis.training.corpus import DocumentBatch, TextLesson, batches
from analysis.training.journal import LOG_NAME
from analysis.training.tokenizer import tokenizer_train
from analysis.worlds.stories import document

TOKENIZER = tokenizer_train(document(Random(seed)).text for seed in range(200))
LESSON = TextLesson("short", 3, 8, document, rate=(1.0, 0.1), noisy_share=0.5)


@pytest.fixture
def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return train_lm.model_make(TOKENIZER)


def test_model_is_small_and_grouped(model: LlamaForCausalLM) -> None:
    assert 1_000_000 < model.num_parameters() < 4_000_000
    assert model.config.num_key_value_heads < model.config.num_attention_heads


def test_loss_ignores_tokens_without_weight(model: LlamaForCausalLM) -> None:
    batch = next(batches(TOKENIZER, Random(0), LESSON, pool=1))
    shown, _ = train_lm.loss_of(model, batch)
    padded_BN = torch.nn.functional.pad(batch.ids_BN, (0, 5), value=TOKENIZER.pad_token_id)
    longer = DocumentBatch(padded_BN, torch.nn.functional.pad(batch.weight_BN, (0, 5)))
    assert train_lm.loss_of(model, longer)[0].item() == pytest.approx(shown.item(), rel=1e-2)
    assert shown.item() == pytest.approx(math.log(len(TOKENIZER)), abs=0.5)


def test_learning_rate_goes_evenly_through_a_lesson() -> None:
    rates = [train_lm.learning_rate(LESSON, step) for step in range(4)]
    assert rates == pytest.approx([2e-3, 1.4e-3, 0.8e-3, 0.2e-3])


def test_training_writes_a_folder_that_loads(
    tmp_path: Path, model: LlamaForCausalLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_lm, "LESSONS", (LESSON,))
    monkeypatch.setattr(train_lm, "CHECK_ITEMS", 4)
    train_lm.train(model, TOKENIZER, seed=0, folder=tmp_path / "lm")
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "lm", dtype=torch.float16)
    assert torch.equal(loaded.lm_head.weight, model.lm_head.weight.half())
    assert AutoTokenizer.from_pretrained(tmp_path / "lm").get_vocab() == TOKENIZER.get_vocab()
    entries = (tmp_path / "lm" / LOG_NAME).read_text().splitlines()
    assert json.loads(entries[-1])["step"] == 3


def test_training_is_repeatable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_lm, "LESSONS", (LESSON,))
    monkeypatch.setattr(train_lm, "CHECK_ITEMS", 1)
    weights = []
    for _ in range(2):
        torch.manual_seed(7)
        again = train_lm.model_make(TOKENIZER)
        train_lm.train(again, TOKENIZER, seed=1, folder=tmp_path)
        weights.append(again.lm_head.weight)
    assert torch.equal(*weights)
