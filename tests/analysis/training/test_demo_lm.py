"""The committed model: it loads, computes what it computed, and keeps its gates on a slice."""

import json
from pathlib import Path
from statistics import fmean

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from analysis.training.gates_lm import (
    answers_right,
    held_out_items,
    held_out_numbers,
    numbers_right,
    stops,
)
from analysis.training.train_lm import FOLDER

EXPECTED = json.loads((Path(__file__).parent / "expected_lm.json").read_text())
TOLERANCE = 2e-3  # of a logit of about 10: float32 sums in another order, on another machine
SLICE = 100  # generated token by token
TOKENIZER = AutoTokenizer.from_pretrained(FOLDER)


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    return AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32)


def test_folder_holds_half_precision_and_a_card() -> None:
    weights = load_file(FOLDER / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float16}
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 12e6
    assert "Apache-2.0" in (FOLDER / "README.md").read_text()


def test_forward_gives_the_stored_logits(model: LlamaForCausalLM) -> None:
    ids = TOKENIZER(EXPECTED["prompt"]).input_ids
    assert ids == EXPECTED["ids"]
    with torch.inference_mode():
        logits_V = model(torch.tensor([ids])).logits[0, -1]
    best = logits_V.topk(len(EXPECTED["tokens"]))
    assert TOKENIZER.convert_ids_to_tokens(best.indices) == EXPECTED["tokens"]
    assert best.values.tolist() == pytest.approx(EXPECTED["logits"], abs=TOLERANCE)


@pytest.mark.parametrize(("hops", "items", "required"), [(1, 200, 0.97), (2, 1000, 0.9)])
def test_gates(model: LlamaForCausalLM, hops: int, items: int, required: float) -> None:
    held_out = held_out_items(items, hops=hops)
    assert fmean(answers_right(model, TOKENIZER, held_out)) >= required


def test_number_stories_leave_something_to_gain(model: LlamaForCausalLM) -> None:
    items = held_out_numbers(SLICE)
    greedy = fmean(numbers_right(model, TOKENIZER, items))
    sampled = fmean(numbers_right(model, TOKENIZER, items, temperature=1.2))
    assert 0.8 <= greedy < 0.99
    assert sampled <= greedy - 0.1


def test_one_forward_judges_as_generation_does(model: LlamaForCausalLM) -> None:
    items = held_out_items(20, hops=1)
    right = answers_right(model, TOKENIZER, items)
    ended = stops(model, TOKENIZER, items)
    for item, is_right, is_ended in zip(items, right, ended, strict=True):
        ids = torch.tensor([TOKENIZER(item.prompt).input_ids])
        written = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=3)
        text = TOKENIZER.decode(written[0, ids.shape[1] :])
        expected = f" {item.answer}." + (TOKENIZER.eos_token if is_ended else "")
        assert text.startswith(expected) == is_right


def test_report_was_measured_on_these_gates() -> None:
    rows = json.loads((FOLDER / "report.json").read_text())
    gates = [row for row in rows if row["required"]]
    assert len(gates) == 5
    assert all(row["share"] >= row["required"] for row in gates)
