"""What ReAGent is given."""

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
        description="Number of output tokens explained as one; their log-probabilities are added.",
        json_schema_extra={"group": "Target"},
    )
    contrast: Annotated[str, Field(max_length=200)] | contexts.TokenId = Field(
        default="",
        description="Contrast token: explain why the first target token was preferred to this "
        "one. A text is read as it would follow the tokens before the target, its leading space "
        "included; #12 names a token by its id (in JSON, a number). Empty: no contrast.",
        json_schema_extra={**contexts.OR_IDS, "group": "Target"},
    )
    estimator: Literal["least_squares", "centred", "paper"] = Field(
        default="least_squares",
        description="least_squares: signed effects of all tokens fitted together, with standard "
        "errors; centred: the same effects one by one, less precise; paper: the published softmax "
        "scores.",
        json_schema_extra={"group": "Probes"},
    )
    measure: Measure = Field(
        default="probability",
        description="What falls when a token is replaced (the paper's form always takes the "
        "probability).",
        json_schema_extra={"group": "Probes"},
    )
    replacer: Literal["uniform", "same_model", "masked_lm"] = Field(
        default="uniform",
        description="Where replacement tokens come from: any token, the explained model's own "
        "prediction, or a masked language model's.",
        json_schema_extra={"group": "Probes"},
    )
    replacer_model: str = Field(
        default="",
        max_length=300,
        description="Masked language model for the masked_lm replacer (same vocabulary).",
        json_schema_extra={"widget": "model", "group": "Probes"},
    )
    replace_rate: float = Field(
        default=0.3,
        gt=0,
        lt=1,
        description="Share r of tokens replaced in each probe.",
        json_schema_extra={"group": "Probes"},
    )
    protect_prefix: int = Field(
        default=0,
        ge=0,
        le=100_000,
        description="Number of leading prompt tokens that are never replaced (special tokens "
        "and chat markers never are).",
        json_schema_extra={"group": "Probes"},
    )
    probes: int = Field(
        default=512,
        ge=16,
        le=65_536,
        description="Budget of probes; the paper's form has its own.",
        json_schema_extra={"group": "Probes"},
    )
    stop_early: bool = Field(
        default=True,
        description="Stop before the budget ends once the 95 % bands of all tokens at once are as "
        "narrow as precision asks, or separate the top_n tokens from the rest.",
        json_schema_extra={"group": "Probes"},
    )
    precision: float = Field(
        default=0.3,
        gt=0,
        le=1,
        description="Half-width of the 95 % bands, as a share of the target's largest score, at "
        "which stop_early ends the run.",
        json_schema_extra={"group": "Probes"},
    )
    top_n: int = Field(
        default=5,
        ge=1,
        le=1000,
        description="Size of the top set: watched for stability; kept by the paper's stop test.",
        json_schema_extra={"group": "Probes"},
    )
    paper_probes: int = Field(
        default=5,
        ge=1,
        le=256,
        description="Parallel probes P of the paper's form.",
        json_schema_extra={"group": "Paper form"},
    )
    paper_max_steps: int = Field(
        default=5000,
        ge=1,
        le=20_000,
        description="Steps after which a probe of the paper's form gives up.",
        json_schema_extra={"group": "Paper form"},
    )
    paper_top_k: int = Field(
        default=3,
        ge=1,
        le=1000,
        description="A probe stops when the target is among the k likeliest tokens.",
        json_schema_extra={"group": "Paper form"},
    )
    faithfulness: bool = Field(
        default=True,
        description="Deletion and insertion curves against random and reversed order, Soft-NS "
        "and Soft-NC.",
        json_schema_extra={"group": "Faithfulness"},
    )
    baselines: bool = Field(
        default=True,
        description="Input × gradient, integrated gradients, attention rollout and occlusion "
        "beside the map.",
        json_schema_extra={"group": "Faithfulness"},
    )
    draws: int = Field(
        default=5,
        ge=1,
        le=100,
        description="Draws of replacements per point of a faithfulness curve.",
        json_schema_extra={"group": "Faithfulness"},
    )
    rows_per_forward: int = Field(
        default=64,
        ge=1,
        le=4096,
        description="Probes per forward pass; changes memory and speed, not the result.",
        json_schema_extra={"group": "Probes"},
    )
