"""Processors and truncations against `generate` and against their formulas."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, GenerationConfig, LogitsProcessorList

from analysis.errors import InvalidParams
from analysis.model.logit_processors import PROCESSORS, WARPERS, Start, TopNSigma, make, neutral
from analysis.text.sampling import Sampling, make_sampling

PROMPT = [0, 40, 41, 90, 7, 33, 40]
EOS = 2
LENGTH = 12
START = Start(tuple(PROMPT), (EOS,), LENGTH, torch.device("cpu"))
PROCESSED: list[dict[str, Any]] = [
    {"repetition_penalty": 1.3},
    {"encoder_repetition_penalty": 1.4},
    {"no_repeat_ngram_size": 2},
    {"encoder_no_repeat_ngram_size": 1},
    {"bad_words_ids": [[40], [41, 90]]},
    {"sequence_bias": [[[40], 3.0], [[41, 7], -2.0]]},
    {"suppress_tokens": [40, 41, 42]},
    {"begin_suppress_tokens": [40, 41]},
    {"min_length": 10},
    {"min_new_tokens": 9},
    {"forced_eos_token_id": EOS},
    {"exponential_decay_length_penalty": (2, 1.5)},
    {"repetition_penalty": 1.05, "no_repeat_ngram_size": 3, "suppress_tokens": [90]},
]
TRUNCATED: list[dict[str, Any]] = [
    {"temperature": 0.7, "top_k": 20, "top_p": 0.8, "repetition_penalty": 1.05},
    {"temperature": 1.5, "min_p": 0.1},
    {"typical_p": 0.5},
    {"epsilon_cutoff": 0.004},
    {"eta_cutoff": 0.01},
    {"top_h": 0.4},
]  # fmt: skip


@pytest.fixture(scope="module")
def plain(model_dir: Path) -> Any:
    found: Any = AutoModelForCausalLM.from_pretrained(model_dir / "tiny-llama", dtype=torch.float32)
    return found.eval()


def generated(plain: Any, asked: dict[str, Any], *, draws: bool) -> Any:
    torch.manual_seed(3)
    quiet = {"top_k": 0} if draws and "top_k" not in asked else {}
    config = GenerationConfig(
        do_sample=draws, max_new_tokens=LENGTH, eos_token_id=EOS, pad_token_id=EOS,
        output_scores=True, output_logits=True, return_dict_in_generate=True, **quiet, **asked,
    )  # fmt: skip
    ids = torch.tensor([PROMPT])
    return plain.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config)


@pytest.mark.parametrize(
    ("asked", "draws"), [*((one, False) for one in PROCESSED), *((one, True) for one in TRUNCATED)]
)
def test_scores_are_those_of_generate(plain: Any, asked: dict[str, Any], *, draws: bool) -> None:
    found = generated(plain, asked, draws=draws)
    sampling = make_sampling(asked, START)
    rows = found.sequences[0].tolist()
    changed = False
    for step, (logits, scores) in enumerate(zip(found.logits, found.scores, strict=True)):
        ours = sampling(logits, [rows[: len(PROMPT) + step]])
        torch.testing.assert_close(ours, scores)
        changed |= not torch.equal(logits, scores)
    assert changed


def test_every_name_does_nothing_at_its_neutral_value() -> None:
    known = {**PROCESSORS, **WARPERS}
    assert all(neutral(name, off) for name, (off, _) in known.items())
    idle = {name: off for name, (off, _) in known.items()}
    assert make_sampling(idle, START) == Sampling()


def test_frequency_and_presence_count_the_output_alone() -> None:
    logits = torch.zeros(2, 100)
    rows = torch.tensor([[*PROMPT, 50, 51, 50], [*PROMPT, 50, 50, 50]])
    given = {"frequency_penalty": 0.5, "presence_penalty": 2.0}
    bent = make(PROCESSORS, given, START)(rows, logits)  # type: ignore[arg-type]
    expected = torch.zeros(2, 100)
    expected[0, 50], expected[0, 51], expected[1, 50] = -3.0, -2.5, -3.5
    torch.testing.assert_close(bent, expected)


def test_a_bias_is_added_to_the_token_that_is_named() -> None:
    logits = torch.randn(1, 100, generator=torch.Generator().manual_seed(0))
    sampling = make_sampling({"token_bias": {5: 2.5, 7: -100.0}}, START)
    moved = sampling(logits, [PROMPT]) - logits
    assert moved.nonzero()[:, 1].tolist() == [5, 7]
    assert moved[0, [5, 7]].tolist() == pytest.approx([2.5, -100.0], abs=1e-4)


@pytest.mark.parametrize("n", [0.5, 1.0, 2.0])
def test_top_n_sigma_keeps_what_lies_near_the_largest(n: float) -> None:
    logits = 3 * torch.randn(4, 500, generator=torch.Generator().manual_seed(1))
    logits[:, 100:] = -torch.inf
    kept = TopNSigma(n)(torch.zeros(4, 1).long(), logits) > -torch.inf
    some = logits[:, :100].double()
    least = some.max(1).values - n * some.std(1, correction=0)
    assert torch.equal(kept[:, :100], some >= least[:, None])
    assert not kept[:, 100:].any()
    hot = TopNSigma(n)(torch.zeros(4, 1).long(), logits / 5) > -torch.inf
    assert torch.equal(kept, hot)


def test_without_processors_no_ids_are_needed() -> None:
    logits = torch.randn(1, 10)
    assert torch.equal(Sampling()(logits), logits)
    assert isinstance(Sampling().processors, LogitsProcessorList)


@pytest.mark.parametrize(
    "asked",
    [
        {"repetition_penalty": -1.0},
        {"bad_words_ids": [["a"]]},
        {"sequence_bias": [[[10**6], 1.0]]},
        {"suppress_tokens": list(range(100))},
        {"no_repeat_ngram_size": -3},
    ],
)
def test_what_cannot_be_applied_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidParams) as refusal:
        make_sampling(asked, START)(torch.zeros(1, 100), [PROMPT])
    assert refusal.value.remedy
