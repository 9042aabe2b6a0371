"""Parameters of ReAGent."""

from typing import Annotated, Literal

from pydantic import Field

from analysis.method import param
from analysis.text import context as contexts
from analysis.text.context import TextParams

Measure = Literal["probability", "log_probability", "log_odds"]


class Params(TextParams):
    target_start: int = param(
        0,
        "First output token to explain, counted from 0.",
        group="Target",
        role="target",
        ge=0,
        le=4095,
    )
    target_length: int = param(
        1,
        "Number of output tokens explained together; their log-probabilities are summed.",
        group="Target",
        ge=1,
        le=4096,
    )
    contrast: Annotated[str, Field(max_length=200)] | contexts.TokenId = param(
        "",
        "Contrast token: explain why the model prefers the first target token to this "
        "one. The text is tokenized as a continuation of the tokens before the "
        "target, including its leading space; #12 gives a token by its id (in JSON, a "
        "number). Empty: no contrast.",
        group="Target",
        widget="text_or_ids",
    )
    estimator: Literal["least_squares", "centred", "paper"] = param(
        "least_squares",
        "least_squares: signed effects of all tokens, fitted jointly, with standard "
        "errors; centred: the same effects estimated separately, less precise; paper: "
        "the published softmax scores.",
        group="Probes",
    )
    measure: Measure = param(
        "probability",
        "Quantity whose change is measured when tokens are replaced (the paper's "
        "estimator always uses the probability).",
        group="Probes",
    )
    replacer: Literal["uniform", "same_model", "masked_lm"] = param(
        "uniform",
        "Source of replacement tokens: the whole vocabulary, the predictions of the "
        "explained model, or those of a masked language model.",
        group="Probes",
    )
    replacer_model: str = param(
        "",
        "Masked language model of the masked_lm replacer; it must have the same vocabulary.",
        group="Probes",
        widget="model",
        max_length=300,
    )
    replace_rate: float = param(
        0.3, "r: share of tokens replaced in each probe.", group="Probes", gt=0, lt=1
    )
    protect_prefix: int = param(
        0,
        "Number of leading prompt tokens that are never replaced. Special tokens and "
        "chat markers are always protected.",
        group="Probes",
        ge=0,
        le=100_000,
    )
    probes: int = param(
        512,
        "Maximum number of probes; the paper's estimator has its own limits.",
        group="Probes",
        ge=16,
        le=65_536,
    )
    stop_early: bool = param(
        True,
        "Stop early once the simultaneous 95 % confidence bands are as narrow as "
        "precision requires, or separate the top_n tokens from the others.",
        group="Probes",
    )
    precision: float = param(
        0.3,
        "Half-width of the 95 % bands, as a share of the target's largest score, at "
        "which stop_early stops the run.",
        group="Probes",
        gt=0,
        le=1,
    )
    top_n: int = param(
        5,
        "Number of top tokens: their stability is monitored, and the paper's stopping "
        "test keeps them.",
        group="Probes",
        ge=1,
        le=1000,
    )
    paper_probes: int = param(
        5, "P: parallel probes of the paper's estimator.", group="Paper estimator", ge=1, le=256
    )
    paper_max_steps: int = param(
        5000,
        "Maximum number of steps of each probe of the paper's estimator.",
        group="Paper estimator",
        ge=1,
        le=20_000,
    )
    paper_top_k: int = param(
        3,
        "k: a probe stops when the target is among the k most probable tokens.",
        group="Paper estimator",
        ge=1,
        le=1000,
    )
    faithfulness: bool = param(
        True,
        "Evaluate the map: deletion and insertion curves compared with random and "
        "reversed order, Soft-NS and Soft-NC.",
        group="Faithfulness",
    )
    baselines: bool = param(
        True,
        "Also compute input × gradient, integrated gradients, attention rollout and occlusion.",
        group="Faithfulness",
    )
    draws: int = param(
        5,
        "Random replacements per point of a faithfulness curve.",
        group="Faithfulness",
        ge=1,
        le=100,
    )
    comparison_rows: int = param(
        0,
        "Rows that baselines and faithfulness may run: sequences of one forward pass each, a "
        "gradient counting as three. What does not fit is left out with a note, the dearest first. "
        "0: by the size of model and text; all of them for a short text in a small model.",
        group="Faithfulness",
        ge=0,
        le=1_000_000,
    )
    rows_per_forward: int = param(
        64,
        "Probes per forward pass; affects memory and speed, not the result.",
        group="Probes",
        ge=1,
        le=4096,
    )
