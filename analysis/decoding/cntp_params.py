"""Parameters of CNTP: the decoder, its trials, its sampling, and its baselines."""

from typing import Annotated, Literal

from pydantic import Field

from analysis.decoding.events import ForcedToken, ForcedTrial
from analysis.decoding.params import MOST_FORCED, OUTPUT_TOKENS, PromptParams
from analysis.method import param
from analysis.text import context as contexts

MOST_TRIALS = 64
STOP_TOKENS = 32


class CntpParams(PromptParams):
    """Parameters of CNTP and of its baselines."""

    max_new_tokens: int = param(
        96, "Maximum output length in tokens.", group="Text", role="length", ge=1, le=OUTPUT_TOKENS
    )
    decoder: Literal["cntp", "greedy", "sampling", "min_p"] = param(
        "cntp", "Decoder of the run; forced choices apply to it.", group="Decoder"
    )
    entropy_low: float = param(
        0.01,
        "H_lo in nats: at or below this entropy there is a single trial.",
        group="Trials",
        ge=0,
        le=20,
    )
    entropy_high: float = param(
        1.5,
        "H_hi in nats: at or above this entropy there are max_trials trials.",
        group="Trials",
        gt=0,
        le=20,
    )
    max_trials: int = param(
        10,
        "N_max: maximum number of trials, used at the most uncertain tokens.",
        group="Trials",
        ge=1,
        le=MOST_TRIALS,
    )
    trial_cap: int = param(
        48,
        "Maximum trial length in tokens (the published code has no limit).",
        group="Trials",
        ge=1,
        le=OUTPUT_TOKENS,
    )
    formula: Literal["code", "paper"] = param(
        "code",
        "Formula from entropy to number of trials: that of the published code and the "
        "paper's figure, or that of the paper's text.",
        group="Trials",
    )
    mode: Literal["entropy", "fixed", "negative"] = param(
        "entropy",
        "entropy: more trials where the model is uncertain. Ablations: fixed: "
        "max_trials at every step; negative: more trials where the model is certain, "
        "rounded as published.",
        group="Trials",
    )
    scoring: Literal["warped", "raw"] = param(
        "warped",
        "Perplexity under the distribution after temperature and truncation (warped), "
        "or under the model's own distribution (raw).",
        group="Trials",
    )
    stop_rule: Literal["text", "ids"] = param(
        "text",
        "A trial ends where its decoded text ends a clause (text), or at the first "
        "token of a punctuation mark (ids, as published: this misses tokens such as "
        ".\\n, and ends at the space where a tokenizer encodes the mark with a "
        "leading space).",
        group="Trials",
    )
    single: Literal["draw", "likeliest"] = param(
        "draw",
        "Token appended at a step with a single trial: a sampled one, or the most probable one.",
        group="Trials",
    )
    prune: bool = param(
        True,
        "Stop a trial as soon as it can no longer win; affects the cost, not the result.",
        group="Trials",
    )
    stop_strings: (
        Annotated[str, Field(max_length=500)]
        | Annotated[list[contexts.TokenId], Field(max_length=STOP_TOKENS)]
    ) = param(
        "",
        "Texts that end the output, one per line; \\n means a new line. #12 #40 gives "
        "tokens by their ids, each of which ends the output (in JSON, a list).",
        group="Text",
        role="stop",
        widget="text_or_ids",
        many=True,
    )
    temperature: float = param(
        0.8, "Sampling temperature; 0: greedy decoding.", group="Sampling", ge=0, le=5
    )
    top_k: int = param(
        50,
        "Sample from the k most probable tokens; 0: from all.",
        group="Sampling",
        ge=0,
        le=1_000_000,
    )
    top_p: float = param(
        0.9,
        "Sample from the smallest set of most probable tokens whose probabilities sum "
        "to at least this.",
        group="Sampling",
        gt=0,
        le=1,
    )
    min_p: float = param(
        0.1,
        "For min-p sampling only: sample from tokens whose probability is at least "
        "this share of the highest one.",
        group="Sampling",
        gt=0,
        le=1,
    )
    with_greedy: bool = param(
        True, "Greedy decoding: the most probable token at every step.", group="Compare with"
    )
    with_sampling: bool = param(
        True, "Sampling with the same temperature, top-k and top-p.", group="Compare with"
    )
    with_min_p: bool = param(True, "min-p sampling at the same temperature.", group="Compare with")
    with_beam: bool = param(
        True, "Beam search on the model's raw probabilities.", group="Compare with"
    )
    with_best_of_n: bool = param(
        True,
        "Best of N: sample several complete outputs, keep the one with the lowest perplexity.",
        group="Compare with",
    )
    with_self_consistency: bool = param(
        True,
        "Self-consistency: sample several complete outputs, keep the most frequent answer.",
        group="Compare with",
    )
    beams: int = param(5, "Number of beams of beam search.", group="Compare with", ge=2, le=32)
    samples: int = param(
        10,
        "Number of outputs sampled for best of N and self-consistency.",
        group="Compare with",
        ge=2,
        le=MOST_TRIALS,
    )
    forced: list[ForcedToken | ForcedTrial] = param(
        [],
        "Forced choices: a token at a position, or a trial at a branch point. "
        "Decoding continues from them.",
        group="Forced choices",
        widget="hidden",
        max_length=MOST_FORCED,
    )
