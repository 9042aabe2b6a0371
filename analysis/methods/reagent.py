"""ReAGent: which input tokens a generated token hangs on.

Tokens of the context are replaced at random, many times; an input token matters to an output
token as far as the output token's probability falls when the input token is replaced.

Source: "ReAGent: Towards A Model-agnostic Feature Attribution Method for Generative Language
Models" (arXiv 2402.00794). Two forms, and each result says which it is:

- `paper`: importance of token i = softmax over positions of scores to which every step adds
  ±logit((1 + D)/2), + where i was replaced; mean over probes; one-signed, sums to 1.
- `centred` (default): e_i = Σ_k (m_ki − r)(D_k − D̄) / (K r (1 − r)), the mean effect of
  replacing token i, with its standard error; signed, comparable across tokens.

Shape legend: K probes (rows), N positions (prompt and output, without the last output token's
successor), L prompt tokens, T output tokens, R rows of a map (the target first, then each
output token), G groups (words or sentences), V vocabulary.
"""

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from analysis.events import Array, Event, Progress
from analysis.method import BaseParams, Example

VERSION = "1"
NEEDS = ("causal_lm",)

Measure = Literal["probability", "log_probability", "log_odds"]


class Params(BaseParams):
    prompt: str = Field(
        min_length=1,
        max_length=100_000,
        description="Text that the model reads.",
        json_schema_extra={"widget": "text", "group": "Text"},
    )
    chat: bool = Field(
        default=False,
        description="Wrap the prompt as a user's message with the model's chat template.",
        json_schema_extra={"group": "Text"},
    )
    special_tokens: Literal["refuse", "text", "token"] = Field(
        default="refuse",
        description="A special token typed in the prompt: refuse it, read it as plain text, or "
        "let it act as the token.",
        json_schema_extra={"group": "Text"},
    )
    continuation: str = Field(
        default="",
        max_length=10_000,
        description="Output to explain. Empty: the model writes it.",
        json_schema_extra={"widget": "text", "group": "Output"},
    )
    max_new_tokens: int = Field(
        default=8,
        ge=1,
        le=128,
        description="Longest output in tokens, when the model writes it.",
        json_schema_extra={"group": "Output"},
    )
    temperature: float = Field(
        default=0.0,
        ge=0,
        le=5,
        description="Sampling temperature; 0: the likeliest token each time (greedy).",
        json_schema_extra={"group": "Output"},
    )
    top_k: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="Sample among the k likeliest tokens; 0: all.",
        json_schema_extra={"group": "Output"},
    )
    top_p: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Sample among the likeliest tokens that hold this much probability.",
        json_schema_extra={"group": "Output"},
    )
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
    contrast: str = Field(
        default="",
        max_length=200,
        description="Contrast token: explain why the first target token was preferred to this one. "
        "Empty: no contrast.",
        json_schema_extra={"group": "Target"},
    )
    estimator: Literal["centred", "paper"] = Field(
        default="centred",
        description="centred: signed mean effect with standard error; paper: the published "
        "softmax scores.",
        json_schema_extra={"group": "Probes"},
    )
    measure: Measure = Field(
        default="probability",
        description="What falls when a token is replaced (centred form; the paper's form always "
        "takes the probability).",
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
        description="Budget of probes (centred form).",
        json_schema_extra={"group": "Probes"},
    )
    stop_early: bool = Field(
        default=True,
        description="Stop before the budget ends once confidence intervals (95 %) separate the "
        "top_n tokens from the rest (centred form).",
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
    seed: int = Field(
        default=0,
        ge=0,
        le=2**31 - 1,
        description="Seed of sampling and of every random draw.",
        json_schema_extra={"group": "Probes"},
    )


class Token(BaseModel):
    """A token of the context."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int
    text: str = Field(description="What it adds to the decoded text; the parts join to the whole.")
    piece: str = Field(description="Its entry in the vocabulary.")
    word: int = Field(description="Number of the word it belongs to.")
    sentence: int = Field(description="Number of the sentence it belongs to.")
    protected: bool = Field(description="Never replaced, so it has no score.")


class Tokens(Event):
    """A stretch of the context: prompt tokens, then output tokens."""

    kind: Literal["tokens"] = "tokens"
    start: int = Field(description="Position of the first token of this stretch.")
    total: int = Field(description="Positions in all, N.")
    prompt_length: int = Field(description="L: positions below it are the prompt.")
    tokens: list[Token]


class Alternative(BaseModel):
    """A token that the model could have written."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    id: int
    text: str
    logprob: float = Field(description="Natural log of its probability.")


class OutputStep(BaseModel):
    """One output token and what stood beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    position: int = Field(description="Its position in the context.")
    logprob: float = Field(description="Natural log of its probability.")
    rank: int = Field(description="1: the likeliest.")
    entropy: float = Field(description="Of the next-token distribution, nats.")
    alternatives: list[Alternative] = Field(description="The likeliest tokens, at most five.")


class Output(Event):
    """The output that is explained."""

    kind: Literal["output"] = "output"
    generated: bool = Field(description="False: the output was given in the params.")
    steps: list[OutputStep] = Field(description="One per output token, T.")
    target_start: int
    target_length: int
    contrast: Alternative | None = Field(description="The foil of the first target token.")


class Scores(Event):
    """The maps so far; row 0 is the target, row t + 1 output token t.

    Row r is defined for positions below `valid[r]` that are not protected; elsewhere the
    arrays hold 0, which means "no score", not "no effect".
    """

    kind: Literal["scores"] = "scores"
    estimator: Literal["centred", "paper"]
    measure: Literal["probability", "log_probability", "log_odds", "log_ratio", "importance"] = (
        Field(description="log_ratio: log p(target) − log p(contrast); importance: sums to 1.")
    )
    unit: str = Field(description="Unit of the scores: probability, nats, share.")
    probes: int = Field(description="Probes behind these numbers (paper form: steps).")
    budget: int
    final: bool
    base: list[float] = Field(description="The measure on the unchanged context, per row.")
    valid: list[int] = Field(description="Positions below it have a score, per row.")
    mean: Array = Field(description="[R, N] scores.")
    standard_error: Array = Field(description="[R, N], in the unit of the scores.")
    word_standard_error: Array = Field(description="[R, words] of the word's summed score.")
    sentence_standard_error: Array = Field(description="[R, sentences], likewise.")
    stable_since: list[int] = Field(
        description="Probe since which the top_n set of the row has not changed."
    )
    separated: list[bool] = Field(
        description="95 % intervals separate the top_n tokens from the rest, per row."
    )


class Convergence(Event):
    """Paper form: how the probes of a row stopped."""

    kind: Literal["convergence"] = "convergence"
    row: int
    steps: list[int] = Field(description="Steps taken, per probe.")
    converged: list[bool] = Field(description="False: gave up at paper_max_steps.")
    over: Literal["converged", "all"] = Field(
        description="all: no probe converged, the mean is over all of them."
    )


class Baseline(Event):
    """Another method's map of the target."""

    kind: Literal["baseline"] = "baseline"
    name: str
    label: str
    unit: str
    source: str = Field(description="The library that computed it.")
    scores: Array = Field(description="[N]; 0 where the target's row has no score.")
    spearman: float | None = Field(description="Rank correlation with ReAGent's map, −1..1.")
    top_overlap: float = Field(description="Share of the top_n set in common, 0..1.")


class Curve(Event):
    """A faithfulness curve of the target: p as ranked tokens are replaced or kept."""

    kind: Literal["curve"] = "curve"
    direction: Literal["deletion", "insertion"]
    order: str = Field(description="reagent, reversed, random, or a baseline's name.")
    label: str
    fraction: list[float] = Field(description="Share of the scored tokens replaced (or kept).")
    mean: list[float] = Field(description="Probability of the target, mean over draws.")
    standard_error: list[float]
    area: float = Field(description="Under the curve, 0..1, trapezoid rule.")
    draws: int


class Soft(Event):
    """Soft-NS and Soft-NC of a map, as the paper defines them, and at matched entropy."""

    kind: Literal["soft"] = "soft"
    order: str
    label: str
    soft_ns: float = Field(description="ln(soft-NS / soft-NS of random scores).")
    soft_nc: float = Field(description="ln(soft-NC / soft-NC of random scores).")
    soft_ns_matched: float = Field(description="Likewise, at the random scores' entropy.")
    soft_nc_matched: float = Field(description="Likewise, at the random scores' entropy.")
    draws: int


class Cost(Event):
    """What the run took; the last event of a method."""

    kind: Literal["cost"] = "cost"
    rows: dict[str, int] = Field(description="Sequences run, per stage.")
    forwards: dict[str, int] = Field(description="Forward passes, per stage.")


EVENTS = (Tokens, Output, Scores, Convergence, Baseline, Curve, Soft, Cost)

PRESETS: dict[str, dict[str, Any]] = {
    "centred (default)": {"estimator": "centred", "replace_rate": 0.3, "probes": 512, "top_n": 5},
    "paper": {
        "estimator": "paper",
        "replace_rate": 0.1,
        "paper_probes": 5,
        "paper_max_steps": 5000,
        "top_n": 8,
        "paper_top_k": 3,
    },
    "inseq": {
        "estimator": "paper",
        "replace_rate": 0.3,
        "paper_probes": 16,
        "paper_max_steps": 3000,
        "top_n": 5,
        "paper_top_k": 3,
    },
}

EXAMPLES = (
    Example(
        name="Who has it",
        look_for="The name of the holder and the object asked about carry the answer.",
        model="demo-lm",
        params={
            "prompt": "Tom has the ball. Anna has the book. Question: Who has the ball? Answer:"
        },
    ),
)


def run(model: Any, params: Params) -> Iterator[Event]:
    """Yield the events of one attribution."""
    yield Progress(stage="probes", done=0, total=params.probes, unit="probes")
