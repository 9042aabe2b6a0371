"""Parameters of ReAGent."""

from typing import Annotated, Literal

from pydantic import Field

from analysis.text import context as contexts
from analysis.text.context import TextParams

Measure = Literal["probability", "log_probability", "log_odds"]


class Params(TextParams):
    target_start: int = Field(
        default=0,
        ge=0,
        le=4095,
        description="First output token to explain, counted from 0.",
        json_schema_extra={"group": "Target"},
    )
    target_length: int = Field(
        default=1,
        ge=1,
        le=4096,
        description="Number of output tokens explained together; their log-probabilities are "
        "summed.",
        json_schema_extra={"group": "Target"},
    )
    contrast: Annotated[str, Field(max_length=200)] | contexts.TokenId = Field(
        default="",
        description="Contrast token: explain why the model prefers the first target token to this "
        "one. The text is tokenized as a continuation of the tokens before the "
        "target, including its leading space; #12 gives a token by its id (in JSON, a "
        "number). Empty: no contrast.",
        json_schema_extra={**contexts.OR_IDS, "group": "Target"},
    )
    estimator: Literal["least_squares", "centred", "paper"] = Field(
        default="least_squares",
        description="least_squares: signed effects of all tokens, fitted jointly, with standard "
        "errors; centred: the same effects estimated separately, less precise; paper: "
        "the published softmax scores.",
        json_schema_extra={"group": "Probes"},
    )
    measure: Measure = Field(
        default="probability",
        description="Quantity whose change is measured when tokens are replaced (the paper's "
        "estimator always uses the probability).",
        json_schema_extra={"group": "Probes"},
    )
    replacer: Literal["uniform", "same_model", "masked_lm"] = Field(
        default="uniform",
        description="Source of replacement tokens: the whole vocabulary, the predictions of the "
        "explained model, or those of a masked language model.",
        json_schema_extra={"group": "Probes"},
    )
    replacer_model: str = Field(
        default="",
        max_length=300,
        description="Masked language model of the masked_lm replacer; it must have the same "
        "vocabulary.",
        json_schema_extra={"widget": "model", "group": "Probes"},
    )
    replace_rate: float = Field(
        default=0.3,
        gt=0,
        lt=1,
        description="r: share of tokens replaced in each probe.",
        json_schema_extra={"group": "Probes"},
    )
    protect_prefix: int = Field(
        default=0,
        ge=0,
        le=100_000,
        description="Number of leading prompt tokens that are never replaced. Special tokens and "
        "chat markers are always protected.",
        json_schema_extra={"group": "Probes"},
    )
    probes: int = Field(
        default=512,
        ge=16,
        le=65_536,
        description="Maximum number of probes; the paper's estimator has its own limits.",
        json_schema_extra={"group": "Probes"},
    )
    stop_early: bool = Field(
        default=True,
        description="Stop early once the simultaneous 95 % confidence bands are as narrow as "
        "precision requires, or separate the top_n tokens from the others.",
        json_schema_extra={"group": "Probes"},
    )
    precision: float = Field(
        default=0.3,
        gt=0,
        le=1,
        description="Half-width of the 95 % bands, as a share of the target's largest score, at "
        "which stop_early stops the run.",
        json_schema_extra={"group": "Probes"},
    )
    top_n: int = Field(
        default=5,
        ge=1,
        le=1000,
        description="Number of top tokens: their stability is monitored, and the paper's stopping "
        "test keeps them.",
        json_schema_extra={"group": "Probes"},
    )
    paper_probes: int = Field(
        default=5,
        ge=1,
        le=256,
        description="P: parallel probes of the paper's estimator.",
        json_schema_extra={"group": "Paper estimator"},
    )
    paper_max_steps: int = Field(
        default=5000,
        ge=1,
        le=20_000,
        description="Maximum number of steps of each probe of the paper's estimator.",
        json_schema_extra={"group": "Paper estimator"},
    )
    paper_top_k: int = Field(
        default=3,
        ge=1,
        le=1000,
        description="k: a probe stops when the target is among the k most probable tokens.",
        json_schema_extra={"group": "Paper estimator"},
    )
    faithfulness: bool = Field(
        default=True,
        description="Evaluate the map: deletion and insertion curves compared with random and "
        "reversed order, Soft-NS and Soft-NC.",
        json_schema_extra={"group": "Faithfulness"},
    )
    baselines: bool = Field(
        default=True,
        description="Also compute input × gradient, integrated gradients, attention rollout and "
        "occlusion.",
        json_schema_extra={"group": "Faithfulness"},
    )
    draws: int = Field(
        default=5,
        ge=1,
        le=100,
        description="Random replacements per point of a faithfulness curve.",
        json_schema_extra={"group": "Faithfulness"},
    )
    rows_per_forward: int = Field(
        default=64,
        ge=1,
        le=4096,
        description="Probes per forward pass; affects memory and speed, not the result.",
        json_schema_extra={"group": "Probes"},
    )
