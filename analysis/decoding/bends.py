"""Processors and truncations that a decoding run asks for, and those that its checkpoint does."""

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
PENALTIES, SAMPLING = "Penalties and bans", "Sampling"
PROCESSED = (
    "repetition_penalty", "frequency_penalty", "presence_penalty", "no_repeat_ngram_size",
    "min_new_tokens",
)  # fmt: skip
TRUNCATED = ("temperature", "top_k", "top_p", "typical_p", "epsilon_cutoff", "eta_cutoff",
             "top_n_sigma")  # fmt: skip


class BendParams(BaseParams):
    """What bends the distributions of all decoders but beam search; the defaults do nothing."""

    generation_config: GenerationConfigUse = Field(
        default="leave",
        description=GENERATION_CONFIG,
        json_schema_extra={"group": PENALTIES},
    )
    min_p_trials: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="min-p inside CNTP, sampling and whole outputs too; 0: off.",
        json_schema_extra={"group": SAMPLING},
    )
    typical_p: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Draw among the tokens closest to the expected surprise that hold this much "
        "probability; 1: off.",
        json_schema_extra={"group": SAMPLING},
    )
    epsilon_cutoff: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Cut off tokens less probable than this; 0: off.",
        json_schema_extra={"group": SAMPLING},
    )
    eta_cutoff: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Cut off tokens less probable than this, or than its square root times exp of "
        "−entropy where that is less; 0: off.",
        json_schema_extra={"group": SAMPLING},
    )
    top_n_sigma: float = Field(
        default=0.0,
        ge=0,
        le=100,
        description="Draw among logits within this many standard deviations of the largest "
        "(arXiv 2411.07641); 0: off.",
        json_schema_extra={"group": SAMPLING},
    )
    repetition_penalty: float = Field(
        default=1.0,
        ge=0.01,
        le=10,
        description="Divides positive and multiplies negative logits of tokens that prompt or "
        "output hold; 1: off.",
        json_schema_extra={"group": PENALTIES},
    )
    frequency_penalty: float = Field(
        default=0.0,
        ge=-10,
        le=10,
        description="Taken off a token's logit each time that the output holds it; 0: off.",
        json_schema_extra={"group": PENALTIES},
    )
    presence_penalty: float = Field(
        default=0.0,
        ge=-10,
        le=10,
        description="Taken off a token's logit once the output holds it; 0: off.",
        json_schema_extra={"group": PENALTIES},
    )
    no_repeat_ngram_size: int = Field(
        default=0,
        ge=0,
        le=64,
        description="No run of this many tokens stands twice in prompt and output; 0: off.",
        json_schema_extra={"group": PENALTIES},
    )
    min_new_tokens: int = Field(
        default=0,
        ge=0,
        le=512,
        description="No end of text before the output has this many tokens; 0: off.",
        json_schema_extra={"group": PENALTIES},
    )
    token_bias: str = Field(
        default="",
        max_length=4000,
        description="Added to the logit of a token named by its id, one per line: #505 -100 all "
        "but rules it out.",
        json_schema_extra={"widget": "text", "group": PENALTIES},
    )


def bends(model: Model, params: BendParams, decoder: str) -> InForce:
    """What bends this decoder's distributions. Raises InvalidParams for a bias that is none."""
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
            f"token_bias has the line {shortened(line)}; this model's tokens are 0 to "
            f"{model.info.vocabulary - 1}, and a bias is at most {MOST_BIAS:g} either way.",
            remedy="Write an id and a number on each line, such as #505 -100.",
            field="token_bias",
        )
    return token, bias
