"""The parameters of LocalLeap."""

from typing import Literal

from pydantic import Field

from analysis.decoding.events import ForcedCommit
from analysis.decoding.params import HIDDEN, MOST_FORCED, OUTPUT_TOKENS, PromptParams

Decoder = Literal[
    "local_leap", "vanilla", "fixed", "threshold", "factor", "entropy_bound", "klass"
]  # fmt: skip


class Params(PromptParams):
    canvas_length: int = Field(
        default=64,
        ge=1,
        le=OUTPUT_TOKENS,
        description="G: number of mask tokens after the prompt; a multiple of block.",
        json_schema_extra={"group": "Canvas"},
    )
    block: int = Field(
        default=32,
        ge=1,
        le=128,
        description="b: tokens per block, at most the canvas length; blocks are decoded from left "
        "to right.",
        json_schema_extra={"group": "Canvas"},
    )
    decoder: Decoder = Field(
        default="local_leap",
        description="Decoder of the run; forced choices apply to it.",
        json_schema_extra={"group": "Decoder"},
    )
    kappa: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="κ: minimum confidence of an anchor.",
        json_schema_extra={"group": "LocalLeap"},
    )
    tau: float = Field(
        default=0.75,
        gt=0,
        le=1,
        description="τ: minimum confidence near an anchor; at most κ.",
        json_schema_extra={"group": "LocalLeap"},
    )
    width: int = Field(
        default=4,
        ge=0,
        le=OUTPUT_TOKENS,
        description="W: distance in tokens within which τ applies around an anchor; 0: the anchor "
        "alone.",
        json_schema_extra={"group": "LocalLeap"},
    )
    temperature: float = Field(
        default=0.0,
        ge=0,
        le=5,
        description="Gumbel temperature of token sampling; 0: the most probable token.",
        json_schema_extra={"group": "Canvas"},
    )
    eos_fill: bool = Field(
        default=False,
        description="Stop once a finished block contains an end-of-text token, and fill the rest "
        "of the canvas with that token.",
        json_schema_extra={"group": "Canvas"},
    )
    write_special: bool = Field(
        default=False,
        description="Also generate special tokens that do not end a text ([PAD], [CLS], <unk>), "
        "as published; by default their probability is zero.",
        json_schema_extra={"group": "Canvas"},
    )
    cache: Literal["none", "prefix", "dual"] = Field(
        default="none",
        description="Reuse keys and values within a block: those before the block (prefix), or "
        "also those after it (dual). Faster, but an approximation.",
        json_schema_extra={"group": "Canvas"},
    )
    fixed_k: int = Field(
        default=2,
        ge=1,
        le=128,
        description="k: tokens per step of the fixed_k decoder.",
        json_schema_extra={"group": "Other decoders"},
    )
    threshold: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="Minimum confidence at which the threshold decoder commits.",
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
        description="γ in nats: the entropy-bound decoder commits the most positions, in order of "
        "confidence, with ΣH − max H ≤ γ.",
        json_schema_extra={"group": "Other decoders"},
    )
    klass_confidence: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="θ: KLASS requires a confidence above this.",
        json_schema_extra={"group": "Other decoders"},
    )
    klass_divergence: float = Field(
        default=0.01,
        gt=0,
        le=100,
        description="ε in nats: KL divergence from the previous step below which KLASS counts a "
        "position as stable.",
        json_schema_extra={"group": "Other decoders"},
    )
    klass_history: int = Field(
        default=2,
        ge=1,
        le=16,
        description="Consecutive stable steps that KLASS requires, counted within a block. The "
        "published code counts over the whole canvas, which saves a step in later "
        "blocks.",
        json_schema_extra={"group": "Other decoders"},
    )
    with_local_leap: bool = Field(
        default=True,
        description="LocalLeap, if another decoder is selected.",
        json_schema_extra={"group": "Compare with"},
    )
    with_vanilla: bool = Field(
        default=True,
        description="One token per step, with an analysis of delayed decoding.",
        json_schema_extra={"group": "Compare with"},
    )
    with_fixed: bool = Field(
        default=True,
        description="fixed_k tokens per step.",
        json_schema_extra={"group": "Compare with"},
    )
    with_threshold: bool = Field(
        default=True,
        description="All positions above a confidence threshold.",
        json_schema_extra={"group": "Compare with"},
    )
    with_factor: bool = Field(
        default=True,
        description="As many tokens as the factor allows.",
        json_schema_extra={"group": "Compare with"},
    )
    with_entropy_bound: bool = Field(
        default=True,
        description="As many tokens as the entropy bound allows.",
        json_schema_extra={"group": "Compare with"},
    )
    with_klass: bool = Field(
        default=True,
        description="KLASS: all confident and stable positions.",
        json_schema_extra={"group": "Compare with"},
    )
    forced: list[ForcedCommit] = Field(
        default=[],
        max_length=MOST_FORCED,
        description="Forced choices: a token committed at a given position in a given step. "
        "Decoding continues from them.",
        json_schema_extra=HIDDEN,
    )
