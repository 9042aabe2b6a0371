"""Processors and truncations set by a decoding run's parameters and by its checkpoint."""

import re
from typing import Any

from pydantic import Field

from analysis.errors import InvalidParams, shortened
from analysis.method import BaseParams
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

    generation_config: GenerationConfigUse = Field(
        default="leave",
        description=GENERATION_CONFIG,
        json_schema_extra={"group": PENALTIES},
    )
    min_p_trials: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="min-p for CNTP, sampling and complete outputs as well; 0: off.",
        json_schema_extra={"group": SAMPLING},
    )
    typical_p: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Locally typical sampling: sample from the tokens closest to the expected "
        "surprise whose probabilities sum to at least this; 1: off.",
        json_schema_extra={"group": SAMPLING},
    )
    epsilon_cutoff: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Epsilon sampling: exclude tokens less probable than this; 0: off.",
        json_schema_extra={"group": SAMPLING},
    )
    eta_cutoff: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Eta sampling: exclude tokens less probable than the smaller of this value "
        "and its square root times exp(−entropy); 0: off.",
        json_schema_extra={"group": SAMPLING},
    )
    top_n_sigma: float = Field(
        default=0.0,
        ge=0,
        le=100,
        description="Top-nσ: sample from logits within n standard deviations of the largest "
        "(arXiv 2411.07641); 0: off.",
        json_schema_extra={"group": SAMPLING},
    )
    repetition_penalty: float = Field(
        default=1.0,
        ge=0.01,
        le=10,
        description="Factor that divides positive and multiplies negative logits of tokens in the "
        "prompt or output; 1: off.",
        json_schema_extra={"group": PENALTIES},
    )
    frequency_penalty: float = Field(
        default=0.0,
        ge=-10,
        le=10,
        description="Subtracted from a token's logit for each occurrence in the output; 0: off.",
        json_schema_extra={"group": PENALTIES},
    )
    presence_penalty: float = Field(
        default=0.0,
        ge=-10,
        le=10,
        description="Subtracted once from the logit of each token that occurs in the output; 0: "
        "off.",
        json_schema_extra={"group": PENALTIES},
    )
    no_repeat_ngram_size: int = Field(
        default=0,
        ge=0,
        le=64,
        description="n: no n-gram of tokens occurs twice in prompt and output; 0: off.",
        json_schema_extra={"group": PENALTIES},
    )
    min_new_tokens: int = Field(
        default=0,
        ge=0,
        le=512,
        description="Minimum output length in tokens before the text may end; 0: off.",
        json_schema_extra={"group": PENALTIES},
    )
    token_bias: str = Field(
        default="",
        max_length=4000,
        description="Added to the logit of a token given by its id, one per line: #505 -100 "
        "practically excludes it.",
        json_schema_extra={"widget": "text", "group": PENALTIES},
    )


def bends(model: Model, params: BendParams, decoder: str) -> InForce:
    """Processors and truncations of this decoder. Raises InvalidParams for an invalid bias."""
    asks = generation_asks(model.plain.generation_config)
    if decoder == "beam":
        return in_force(asks, {"num_beams": getattr(params, "beams", 1)}, apply=False, draws=False)
    given = {name: getattr(params, name) for name in PROCESSED}
    given["token_bias"] = _biases(model, params.token_bias)
    draws = decoder != "greedy" and getattr(params, "temperature", 1) > 0
    if decoder != "greedy":
        given |= _truncations(params, decoder)
    return in_force(asks, given, apply=params.generation_config == "apply", draws=draws)


def _truncations(params: BendParams, decoder: str) -> dict[str, Any]:
    if decoder == "min_p":
        return {name: getattr(params, name) for name in ("temperature", "min_p")}
    found = {name: getattr(params, name) for name in TRUNCATED}
    return {**found, "min_p": params.min_p_trials}


def _biases(model: Model, given: str) -> dict[int, float]:
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
