"""Generate text with a model, and score a given output."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from transformers import LogitsProcessorList

from analysis.model import Model
from analysis.model.logit_processors import PROCESSORS, WARPERS, Start, bent, make
from analysis.precision import exact


@dataclass(frozen=True)
class Sampling:
    """How the next token is sampled; temperature 0 is greedy.

    `bends`: values by GenerationConfig's names, which take precedence over the other fields.
    """

    temperature: float
    top_k: int
    top_p: float
    seed: int
    bends: Mapping[str, Any] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, Any]:
        own = {"temperature": self.temperature, "top_k": self.top_k, "top_p": self.top_p}
        return {**own, **self.bends}


@dataclass(frozen=True)
class Scored:
    """Scores of a given output of T tokens under the model, natural logs, float64.

    logprob_T, rank_T (1 = most probable), entropy_T (nats); top_ids_TA and top_logprobs_TA hold the
    A most probable tokens of each step, in descending order.
    """

    logprob_T: Float[torch.Tensor, "T"]
    rank_T: Int[torch.Tensor, "T"]
    entropy_T: Float[torch.Tensor, "T"]
    top_ids_TA: Int[torch.Tensor, "T A"]
    top_logprobs_TA: Float[torch.Tensor, "T A"]
    logprobs_TV: Float[torch.Tensor, "T V"]


@torch.no_grad()
def write(model: Model, prompt: list[int], length: int, sampling: Sampling) -> Iterator[int]:
    """Yield up to `length` token ids, ending after an end-of-text token."""
    stops = stop_ids(model)
    start = Start(tuple(prompt), tuple(sorted(stops)), length, model.device)
    processors = _processors(sampling, start)
    generator = torch.Generator().manual_seed(sampling.seed)
    ids: Any = torch.tensor([prompt], device=model.device)
    step, cache = ids, None
    for _ in range(length):
        out = model.forward(input_ids=step, past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache = out.past_key_values
        step = _draw(bent(processors, ids, out.logits[:, -1].float()), sampling, generator)
        ids = torch.cat([ids, step], dim=1)
        yield int(step)
        if int(step) in stops:
            return


@torch.no_grad()
def score(model: Model, context: list[int], prompt_length: int, alternatives: int = 5) -> Scored:
    """Teacher-forced distributions of the tokens from `prompt_length` on."""
    ids = torch.tensor([context[:-1]], device=model.device)
    positions = torch.arange(prompt_length - 1, len(context) - 1)
    logprobs = exact(model.logits(ids, positions)[0]).log_softmax(-1).cpu()
    target = torch.tensor(context[prompt_length:])
    chosen = logprobs.gather(1, target[:, None])
    top = logprobs.topk(min(alternatives, logprobs.shape[1]))
    return Scored(
        logprob_T=chosen[:, 0],
        rank_T=1 + (logprobs > chosen).sum(-1),
        entropy_T=torch.special.entr(logprobs.exp()).sum(-1),
        top_ids_TA=top.indices,
        top_logprobs_TA=top.values,
        logprobs_TV=logprobs,
    )


def _processors(sampling: Sampling, start: Start) -> LogitsProcessorList:
    """Whether truncations apply, that is, whether tokens are sampled."""
    chosen = make(PROCESSORS, sampling.values, start)
    drawn = make(WARPERS, sampling.values, start) if sampling.temperature else []
    return LogitsProcessorList([*chosen, *drawn])


def _draw(logits: torch.Tensor, sampling: Sampling, generator: torch.Generator) -> torch.Tensor:
    if sampling.temperature == 0:
        return logits.argmax(-1, keepdim=True)
    probabilities = exact(logits).softmax(-1).cpu()
    return torch.multinomial(probabilities, 1, generator=generator).to(logits.device)


def stop_ids(model: Model) -> set[int]:
    """Tokens that end an output."""
    config = model.plain.generation_config
    stop = config.eos_token_id if config is not None else None
    listed = stop if isinstance(stop, list) else [stop, model.tokenizer.eos_token_id]
    return {token for token in listed if token is not None}
