"""Events of ReAGent."""

from typing import Literal

from pydantic import Field

from analysis.events import Array, Event


class Replacement(Event):
    """The source of replacement tokens in this run."""

    kind: Literal["replacement"] = "replacement"
    label: str
    fallbacks: int = Field(
        description="Positions for which the masked model offered no replacement."
    )


class Scores(Event):
    """The current maps; row 0 is the target, row t + 1 is output token t.

    Row r is defined for positions below `valid[r]` that are not protected; elsewhere the
    arrays hold 0, which means "no score", not "no effect".
    """

    kind: Literal["scores"] = "scores"
    estimator: Literal["least_squares", "centred", "paper"] = Field(
        description="Estimator of these numbers; centred while least squares has too few probes."
    )
    measure: Literal["probability", "log_probability", "log_odds", "log_ratio", "importance"] = (
        Field(description="log_ratio: log p(target) − log p(contrast); importance: sums to 1.")
    )
    unit: str = Field(description="Unit of the scores: probability, nats, share.")
    probes: int = Field(description="Number of probes used (paper estimator: steps).")
    budget: int
    final: bool
    base: list[float] = Field(description="Value of the measure on the unchanged context, per row.")
    valid: list[int] = Field(description="Positions below it have a score, per row.")
    mean: Array = Field(description="[R, N] scores.")
    standard_error: Array = Field(description="[R, N], in the unit of the scores.")
    word_standard_error: Array = Field(description="[R, words] of the word's summed score.")
    sentence_standard_error: Array = Field(description="[R, sentences], likewise.")
    stable_since: list[int] = Field(
        description="Number of probes after which the row's top_n set has not changed."
    )
    separated: list[bool] = Field(
        description="Whether the simultaneous 95 % bands separate the top_n from the other "
        "tokens, per row (paper estimator: intervals of single tokens)."
    )
    single_factor: float | None = Field(
        default=None,
        description="Half-width of the 95 % interval of one token, in standard errors (Student's "
        "t).",
    )
    joint_factor: list[float] = Field(
        default=[],
        description="Half-width of the simultaneous 95 % bands of a row's tokens, in standard "
        "errors (Šidák), per row.",
    )


class Probes(Event):
    """All probes, at the end of the run; sufficient to estimate the scores again.

    D = base − measure, by row; a score is the coefficient of a position's mask in D.
    """

    kind: Literal["probes"] = "probes"
    start: int = Field(description="Number of the first probe here, from 0.")
    replace_rate: float
    masks: Array = Field(description="[K, N] 1: the position was replaced.")
    ids: Array = Field(description="[K, N] token ids of the context that was run.")
    measure: Array = Field(description="[K, R] the measure of each row on that context.")


class Convergence(Event):
    """Paper estimator: how the probes of a row stopped."""

    kind: Literal["convergence"] = "convergence"
    row: int
    steps: list[int] = Field(description="Steps taken, per probe.")
    converged: list[bool] = Field(
        description="Whether the probe converged; false: stopped at paper_max_steps."
    )
    over: Literal["converged", "all"] = Field(
        description="all: no probe converged, the mean is over all of them."
    )
