"""Generate text with a model, and score a given output."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int

from analysis.model import Model
from analysis.model.logit_processors import Start
from analysis.precision import exact
from analysis.text.sampling import Sampling, make_sampling


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
def write(
    model: Model, prompt: list[int], length: int, values: Mapping[str, Any], seed: int = 0
) -> Iterator[int]:
    """Yield up to `length` token ids, ending after an end-of-text token.

    `values`: how tokens are sampled, by GenerationConfig's names; temperature 0 is greedy.
    """
    stops = stop_ids(model)
    start = Start(tuple(prompt), tuple(sorted(stops)), length, model.device)
    sampling = make_sampling(values, start)
    generator = torch.Generator().manual_seed(seed)
    context, step, cache = list(prompt), prompt, None
    for _ in range(length):
        ids = torch.tensor([step], device=model.device)
        out = model.forward(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache = out.past_key_values
        token = int(_draw(sampling(out.logits[:, -1], [context]), sampling, generator))
        step = [token]
        context += step
        yield token
        if token in stops:
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


def _draw(
    logits_1V: Float[torch.Tensor, "1 V"], sampling: Sampling, generator: torch.Generator
) -> Int[torch.Tensor, "1 1"]:
    if sampling.greedy:
        return logits_1V.argmax(-1, keepdim=True)
    probabilities_1V = exact(logits_1V).softmax(-1).cpu()
    return torch.multinomial(probabilities_1V, 1, generator=generator).to(logits_1V.device)


def stop_ids(model: Model) -> set[int]:
    """Tokens that end an output."""
    config = model.plain.generation_config
    stop = config.eos_token_id if config is not None else None
    listed = stop if isinstance(stop, list) else [stop, model.tokenizer.eos_token_id]
    return {token for token in listed if token is not None}
