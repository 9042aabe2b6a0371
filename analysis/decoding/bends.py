"""Processors and truncations set by a decoding run's parameters and by its checkpoint."""

import re
from typing import Any

from analysis.errors import InvalidParams, shortened
from analysis.method import BaseParams, param
from analysis.model import Model
from analysis.model.checkpoint import (
    GENERATION_CONFIG,
    GenerationConfigUse,
    InForce,
    generation_asks,
    in_force,
)

BIAS = re.compile(r"#?(\d{1,8})\s+([+-]?\d{1,3}(?:\.\d{1,6})?)")
MOST_BIAS = 100.0
PENALTIES, SAMPLING = "Penalties and constraints", "Sampling"
PROCESSED = (
    "repetition_penalty", "frequency_penalty", "presence_penalty", "no_repeat_ngram_size",
    "min_new_tokens",
)  # fmt: skip
TRUNCATED = ("temperature", "top_k", "top_p", "typical_p", "epsilon_cutoff", "eta_cutoff",
             "top_n_sigma")  # fmt: skip


class BendParams(BaseParams):
    """Parameters that modify the distributions of all decoders except beam search; off by
    default.
    """

    generation_config: GenerationConfigUse = param("leave", GENERATION_CONFIG, group=PENALTIES)
    min_p_trials: float = param(
        0.0,
        "min-p for CNTP, sampling and complete outputs as well; 0: off.",
        group=SAMPLING,
        ge=0,
        le=1,
    )
    typical_p: float = param(
        1.0,
        "Locally typical sampling: sample from the tokens closest to the expected "
        "surprise whose probabilities sum to at least this; 1: off.",
        group=SAMPLING,
        gt=0,
        le=1,
    )
    epsilon_cutoff: float = param(
        0.0,
        "Epsilon sampling: exclude tokens less probable than this; 0: off.",
        group=SAMPLING,
        ge=0,
        lt=1,
    )
    eta_cutoff: float = param(
        0.0,
        "Eta sampling: exclude tokens less probable than the smaller of this value "
        "and its square root times exp(−entropy); 0: off.",
        group=SAMPLING,
        ge=0,
        lt=1,
    )
    top_n_sigma: float = param(
        0.0,
        "Top-nσ: sample from logits within n standard deviations of the largest "
        "(arXiv 2411.07641); 0: off.",
        group=SAMPLING,
        ge=0,
        le=100,
    )
    repetition_penalty: float = param(
        1.0,
        "Factor that divides positive and multiplies negative logits of tokens in the "
        "prompt or output; 1: off.",
        group=PENALTIES,
        ge=0.01,
        le=10,
    )
    frequency_penalty: float = param(
        0.0,
        "Subtracted from a token's logit for each occurrence in the output; 0: off.",
        group=PENALTIES,
        ge=-10,
        le=10,
    )
    presence_penalty: float = param(
        0.0,
        "Subtracted once from the logit of each token that occurs in the output; 0: off.",
        group=PENALTIES,
        ge=-10,
        le=10,
    )
    no_repeat_ngram_size: int = param(
        0,
        "n: no n-gram of tokens occurs twice in prompt and output; 0: off.",
        group=PENALTIES,
        ge=0,
        le=64,
    )
    min_new_tokens: int = param(
        0,
        "Minimum output length in tokens before the text may end; 0: off.",
        group=PENALTIES,
        ge=0,
        le=512,
    )
    token_bias: str = param(
        "",
        "Added to the logit of a token given by its id, one per line: #505 -100 "
        "practically excludes it.",
        group=PENALTIES,
        widget="text",
        max_length=4000,
    )


def bends(model: Model, params: BendParams, decoder: str) -> InForce:
    """Processors and truncations of this decoder. Raises InvalidParams for an invalid bias."""
    asks = generation_asks(model.plain.generation_config)
    if decoder == "beam":
        return in_force(asks, {"num_beams": getattr(params, "beams", 1)}, apply=False, draws=False)
    given = {name: getattr(params, name) for name in PROCESSED}
    given["token_bias"] = token_biases(model, params.token_bias)
    draws = decoder != "greedy" and getattr(params, "temperature", 1) > 0
    if decoder != "greedy":
        given |= _truncations(params, decoder)
    return in_force(asks, given, apply=params.generation_config == "apply", draws=draws)


def _truncations(params: BendParams, decoder: str) -> dict[str, Any]:
    if decoder == "min_p":
        return {name: getattr(params, name) for name in ("temperature", "min_p")}
    found = {name: getattr(params, name) for name in TRUNCATED}
    return {**found, "min_p": params.min_p_trials}


def token_biases(model: Model, given: str) -> dict[int, float]:
    """Bias by id. Raises InvalidParams naming the line."""
    return dict(_bias(model, line.strip()) for line in given.splitlines() if line.strip())


def _bias(model: Model, line: str) -> tuple[int, float]:
    found = BIAS.fullmatch(line)
    token, bias = (int(found[1]), float(found[2])) if found else (-1, 0.0)
    if not 0 <= token < model.info.vocabulary or abs(bias) > MOST_BIAS:
        raise InvalidParams(
            f"token_bias contains the line {shortened(line)}; this model's tokens are 0 to "
            f"{model.info.vocabulary - 1}, and a bias lies between -{MOST_BIAS:g} and "
            f"{MOST_BIAS:g}.",
            remedy="Write an id and a number on each line, such as #505 -100.",
            field="token_bias",
        )
    return token, bias
