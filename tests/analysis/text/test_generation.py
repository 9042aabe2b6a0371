from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from scipy import stats
from transformers import (
    AutoModelForCausalLM,
    LogitsProcessorList,
    PreTrainedModel,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from analysis.model import Model
from analysis.text.generation import score, write

PROMPT = [0, 40, 41, 90, 7, 33]
GREEDY = {"temperature": 0.0}
DRAWS = 700


@pytest.fixture(scope="module")
def plain(model: Model) -> PreTrainedModel:
    """The same checkpoint, loaded again in float64."""
    return AutoModelForCausalLM.from_pretrained(
        model.path, attn_implementation="eager", dtype=torch.float64
    ).eval()


@torch.inference_mode()
def next_logits(plain: PreTrainedModel, context: list[int]) -> torch.Tensor:
    logits: torch.Tensor = plain(torch.tensor([context])).logits[0, -1]
    return logits


def first_tokens(model: Model, draws: int, **sampling: float) -> list[int]:
    """First tokens of outputs that differ in their seed alone."""
    given = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, **sampling}
    return [next(iter(write(model, PROMPT, 1, given, seed))) for seed in range(draws)]


def test_greedy_writes_what_transformers_generates(model: Model, plain: PreTrainedModel) -> None:
    expected = plain.generate(
        torch.tensor([PROMPT]),
        attention_mask=torch.ones(1, len(PROMPT), dtype=torch.long),
        max_new_tokens=20,
        do_sample=False,
        pad_token_id=2,
    )
    assert list(write(model, PROMPT, 20, GREEDY)) == expected[0, len(PROMPT) :].tolist()


def test_a_seed_writes_the_same_again_and_another_seed_something_else(model: Model) -> None:
    def sample(seed: int) -> list[int]:
        return list(write(model, PROMPT, 12, {"temperature": 2.0}, seed))

    assert sample(4) == sample(4)
    assert len({tuple(sample(seed)) for seed in range(5)}) == 5


@pytest.mark.parametrize("temperature", [0.7, 2.0])
def test_tokens_are_drawn_with_the_probabilities_of_the_logits_over_the_temperature(
    model: Model, plain: PreTrainedModel, temperature: float
) -> None:
    probabilities = (next_logits(plain, PROMPT) / temperature).softmax(-1)
    likely = (probabilities * DRAWS >= 8).nonzero()[:, 0]
    drawn = torch.tensor(first_tokens(model, DRAWS, temperature=temperature))
    counts = torch.bincount(drawn, minlength=len(probabilities))
    observed = [*counts[likely].tolist(), DRAWS - int(counts[likely].sum())]
    rest = 1 - float(probabilities[likely].sum())
    expected = [*(DRAWS * probabilities[likely]).tolist(), DRAWS * rest]
    assert len(likely) >= 3
    assert stats.chisquare(observed, expected).pvalue > 0.001


@pytest.mark.parametrize(("top_k", "top_p"), [(3, 1.0), (0, 0.5), (4, 0.6), (100_000, 1.0)])
def test_top_k_and_top_p_leave_what_the_warpers_leave(
    model: Model, plain: PreTrainedModel, top_k: int, top_p: float
) -> None:
    warpers = LogitsProcessorList([TemperatureLogitsWarper(1.5), TopKLogitsWarper(top_k or 311)])
    if top_p < 1:
        warpers.append(TopPLogitsWarper(top_p))
    left = warpers(torch.tensor([PROMPT]), next_logits(plain, PROMPT)[None])[0]
    allowed = set(left.isfinite().nonzero()[:, 0].tolist())
    drawn = set(first_tokens(model, 150, temperature=1.5, top_k=top_k, top_p=top_p))
    assert drawn <= allowed
    if len(allowed) <= 5:
        assert drawn == allowed


def test_one_token_is_left_of_top_k_one(model: Model) -> None:
    greedy = list(write(model, PROMPT, 6, GREEDY))
    assert list(write(model, PROMPT, 6, {"temperature": 3.0, "top_k": 1}, 9)) == greedy


@pytest.mark.parametrize("stops", [lambda end: end, lambda end: [1, end]], ids=["one", "several"])
def test_writing_ends_with_the_end_of_text(
    model: Model, monkeypatch: pytest.MonkeyPatch, stops: Callable[[int], object]
) -> None:
    greedy = list(write(model, PROMPT, 8, GREEDY))
    monkeypatch.setattr(model.plain.generation_config, "eos_token_id", stops(greedy[3]))
    assert list(write(model, PROMPT, 8, GREEDY)) == greedy[: greedy.index(greedy[3]) + 1]


def test_without_a_generation_config_the_tokenizers_end_of_text_ends(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    greedy = list(write(model, PROMPT, 8, GREEDY))
    monkeypatch.setattr(model.plain, "generation_config", None)
    ending = deepcopy(model.tokenizer)
    ending.eos_token_id = greedy[2]
    assert (
        list(write(replace(model, tokenizer=ending), PROMPT, 8, GREEDY))
        == greedy[: greedy.index(greedy[2]) + 1]
    )


def test_the_length_is_the_longest_output(model: Model) -> None:
    assert len(list(write(model, PROMPT, 3, GREEDY))) == 3


@torch.inference_mode()
def test_scores_are_those_of_plain_transformers(model: Model, plain: PreTrainedModel) -> None:
    context, first = [*PROMPT, 50, 3, 310, 40], len(PROMPT)
    logprobs = plain(torch.tensor([context])).logits[0].log_softmax(-1)[first - 1 : -1]
    found = score(model, context, first)
    chosen = torch.stack([logprobs[t, token] for t, token in enumerate(context[first:])])
    close = {"atol": 2e-5, "rtol": 0.0}
    assert found.logprobs_TV.dtype == torch.float64
    torch.testing.assert_close(found.logprobs_TV, logprobs, **close)
    torch.testing.assert_close(found.logprob_T, chosen, **close)
    torch.testing.assert_close(
        found.entropy_T, torch.distributions.Categorical(logits=logprobs).entropy(), **close
    )
    ranks = [
        sorted(row, reverse=True).index(row[token]) + 1
        for row, token in zip(logprobs.tolist(), context[first:], strict=True)
    ]
    assert found.rank_T.tolist() == ranks
    assert found.top_ids_TA.tolist() == logprobs.argsort(descending=True)[:, :5].tolist()
    torch.testing.assert_close(
        found.top_logprobs_TA, logprobs.sort(descending=True).values[:, :5], **close
    )


def test_a_written_token_is_scored_as_the_likeliest(model: Model) -> None:
    output = list(write(model, PROMPT, 6, GREEDY))
    assert score(model, [*PROMPT, *output], len(PROMPT)).rank_T.tolist() == [1] * len(output)


def test_probabilities_near_zero_stay_finite(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    logits = model.logits
    monkeypatch.setattr(Model, "logits", lambda _, *given: 1e4 * logits(*given))
    found = score(model, [*PROMPT, 50], len(PROMPT))
    for values in (found.logprob_T, found.entropy_T, found.top_logprobs_TA):
        assert values.isfinite().all()
