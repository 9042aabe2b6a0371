"""What a run of CNTP asks for: the decoder, its trials, its sampling, and who stands beside it."""

from typing import Annotated, Literal

from pydantic import Field

from analysis.decoding.events import ForcedToken, ForcedTrial
from analysis.decoding.params import HIDDEN, MOST_FORCED, OUTPUT_TOKENS, PromptParams
from analysis.text import context as contexts

MOST_TRIALS = 64
STOP_TOKENS = 32


class CntpParams(PromptParams):
    """CNTP and the decoders beside it."""

    max_new_tokens: int = Field(
        default=96,
        ge=1,
        le=OUTPUT_TOKENS,
        description="Longest output in tokens.",
        json_schema_extra={"group": "Text"},
    )
    decoder: Literal["cntp", "greedy", "sampling", "min_p"] = Field(
        default="cntp",
        description="The decoder that the run is about, and that decisions by hand apply to.",
        json_schema_extra={"group": "Decoder"},
    )
    entropy_low: float = Field(
        default=0.01,
        ge=0,
        le=20,
        description="H_lo in nats: at or below it there is a single trial.",
        json_schema_extra={"group": "Trials"},
    )
    entropy_high: float = Field(
        default=1.5,
        gt=0,
        le=20,
        description="H_hi in nats: at or above it there are max_trials.",
        json_schema_extra={"group": "Trials"},
    )
    max_trials: int = Field(
        default=10,
        ge=1,
        le=MOST_TRIALS,
        description="N_max: trials at the most uncertain tokens.",
        json_schema_extra={"group": "Trials"},
    )
    trial_cap: int = Field(
        default=48,
        ge=1,
        le=OUTPUT_TOKENS,
        description="Longest trial in tokens (the published code has no limit).",
        json_schema_extra={"group": "Trials"},
    )
    formula: Literal["code", "paper"] = Field(
        default="code",
        description="How entropy becomes a number of trials: as in the published code and the "
        "paper's figure, or as in the paper's text.",
        json_schema_extra={"group": "Trials"},
    )
    mode: Literal["entropy", "fixed", "negative"] = Field(
        default="entropy",
        description="entropy: more trials where the model is unsure; for ablation, fixed: "
        "max_trials at every step; negative: more where it is sure, rounded as published.",
        json_schema_extra={"group": "Trials"},
    )
    scoring: Literal["warped", "raw"] = Field(
        default="warped",
        description="Perplexity under the distribution that was drawn from (warped) or under the "
        "model's own (raw).",
        json_schema_extra={"group": "Trials"},
    )
    stop_rule: Literal["text", "ids"] = Field(
        default="text",
        description="A trial ends where its decoded text ends a clause (text), or at the first "
        "token of a punctuation sign (ids, as published: it overlooks tokens such as .\\n, and "
        "where signs are encoded with a blank before them it ends at that blank).",
        json_schema_extra={"group": "Trials"},
    )
    single: Literal["draw", "likeliest"] = Field(
        default="draw",
        description="What a step without trials appends: a token drawn, or the likeliest.",
        json_schema_extra={"group": "Trials"},
    )
    prune: bool = Field(
        default=True,
        description="Drop a trial as soon as it can no longer win; changes the cost, not the "
        "result.",
        json_schema_extra={"group": "Trials"},
    )
    stop_strings: (
        Annotated[str, Field(max_length=500)]
        | Annotated[list[contexts.TokenId], Field(max_length=STOP_TOKENS)]
    ) = Field(
        default="",
        description="Texts that end the output, one per line; \\n stands for a new line. #12 #40 "
        "names tokens by their ids, each of which ends it (in JSON, a list).",
        json_schema_extra={**contexts.OR_IDS, "many": True, "group": "Text"},
    )
    temperature: float = Field(
        default=0.8,
        ge=0,
        le=5,
        description="Sampling temperature; 0: the likeliest token, as greedy decoding takes.",
        json_schema_extra={"group": "Sampling"},
    )
    top_k: int = Field(
        default=50,
        ge=0,
        le=1_000_000,
        description="Draw among the k likeliest tokens; 0: all.",
        json_schema_extra={"group": "Sampling"},
    )
    top_p: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="Draw among the likeliest tokens that hold this much probability.",
        json_schema_extra={"group": "Sampling"},
    )
    min_p: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="min-p sampling alone: draw among tokens at least this share as likely as the "
        "likeliest.",
        json_schema_extra={"group": "Sampling"},
    )
    with_greedy: bool = Field(
        default=True,
        description="The likeliest token each time.",
        json_schema_extra={"group": "Beside it"},
    )
    with_sampling: bool = Field(
        default=True,
        description="One draw per token, same temperature, top-k and top-p.",
        json_schema_extra={"group": "Beside it"},
    )
    with_min_p: bool = Field(
        default=True,
        description="min-p sampling at the same temperature.",
        json_schema_extra={"group": "Beside it"},
    )
    with_beam: bool = Field(
        default=True,
        description="Beam search on the model's own probabilities.",
        json_schema_extra={"group": "Beside it"},
    )
    with_best_of_n: bool = Field(
        default=True,
        description="Several whole outputs, of which the least perplexing is taken.",
        json_schema_extra={"group": "Beside it"},
    )
    with_self_consistency: bool = Field(
        default=True,
        description="Several whole outputs, of which the most frequent answer is taken.",
        json_schema_extra={"group": "Beside it"},
    )
    beams: int = Field(
        default=5,
        ge=2,
        le=32,
        description="Beams of beam search.",
        json_schema_extra={"group": "Beside it"},
    )
    samples: int = Field(
        default=10,
        ge=2,
        le=MOST_TRIALS,
        description="Outputs drawn for the best of N and for self-consistency.",
        json_schema_extra={"group": "Beside it"},
    )
    forced: list[ForcedToken | ForcedTrial] = Field(
        default=[],
        max_length=MOST_FORCED,
        description="Decisions taken by hand, from which decoding goes on: a token at a position, "
        "or a trial at a fork.",
        json_schema_extra=HIDDEN,
    )
