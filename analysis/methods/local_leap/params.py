"""The parameters of LocalLeap."""

from typing import Literal

from analysis.decoding.events import ForcedCommit
from analysis.decoding.params import MOST_FORCED, OUTPUT_TOKENS, PromptParams
from analysis.method import param

Decoder = Literal[
    "local_leap", "vanilla", "fixed", "threshold", "factor", "entropy_bound", "klass"
]  # fmt: skip


class Params(PromptParams):
    canvas_length: int = param(
        64,
        "G: number of mask tokens after the prompt; a multiple of block.",
        group="Canvas",
        ge=1,
        le=OUTPUT_TOKENS,
    )
    block: int = param(
        32,
        "b: tokens per block, at most the canvas length; blocks are decoded from left to right.",
        group="Canvas",
        ge=1,
        le=128,
    )
    decoder: Decoder = param(
        "local_leap", "Decoder of the run; forced choices apply to it.", group="Decoder"
    )
    kappa: float = param(0.9, "κ: minimum confidence of an anchor.", group="LocalLeap", gt=0, le=1)
    tau: float = param(
        0.75, "τ: minimum confidence near an anchor; at most κ.", group="LocalLeap", gt=0, le=1
    )
    width: int = param(
        4,
        "W: distance in tokens within which τ applies around an anchor; 0: the anchor alone.",
        group="LocalLeap",
        ge=0,
        le=OUTPUT_TOKENS,
    )
    temperature: float = param(
        0.0,
        "Gumbel temperature of token sampling; 0: the most probable token.",
        group="Canvas",
        ge=0,
        le=5,
    )
    eos_fill: bool = param(
        False,
        "Stop once a finished block contains an end-of-text token, and fill the rest "
        "of the canvas with that token.",
        group="Canvas",
    )
    write_special: bool = param(
        False,
        "Also generate special tokens that do not end a text ([PAD], [CLS], <unk>), "
        "as published; by default their probability is zero.",
        group="Canvas",
    )
    cache: Literal["none", "prefix", "dual"] = param(
        "none",
        "Reuse keys and values within a block: those before the block (prefix), or "
        "also those after it (dual). Faster, but an approximation.",
        group="Canvas",
    )
    fixed_k: int = param(
        2, "k: tokens per step of the fixed_k decoder.", group="Other decoders", ge=1, le=128
    )
    threshold: float = param(
        0.9,
        "Minimum confidence at which the threshold decoder commits.",
        group="Other decoders",
        gt=0,
        le=1,
    )
    factor: float = param(
        1.0,
        "f: the factor decoder commits the largest n with (n + 1)(1 − c_n) < f.",
        group="Other decoders",
        gt=0,
        le=100,
    )
    entropy_bound: float = param(
        0.1,
        "γ in nats: the entropy-bound decoder commits the most positions, in order of "
        "confidence, with ΣH − max H ≤ γ.",
        group="Other decoders",
        ge=0,
        le=100,
    )
    klass_confidence: float = param(
        0.9, "θ: KLASS requires a confidence above this.", group="Other decoders", gt=0, le=1
    )
    klass_divergence: float = param(
        0.01,
        "ε in nats: KL divergence from the previous step below which KLASS counts a "
        "position as stable.",
        group="Other decoders",
        gt=0,
        le=100,
    )
    klass_history: int = param(
        2,
        "Consecutive stable steps that KLASS requires, counted within a block. The "
        "published code counts over the whole canvas, which saves a step in later "
        "blocks.",
        group="Other decoders",
        ge=1,
        le=16,
    )
    with_local_leap: bool = param(
        True, "LocalLeap, if another decoder is selected.", group="Compare with"
    )
    with_vanilla: bool = param(
        True, "One token per step, with an analysis of delayed decoding.", group="Compare with"
    )
    with_fixed: bool = param(True, "fixed_k tokens per step.", group="Compare with")
    with_threshold: bool = param(
        True, "All positions above a confidence threshold.", group="Compare with"
    )
    with_factor: bool = param(True, "As many tokens as the factor allows.", group="Compare with")
    with_entropy_bound: bool = param(
        True, "As many tokens as the entropy bound allows.", group="Compare with"
    )
    with_klass: bool = param(
        True, "KLASS: all confident and stable positions.", group="Compare with"
    )
    forced: list[ForcedCommit] = param(
        [],
        "Forced choices: a token committed at a given position in a given step. "
        "Decoding continues from them.",
        group="Forced choices",
        widget="hidden",
        max_length=MOST_FORCED,
    )
