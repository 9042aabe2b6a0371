"""What bends next-token logits before a token is chosen: transformers' processors and truncations.

Both tables use names of GenerationConfig, in the order in which `generate` applies them;
frequency and presence penalties, `token_bias` and `top_n_sigma` are ours.

Shape legend: R rows, N tokens so far, V vocabulary.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import (
    EncoderNoRepeatNGramLogitsProcessor,
    EncoderRepetitionPenaltyLogitsProcessor,
    EpsilonLogitsWarper,
    EtaLogitsWarper,
    ExponentialDecayLengthPenalty,
    ForcedBOSTokenLogitsProcessor,
    ForcedEOSTokenLogitsProcessor,
    LogitsProcessor,
    LogitsProcessorList,
    MinLengthLogitsProcessor,
    MinNewTokensLengthLogitsProcessor,
    MinPLogitsWarper,
    NoBadWordsLogitsProcessor,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    SequenceBiasLogitsProcessor,
    SuppressTokensAtBeginLogitsProcessor,
    SuppressTokensLogitsProcessor,
    TemperatureLogitsWarper,
    TopHLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)

from analysis.errors import InvalidParams


@dataclass(frozen=True)
class Start:
    """Where an output begins; `length` is the most tokens that it may have."""

    prompt: tuple[int, ...]
    eos: tuple[int, ...]
    length: int
    device: Any

    @property
    def tokens(self) -> int:
        return len(self.prompt)

    @property
    def ids(self) -> Any:
        return torch.tensor([self.prompt], device=self.device)

    @property
    def ends(self) -> Any:
        return torch.tensor(self.eos, dtype=torch.long, device=self.device)


class CountPenalty(LogitsProcessor):
    """Logits less `presence` for a token that the output holds, and `frequency` each time it does.

    As in OpenAI's API: the prompt counts for nothing.
    """

    def __init__(self, frequency: float, presence: float, start: int) -> None:
        self.frequency, self.presence, self.start = frequency, presence, start

    def __call__(
        self, input_ids: Int[Tensor, "R N"], scores: Float[Tensor, "R V"]
    ) -> Float[Tensor, "R V"]:
        written_RN = input_ids[:, self.start :]
        counts_RV = torch.zeros_like(scores)
        counts_RV.scatter_add_(1, written_RN, torch.ones_like(written_RN, dtype=scores.dtype))
        return scores - self.frequency * counts_RV - self.presence * (counts_RV > 0)


class TopNSigma(LogitsProcessor):
    """Keeps logits within n standard deviations of the largest; those cut off before count not.

    Source: "Top-nσ: Not All Logits You Need" (arXiv 2411.07641). Temperature changes nothing of
    which tokens are kept.
    """

    def __init__(self, n: float) -> None:
        self.n = n

    def __call__(
        self, input_ids: Int[Tensor, "R N"] | None, scores: Float[Tensor, "R V"]
    ) -> Float[Tensor, "R V"]:
        kept_RV = scores > -torch.inf
        count_R1 = kept_RV.sum(-1, keepdim=True)
        mean_R1 = scores.where(kept_RV, 0).sum(-1, keepdim=True) / count_R1
        squares_RV = (scores - mean_R1).where(kept_RV, 0) ** 2
        sigma_R1 = (squares_RV.sum(-1, keepdim=True) / count_R1).sqrt()
        least_R1 = scores.amax(-1, keepdim=True) - self.n * sigma_R1
        return scores.masked_fill(scores < least_R1, -torch.inf)


Make = Callable[[Any, Start], LogitsProcessor]
# By name: the value at which it does nothing, and how it is made.
PROCESSORS: dict[str, tuple[Any, Make]] = {
    "sequence_bias": (None, lambda v, at: SequenceBiasLogitsProcessor(v)),
    "token_bias": ({}, lambda v, at: SequenceBiasLogitsProcessor([[[t], b] for t, b in v.items()])),
    "encoder_repetition_penalty": (
        1, lambda v, at: EncoderRepetitionPenaltyLogitsProcessor(float(v), at.ids),
    ),
    "repetition_penalty": (1, lambda v, at: RepetitionPenaltyLogitsProcessor(float(v))),
    "frequency_penalty": (0, lambda v, at: CountPenalty(v, 0, at.tokens)),
    "presence_penalty": (0, lambda v, at: CountPenalty(0, v, at.tokens)),
    "no_repeat_ngram_size": (0, lambda v, at: NoRepeatNGramLogitsProcessor(v)),
    "encoder_no_repeat_ngram_size": (
        0, lambda v, at: EncoderNoRepeatNGramLogitsProcessor(v, at.ids),
    ),
    "bad_words_ids": (None, lambda v, at: NoBadWordsLogitsProcessor(v, at.ends)),
    "min_length": (0, lambda v, at: MinLengthLogitsProcessor(v, at.ends, at.device)),
    "min_new_tokens": (
        0, lambda v, at: MinNewTokensLengthLogitsProcessor(at.tokens, v, at.ends, at.device),
    ),
    "forced_bos_token_id": (None, lambda v, at: ForcedBOSTokenLogitsProcessor(v)),
    "forced_eos_token_id": (
        None, lambda v, at: ForcedEOSTokenLogitsProcessor(at.tokens + at.length, v, at.device),
    ),
    "exponential_decay_length_penalty": (
        None, lambda v, at: ExponentialDecayLengthPenalty(v, at.ends, at.tokens),
    ),
    "suppress_tokens": (None, lambda v, at: SuppressTokensLogitsProcessor(v, at.device)),
    "begin_suppress_tokens": (
        None, lambda v, at: SuppressTokensAtBeginLogitsProcessor(v, at.tokens, at.device),
    ),
}  # fmt: skip
WARPERS: dict[str, tuple[Any, Make]] = {
    "temperature": (1, lambda v, at: TemperatureLogitsWarper(float(v))),
    "top_n_sigma": (0, lambda v, at: TopNSigma(v)),
    "top_h": (None, lambda v, at: TopHLogitsWarper(v)),
    "top_k": (0, lambda v, at: TopKLogitsWarper(v)),
    "top_p": (1, lambda v, at: TopPLogitsWarper(float(v))),
    "min_p": (0, lambda v, at: MinPLogitsWarper(float(v))),
    "typical_p": (1, lambda v, at: TypicalLogitsWarper(v)),
    "epsilon_cutoff": (0, lambda v, at: EpsilonLogitsWarper(v)),
    "eta_cutoff": (0, lambda v, at: EtaLogitsWarper(v, device=at.device)),
}


def make(
    table: Mapping[str, tuple[Any, Make]], values: Mapping[str, Any], start: Start
) -> LogitsProcessorList:
    """Those of the table that `values` ask for. Raises InvalidParams where one cannot be."""
    asked = [name for name in table if not neutral(name, values.get(name))]
    return LogitsProcessorList([_made(name, table[name][1], values[name], start) for name in asked])


def neutral(name: str, value: Any) -> bool:
    """Whether this value changes nothing."""
    known = {**PROCESSORS, **WARPERS}
    return value is None or (name in known and value == known[name][0])


def bent(
    processors: LogitsProcessorList, ids: Int[Tensor, "R N"], logits_RV: Float[Tensor, "R V"]
) -> Float[Tensor, "R V"]:
    """What the processors make of logits behind `ids`.

    Raises InvalidParams where no token is left, or one is named that the model does not have.
    """
    try:
        bent_RV: Tensor = processors(ids, logits_RV)  # type: ignore[arg-type]
    except (ValueError, IndexError) as error:
        raise refused(", ".join(type(one).__name__ for one in processors), error) from None
    if processors and bool((bent_RV == -torch.inf).all(-1).any()):
        raise InvalidParams(
            f"After {ids.shape[1]} tokens every token of the vocabulary is ruled out.",
            remedy="Rule out fewer: see no_repeat_ngram_size, token_bias and generation_config.",
            field="generation_config",
        )
    return bent_RV


def _made(name: str, make: Make, value: Any, start: Start) -> LogitsProcessor:
    try:
        return make(value, start)
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise refused(name, error) from None


def refused(name: str, error: Exception) -> InvalidParams:
    return InvalidParams(
        f"{name} cannot be applied: {str(error)[:200]}",
        remedy="Change it, or set generation_config to leave.",
        field="generation_config",
    )
