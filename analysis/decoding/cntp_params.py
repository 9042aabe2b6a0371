"""Parameters of CNTP: the decoder, its trials, its sampling, and its baselines."""

from typing import Annotated, Literal

from pydantic import Field

from analysis.decoding.events import ForcedToken, ForcedTrial
from analysis.decoding.params import HIDDEN, MOST_FORCED, OUTPUT_TOKENS, PromptParams
from analysis.text import context as contexts

MOST_TRIALS = 64
STOP_TOKENS = 32


class CntpParams(PromptParams):
    """Parameters of CNTP and of its baselines."""

    max_new_tokens: int = Field(
        default=96,
        ge=1,
        le=OUTPUT_TOKENS,
        description="Maximum output length in tokens.",
        json_schema_extra={"group": "Text"},
    )
    decoder: Literal["cntp", "greedy", "sampling", "min_p"] = Field(
        default="cntp",
        description="Decoder of the run; forced choices apply to it.",
        json_schema_extra={"group": "Decoder"},
    )
    entropy_low: float = Field(
        default=0.01,
        ge=0,
        le=20,
        description="H_lo in nats: at or below this entropy there is a single trial.",
        json_schema_extra={"group": "Trials"},
    )
    entropy_high: float = Field(
        default=1.5,
        gt=0,
        le=20,
        description="H_hi in nats: at or above this entropy there are max_trials trials.",
        json_schema_extra={"group": "Trials"},
    )
    max_trials: int = Field(
        default=10,
        ge=1,
        le=MOST_TRIALS,
        description="N_max: maximum number of trials, used at the most uncertain tokens.",
        json_schema_extra={"group": "Trials"},
    )
    trial_cap: int = Field(
        default=48,
        ge=1,
        le=OUTPUT_TOKENS,
        description="Maximum trial length in tokens (the published code has no limit).",
        json_schema_extra={"group": "Trials"},
    )
    formula: Literal["code", "paper"] = Field(
        default="code",
        description="Formula from entropy to number of trials: that of the published code and the "
        "paper's figure, or that of the paper's text.",
        json_schema_extra={"group": "Trials"},
    )
    mode: Literal["entropy", "fixed", "negative"] = Field(
        default="entropy",
        description="entropy: more trials where the model is uncertain. Ablations: fixed: "
        "max_trials at every step; negative: more trials where the model is certain, "
        "rounded as published.",
        json_schema_extra={"group": "Trials"},
    )
    scoring: Literal["warped", "raw"] = Field(
        default="warped",
        description="Perplexity under the distribution after temperature and truncation (warped), "
        "or under the model's own distribution (raw).",
        json_schema_extra={"group": "Trials"},
    )
    stop_rule: Literal["text", "ids"] = Field(
        default="text",
        description="A trial ends where its decoded text ends a clause (text), or at the first "
        "token of a punctuation mark (ids, as published: this misses tokens such as "
        ".\\n, and ends at the space where a tokenizer encodes the mark with a "
        "leading space).",
        json_schema_extra={"group": "Trials"},
    )
    single: Literal["draw", "likeliest"] = Field(
        default="draw",
        description="Token appended at a step with a single trial: a sampled one, or the most "
        "probable one.",
        json_schema_extra={"group": "Trials"},
    )
    prune: bool = Field(
        default=True,
        description="Stop a trial as soon as it can no longer win; affects the cost, not the "
        "result.",
        json_schema_extra={"group": "Trials"},
    )
    stop_strings: (
        Annotated[str, Field(max_length=500)]
        | Annotated[list[contexts.TokenId], Field(max_length=STOP_TOKENS)]
    ) = Field(
        default="",
        description="Texts that end the output, one per line; \\n means a new line. #12 #40 gives "
        "tokens by their ids, each of which ends the output (in JSON, a list).",
        json_schema_extra={**contexts.OR_IDS, "many": True, "group": "Text"},
    )
    temperature: float = Field(
        default=0.8,
        ge=0,
        le=5,
        description="Sampling temperature; 0: greedy decoding.",
        json_schema_extra={"group": "Sampling"},
    )
    top_k: int = Field(
        default=50,
        ge=0,
        le=1_000_000,
        description="Sample from the k most probable tokens; 0: from all.",
        json_schema_extra={"group": "Sampling"},
    )
    top_p: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="Sample from the smallest set of most probable tokens whose probabilities sum "
        "to at least this.",
        json_schema_extra={"group": "Sampling"},
    )
    min_p: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="For min-p sampling only: sample from tokens whose probability is at least "
        "this share of the highest one.",
        json_schema_extra={"group": "Sampling"},
    )
    with_greedy: bool = Field(
        default=True,
        description="Greedy decoding: the most probable token at every step.",
        json_schema_extra={"group": "Compare with"},
    )
    with_sampling: bool = Field(
        default=True,
        description="Sampling with the same temperature, top-k and top-p.",
        json_schema_extra={"group": "Compare with"},
    )
    with_min_p: bool = Field(
        default=True,
        description="min-p sampling at the same temperature.",
        json_schema_extra={"group": "Compare with"},
    )
    with_beam: bool = Field(
        default=True,
        description="Beam search on the model's raw probabilities.",
        json_schema_extra={"group": "Compare with"},
    )
    with_best_of_n: bool = Field(
        default=True,
        description="Best of N: sample several complete outputs, keep the one with the lowest "
        "perplexity.",
        json_schema_extra={"group": "Compare with"},
    )
    with_self_consistency: bool = Field(
        default=True,
        description="Self-consistency: sample several complete outputs, keep the most frequent "
        "answer.",
        json_schema_extra={"group": "Compare with"},
    )
    beams: int = Field(
        default=5,
        ge=2,
        le=32,
        description="Number of beams of beam search.",
        json_schema_extra={"group": "Compare with"},
    )
    samples: int = Field(
        default=10,
        ge=2,
        le=MOST_TRIALS,
        description="Number of outputs sampled for best of N and self-consistency.",
        json_schema_extra={"group": "Compare with"},
    )
    forced: list[ForcedToken | ForcedTrial] = Field(
        default=[],
        max_length=MOST_FORCED,
        description="Forced choices: a token at a position, or a trial at a branch point. "
        "Decoding continues from them.",
        json_schema_extra=HIDDEN,
    )
