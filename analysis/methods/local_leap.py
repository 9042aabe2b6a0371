"""LocalLeap: sure tokens vouch for their neighbours, so that a canvas fills in leaps.

A canvas of masks after the prompt is filled block by block. In each step, positions with
confidence ≥ κ are anchors; within W tokens of an anchor, confidence ≥ τ is enough. All of them are
committed at once, or the single most confident position where there are none.

Source: "Accelerating Diffusion LLM Inference via Local Determinism Propagation" (arXiv
2510.07081). Beside it on the same prompt: one token per step (vanilla), k per step, a threshold
and a factor (Fast-dLLM, arXiv 2505.22618), an entropy bound (arXiv 2505.24857) and KLASS (arXiv
2511.05664). Confidence is the softmax probability of the token on the raw logits without the
mask's, in float32. docs/trace.md describes the events.
"""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from analysis.decoding.events import (
    CanvasStep,
    Delays,
    ForcedCommit,
    OutputTokens,
    PromptTokens,
    TraceEnd,
    TraceStart,
)
from analysis.decoding.params import HIDDEN, MOST_FORCED, OUTPUT_TOKENS, PromptParams
from analysis.events import Event
from analysis.method import Example
from analysis.model import Model

VERSION = "1"
NEEDS = ("masked_diffusion_lm",)
EVENTS = (PromptTokens, TraceStart, CanvasStep, OutputTokens, Delays, TraceEnd)

Decoder = Literal[
    "local_leap", "vanilla", "fixed", "threshold", "factor", "entropy_bound", "klass"
]  # fmt: skip


class Params(PromptParams):
    canvas_length: int = Field(
        default=64,
        ge=1,
        le=OUTPUT_TOKENS,
        description="G: masks after the prompt; a multiple of block.",
        json_schema_extra={"group": "Canvas"},
    )
    block: int = Field(
        default=32,
        ge=1,
        le=128,
        description="b: tokens per block; blocks are filled from left to right.",
        json_schema_extra={"group": "Canvas"},
    )
    decoder: Decoder = Field(
        default="local_leap",
        description="The decoder that the run is about, and that decisions by hand apply to.",
        json_schema_extra={"group": "Decoder"},
    )
    kappa: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="κ: confidence of an anchor.",
        json_schema_extra={"group": "LocalLeap"},
    )
    tau: float = Field(
        default=0.75,
        gt=0,
        le=1,
        description="τ: confidence that is enough near an anchor; at most κ.",
        json_schema_extra={"group": "LocalLeap"},
    )
    width: int = Field(
        default=4,
        ge=0,
        le=OUTPUT_TOKENS,
        description="W: how far an anchor vouches, in tokens; 0: for itself alone.",
        json_schema_extra={"group": "LocalLeap"},
    )
    temperature: float = Field(
        default=0.0,
        ge=0,
        le=5,
        description="Gumbel temperature of the choice of tokens; 0: the likeliest.",
        json_schema_extra={"group": "Canvas"},
    )
    eos_fill: bool = Field(
        default=False,
        description="Once a finished block holds an end-of-text token, fill the rest with it and "
        "stop.",
        json_schema_extra={"group": "Canvas"},
    )
    cache: Literal["none", "prefix", "dual"] = Field(
        default="none",
        description="Keys and values refreshed once per block only: of what stands before the "
        "block (prefix), or also of what follows (dual). Faster, and an approximation.",
        json_schema_extra={"group": "Canvas"},
    )
    fixed_k: int = Field(
        default=2,
        ge=1,
        le=128,
        description="Tokens per step of the fixed decoder.",
        json_schema_extra={"group": "Other decoders"},
    )
    threshold: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="Confidence from which the threshold decoder commits.",
        json_schema_extra={"group": "Other decoders"},
    )
    factor: float = Field(
        default=1.0,
        gt=0,
        le=100,
        description="f: the factor decoder commits the largest n with (n + 1)(1 − c_n) < f.",
        json_schema_extra={"group": "Other decoders"},
    )
    entropy_bound: float = Field(
        default=0.1,
        ge=0,
        le=100,
        description="γ in nats: the entropy-bound decoder commits the longest run of sure "
        "positions with ΣH − max H ≤ γ.",
        json_schema_extra={"group": "Other decoders"},
    )
    klass_confidence: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="θ: confidence that KLASS asks for.",
        json_schema_extra={"group": "Other decoders"},
    )
    klass_divergence: float = Field(
        default=0.01,
        gt=0,
        le=100,
        description="ε in nats: KL to the step before that counts as stable.",
        json_schema_extra={"group": "Other decoders"},
    )
    klass_history: int = Field(
        default=2,
        ge=1,
        le=16,
        description="Stable steps in a row that KLASS asks for.",
        json_schema_extra={"group": "Other decoders"},
    )
    with_local_leap: bool = Field(
        default=True,
        description="LocalLeap, where the run is about another decoder.",
        json_schema_extra={"group": "Beside it"},
    )
    with_vanilla: bool = Field(
        default=True,
        description="One token per step, with the analysis of delayed decoding.",
        json_schema_extra={"group": "Beside it"},
    )
    with_fixed: bool = Field(
        default=True,
        description="fixed_k tokens per step.",
        json_schema_extra={"group": "Beside it"},
    )
    with_threshold: bool = Field(
        default=True,
        description="All above a threshold.",
        json_schema_extra={"group": "Beside it"},
    )
    with_factor: bool = Field(
        default=True,
        description="As many as the factor allows.",
        json_schema_extra={"group": "Beside it"},
    )
    with_entropy_bound: bool = Field(
        default=True,
        description="As many as the entropy bound allows.",
        json_schema_extra={"group": "Beside it"},
    )
    with_klass: bool = Field(
        default=True,
        description="Sure and stable.",
        json_schema_extra={"group": "Beside it"},
    )
    forced: list[ForcedCommit] = Field(
        default=[],
        max_length=MOST_FORCED,
        description="Decisions taken by hand, from which decoding goes on: a token committed at a "
        "position in a step.",
        json_schema_extra=HIDDEN,
    )


EXAMPLES: tuple[Example, ...] = ()


def run(model: Model, params: Params) -> Iterator[Event]:
    """Yield the traces of one prompt."""
    raise NotImplementedError
