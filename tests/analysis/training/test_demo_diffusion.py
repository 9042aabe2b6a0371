"""The committed model: it loads, computes what it computed, and keeps its gate on a slice."""

import json
from pathlib import Path
from statistics import fmean

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM, AutoTokenizer, ModernBertForMaskedLM

from analysis.training.gates_diffusion import BLOCK, FOLDER, numbers_filled
from analysis.training.gates_lm import held_out_numbers
from analysis.training.train_lm import FOLDER as LM_FOLDER

EXPECTED = json.loads((Path(__file__).parent / "expected_diffusion.json").read_text())
TOLERANCE = 2e-3  # of a logit of about 10: float32 sums in another order, on another machine
SLICE = 100
TOKENIZER = AutoTokenizer.from_pretrained(FOLDER)


@pytest.fixture(scope="module")
def model() -> ModernBertForMaskedLM:
    return AutoModelForMaskedLM.from_pretrained(FOLDER, dtype=torch.float32)


def test_folder_holds_half_precision_and_a_card() -> None:
    weights = load_file(FOLDER / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float16}
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 12e6
    assert "Apache-2.0" in (FOLDER / "README.md").read_text()


def test_it_shares_the_tokenizer_of_demo_lm() -> None:
    assert TOKENIZER.get_vocab() == AutoTokenizer.from_pretrained(LM_FOLDER).get_vocab()


def test_forward_gives_the_stored_logits(model: ModernBertForMaskedLM) -> None:
    ids = TOKENIZER(EXPECTED["text"]).input_ids
    assert ids == EXPECTED["ids"]
    at = ids.index(TOKENIZER.mask_token_id)
    with torch.inference_mode():
        logits_V = model(torch.tensor([ids])).logits[0, at]
    best = logits_V.topk(len(EXPECTED["tokens"]))
    assert TOKENIZER.convert_ids_to_tokens(best.indices) == EXPECTED["tokens"]
    assert best.values.tolist() == pytest.approx(EXPECTED["logits"], abs=TOLERANCE)


def test_gate_on_a_slice(model: ModernBertForMaskedLM) -> None:
    """The gate, on the shortest canvas, which takes half of the steps."""
    filled = numbers_filled(model, TOKENIZER, held_out_numbers(SLICE), canvas=BLOCK)
    assert fmean(filled) >= 0.9


def test_report_is_of_the_gate() -> None:
    rows = json.loads((FOLDER / "report.json").read_text())
    assert [(row["required"], row["items"]) for row in rows if row["required"]] == [(0.9, 500)]
