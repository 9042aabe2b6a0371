"""The trace of a decoder, live: what happened, why, and what it cost.

One format for decoders that write from left to right and for those that fill a canvas of masks.
A run holds the tokens of its prompt and then any number of traces, each a `TraceStart`, its steps,
its `OutputTokens` and a `TraceEnd`. See docs/trace.md. Logs are natural, entropies in nats,
positions count from the first token after the prompt.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from analysis.events import Event

VERSION = 1
TOKENS_PER_EVENT = 250  # an event stays under 64 KiB
DIGITS = 7  # after the point: five more than what two devices agree on needs
ENTROPY_DIGITS = 9  # what float32 holds: thresholds mapped anew meet the number that decided

Family = Literal["autoregressive", "diffusion"]
TrialEnd = Literal["stop", "eos", "stop_string", "cap", "length", "pruned"]
TraceStop = Literal["eos", "stop_string", "length", "filled"]
Reason = Literal[
    "anchor", "leap", "fallback", "eos_fill", "most_confident", "threshold", "factor",
    "entropy_bound", "stable", "forced",
]  # fmt: skip


def _round(value: Any) -> Any:
    return round(value, DIGITS) if isinstance(value, float) else value


def _round_entropy(value: Any) -> Any:
    return round(value, ENTROPY_DIGITS) if isinstance(value, float) else value


Number = Annotated[float, BeforeValidator(_round)]
Entropy = Annotated[float, BeforeValidator(_round_entropy)]


class Record(BaseModel):
    """A part of an event."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ForcedToken(Record):
    """A decision taken by hand: this token stands at this position."""

    position: int = Field(ge=0, le=4095, description="Counted from the first output token.")
    token: int = Field(ge=0, le=10_000_000, description="Id of the token.")


class ForcedTrial(Record):
    """A decision taken by hand: at the fork that begins at this position, this trial wins."""

    position: int = Field(ge=0, le=4095, description="Where the fork begins.")
    trial: int = Field(ge=0, le=255, description="Number of the trial, from 0.")


class ForcedCommit(Record):
    """A decision taken by hand: in this step, this token is committed at this position."""

    step: int = Field(ge=0, le=4095, description="Number of the step, from 0.")
    position: int = Field(ge=0, le=4095, description="Counted from the first token of the canvas.")
    token: int = Field(ge=0, le=10_000_000, description="Id of the token.")


Forced = ForcedToken | ForcedTrial | ForcedCommit


class PromptTokens(Event):
    """A stretch of the prompt, which all traces of a run share."""

    kind: Literal["prompt_tokens"] = "prompt_tokens"
    start: int = Field(description="Position of its first token in the prompt.")
    total: int = Field(description="Tokens of the whole prompt.")
    ids: list[int]
    texts: list[str] = Field(description="What each adds to the text; they join to the whole.")


class TraceStart(Event):
    """A decoder begins on the prompt."""

    kind: Literal["trace_start"] = "trace_start"
    version: Literal[1] = 1
    trace: int = Field(ge=0, description="Number of the trace in its run.")
    decoder: str = Field(description="cntp, greedy, beam, local_leap, vanilla and the like.")
    label: str = Field(description="Its name and main setting, as a user would say it.")
    family: Family
    main: bool = Field(description="The decoder that the run is about; the others stand beside it.")
    approximation: str = Field(
        description="Empty: exact. Else what was not recomputed, such as a cache."
    )
    model: str
    revision: str
    dtype: str
    tokenizer: str = Field(description="sha256 of the tokenizer.")
    seed: int
    settings: dict[str, int | float | str | bool] = Field(
        description="Every parameter that bears on this decoder."
    )
    stop_rule: str = Field(description="Where a trial ends and where the text does, in words.")
    eos_ids: list[int]
    mask_id: int | None = Field(default=None, description="Diffusion only.")
    length: int = Field(description="Most output tokens; the length G of a canvas.")
    block: int | None = Field(default=None, description="Diffusion only: tokens per block, b.")
    forced: list[Forced] = Field(description="Decisions taken by hand, which this trace follows.")
    applied: dict[str, Any] = Field(
        default={},
        description="What the checkpoint's generation_config.json asks and this decoder does, by "
        "field.",
    )
    not_applied: dict[str, Any] = Field(
        default={},
        description="What it asks, transformers' generate would do, and this decoder does not.",
    )
    samples_of: int | None = Field(
        default=None,
        description="The trace whose samples these are: drawn once, their cost stands in both.",
    )


class Candidate(Record):
    """A token that could have come next."""

    id: int
    text: str
    logprob_raw: Number = Field(description="ln of its probability under the model alone.")
    probability: Number = Field(description="After temperature, top-k, top-p; 0: cut off.")


class TokenStep(Event):
    """A decoder that writes from left to right looks at the next token.

    `single` steps append one token, `fork` steps what their trials decide (see `Fork`).
    """

    kind: Literal["step"] = "step"
    trace: int
    index: int = Field(description="Number of the step, from 0.")
    position: int = Field(description="Of the first token that it appends.")
    entropy: Entropy = Field(description="H of the warped distribution: it decides on trials.")
    entropy_raw: Number = Field(description="H of the model's own distribution.")
    varentropy: Number = Field(description="Variance of −ln p under the model's own, nats².")
    candidates: list[Candidate] = Field(description="The likeliest, in the order of the model.")
    trials: int = Field(description="N: trials drawn here; 1: a single token.")
    decision: Literal["single", "fork"]
    reason: Literal["drawn", "likeliest", "forced", "trials"]
    chosen: Candidate | None = Field(description="The token appended; null for a fork.")
    forwards: int = Field(description="Forward passes so far, this one included.")
    seconds: Number = Field(description="Since the trace began.")


class TrialTokens(Event):
    """A stretch of a trial's tokens; comes before its `Fork`."""

    kind: Literal["trial_tokens"] = "trial_tokens"
    trace: int
    index: int = Field(description="Number of the step that forks.")
    trial: int = Field(description="Number of the trial, from 0.")
    start: int = Field(description="Place of the first of these tokens in the trial.")
    ids: list[int]
    texts: list[str]
    logprobs: list[Number] = Field(description="ln q, warped.")
    logprobs_raw: list[Number] = Field(description="ln p under the model alone.")
    entropies: list[Entropy] = Field(description="H of the warped distribution it was drawn from.")
    ranks: list[int] = Field(description="1: the likeliest of the model.")


class Trial(Record):
    """A finished trial."""

    length: int = Field(description="Tokens, the one that ended it included.")
    end: TrialEnd = Field(
        description="stop: a clause ended; cap: the trial cap; length: the output is full; "
        "pruned: it could no longer win."
    )
    nll: Number = Field(description="−Σ ln q, warped.")
    nll_raw: Number
    perplexity: Number = Field(description="exp of the mean −ln q.")
    perplexity_raw: Number
    score: Number = Field(description="What decides, less is better: see `Fork.by`.")
    duplicate_of: int | None = Field(description="The first trial with the same tokens.")
    greedy: bool = Field(description="Each of its tokens was the model's likeliest.")
    stream: list[int] = Field(description="Seed, position and trial: names its random numbers.")
    answer: str | None = Field(description="What the answer pattern reads in it.")


class Vote(Record):
    """An answer and the trials that gave it."""

    answer: str
    trials: list[int]


class Fork(Event):
    """The trials of a step, and which of them was appended.

    Each trial's tokens came before it as `TrialTokens`; the prefix tree follows from them: two
    trials share a node as long as all their tokens so far are equal.
    """

    kind: Literal["fork"] = "fork"
    trace: int
    index: int = Field(description="Number of the step that forks.")
    position: int
    by: Literal["perplexity", "perplexity_raw", "vote", "beam", "forced"] = Field(
        description="What chose the winner; the lowest score wins, the first of equals."
    )
    trials: list[Trial]
    winner: int
    kept: int = Field(description="Tokens of the winner appended; fewer where a hand cut in.")
    margin: Number | None = Field(
        description="Score of the best other trial with other tokens, less the winner's; null: "
        "none finished."
    )
    greedy_rank: int | None = Field(
        description="Rank by score of the trial of likeliest tokens; null: not drawn or pruned."
    )
    votes: list[Vote] = Field(description="Self-consistency only, most votes first.")
    nodes: int = Field(description="Distinct nodes of the prefix tree.")
    tokens: int = Field(description="Tokens of all trials together: what no merging would cost.")
    forwards: int = Field(description="Forward passes of the trials.")


class CanvasCandidate(Record):
    id: int
    text: str
    probability: Number


class Commit(Record):
    """A token that was written on the canvas for good."""

    position: int
    id: int
    text: str
    confidence: Number | None = Field(description="Null: filled or forced without being looked at.")
    reason: Reason
    anchor: int | None = Field(default=None, description="Position of the nearest anchor.")
    distance: int | None = Field(default=None, description="To the nearest anchor, in tokens.")
    threshold: Number | None = Field(default=None, description="The confidence that was asked.")


class CanvasStep(Event):
    """A decoder that fills a canvas looks at the masked positions of the active block.

    `positions`, `ids`, `texts`, `confidences`, `doubts`, `entropies`, `gaps` and `alternatives`
    belong together: one entry per masked position, before this step's commits.
    """

    kind: Literal["canvas"] = "canvas"
    trace: int
    index: int = Field(description="Number of the step, from 0; one forward pass each.")
    block: int = Field(description="Number of the active block, from 0.")
    positions: list[int]
    ids: list[int] = Field(description="The token that would be written: the likeliest, or drawn.")
    texts: list[str]
    confidences: list[Number] = Field(description="Probability of that token.")
    doubts: list[Number] | None = Field(
        default=None,
        description="ln(1 − confidence), which ranks: it tells apart what rounds to 1. Null in "
        "older traces.",
    )
    entropies: list[Number]
    gaps: list[Number] = Field(description="Probability of the likeliest less the second's.")
    alternatives: list[list[CanvasCandidate]] = Field(description="The likeliest tokens.")
    anchors: list[int] = Field(description="Positions sure enough to vouch for their neighbours.")
    neighbourhood: list[list[int]] = Field(description="Intervals [first, last] around anchors.")
    commits: list[Commit]
    near_misses: list[int] = Field(description="In the neighbourhood, and not sure enough.")
    cached: bool = Field(description="Some keys and values were not recomputed in this step.")
    model_seconds: Number
    selection_seconds: Number
    seconds: Number = Field(description="Since the trace began.")


class OutputTokens(Event):
    """A stretch of the output as it stands at the end of a trace."""

    kind: Literal["output_tokens"] = "output_tokens"
    trace: int
    start: int
    total: int
    ids: list[int]
    texts: list[str] = Field(description="What each adds to the text; they join to the whole.")


class DelayedPosition(Record):
    """When a position was stable, and when it was committed; steps of its block, from 1."""

    position: int
    stable: int = Field(description="e: the earliest step from which the argmax stays.")
    committed: int = Field(description="t.")
    eos: bool = Field(description="Its final token is an end-of-text token.")


class Consistency(Record):
    """Looks at masked positions with this confidence, this far from an anchor."""

    confidence: list[float] = Field(description="From (included) and to.")
    distance: int | None = Field(
        description="To the nearest anchor; 0: it is one; the last bin is open; null: no anchor."
    )
    looks: int
    consistent: int = Field(description="Of them, how many saw the final token already.")


class Redundancy(Record):
    """Σd/Σt with d = t − e: the share of looks after which nothing changed."""

    positions: int
    share: Number


class Proposal(Record):
    """κ, τ and W that this run's early predictions bear out; see analysis/decoding/proposal.py."""

    kappa: Number
    tau: Number
    width: int
    consistent: int = Field(description="Of the looks, how many saw the final token already.")
    looks: int = Field(description="At 1 to W tokens from an anchor, with confidence τ to κ.")
    positions: int = Field(description="Of these looks; a position is looked at repeatedly.")
    low: Number = Field(default=0.0, description="95 % Wilson interval of consistent / looks.")
    high: Number = 1.0
    verdict: Literal["proposed", "unreliable", "too_few"] = Field(
        default="too_few",
        description="unreliable: a bin or the anchors reach no 99 %; too_few: too few looks. The "
        "values are then those that come closest.",
    )
    anchors: int = Field(description="Looks with confidence κ or more.")
    anchors_consistent: int
    sentence: str = Field(default="", description="All of this in words.")


class Delays(Event):
    """How long positions of the vanilla trace waited with the answer ready."""

    kind: Literal["delays"] = "delays"
    trace: int
    positions: list[DelayedPosition]
    redundancy: Redundancy = Field(description="Over all positions.")
    redundancy_without_eos: Redundancy
    proposal: Proposal | None = Field(default=None, description="Without end-of-text positions.")
    table: list[Consistency] = Field(description="Over all positions, by confidence and distance.")
    table_without_eos: list[Consistency]


class Cost(Record):
    """What a trace took.

    A token is computed when a forward pass ran on it beyond the prompt; it is kept when it is
    part of the output.
    """

    main_forwards: int = Field(description="Forward passes that decided a step.")
    trial_forwards: int = Field(description="Forward passes inside trials.")
    tokens_computed: int
    tokens_kept: int
    tokens_wasted: int = Field(description="Drawn or computed, and not kept.")
    nodes: int = Field(description="Distinct nodes of the trials' prefix trees; 0: no trials.")
    cache_bytes: int = Field(description="Most bytes of keys and values held at once.")
    model_seconds: Number = Field(description="Inside forward passes.")
    seconds: Number = Field(description="In all, without loading the model.")


class TraceEnd(Event):
    """A decoder is done."""

    kind: Literal["trace_end"] = "trace_end"
    trace: int
    stop: TraceStop = Field(description="filled: no mask is left on the canvas.")
    steps: int
    length: int = Field(description="Output tokens.")
    answer: str | None = Field(description="What the answer pattern reads in the text.")
    right: bool | None = Field(
        default=None,
        description="Whether that is the known right answer; null: none is known.",
    )
    cost: Cost


TRACE_EVENTS = (
    PromptTokens, TraceStart, TokenStep, TrialTokens, Fork, CanvasStep, OutputTokens, Delays,
    TraceEnd,
)  # fmt: skip
TraceEvent = Annotated[
    PromptTokens
    | TraceStart
    | TokenStep
    | TrialTokens
    | Fork
    | CanvasStep
    | OutputTokens
    | Delays
    | TraceEnd,
    Field(discriminator="kind"),
]
