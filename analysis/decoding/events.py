"""Events of a decoder's trace: its steps, their reasons, and their cost.

The format is the same for left-to-right decoders and for decoders that fill a canvas of masks. A
run yields the tokens of its prompt, then any number of traces, each a `TraceStart`, its steps, its
`OutputTokens` and a `TraceEnd`. See docs/trace.md. Logarithms are natural, entropies are in nats,
and positions count from the first token after the prompt.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from analysis.decoding.delay_events import Delays
from analysis.decoding.rounded import Entropy, Number
from analysis.events import Event, Record

VERSION = 1
TOKENS_PER_EVENT = 250  # an event stays under 64 KiB

Family = Literal["autoregressive", "diffusion"]
TrialEnd = Literal["stop", "eos", "stop_string", "cap", "length", "pruned"]
TraceStop = Literal["eos", "stop_string", "length", "filled"]
Reason = Literal[
    "anchor", "leap", "fallback", "eos_fill", "most_confident", "threshold", "factor",
    "entropy_bound", "stable", "forced",
]  # fmt: skip


class ForcedToken(Record):
    """A forced choice: the token at this position."""

    position: int = Field(ge=0, le=4095, description="Counted from the first output token.")
    token: int = Field(ge=0, le=10_000_000, description="Id of the token.")


class ForcedTrial(Record):
    """A forced choice: the trial selected at the branch point that begins at this position."""

    position: int = Field(ge=0, le=4095, description="Position at which the branch point begins.")
    trial: int = Field(ge=0, le=255, description="Number of the trial, from 0.")


class ForcedCommit(Record):
    """A forced choice: the token committed at this position in this step."""

    step: int = Field(ge=0, le=4095, description="Number of the step, from 0.")
    position: int = Field(ge=0, le=4095, description="Counted from the first token of the canvas.")
    token: int = Field(ge=0, le=10_000_000, description="Id of the token.")


Forced = ForcedToken | ForcedTrial | ForcedCommit


class PromptTokens(Event):
    """A chunk of the prompt, which all traces of a run share."""

    kind: Literal["prompt_tokens"] = "prompt_tokens"
    start: int = Field(description="Position of its first token in the prompt.")
    total: int = Field(description="Number of tokens of the whole prompt.")
    ids: list[int]
    texts: list[str] = Field(description="What each adds to the text; they join to the whole.")


class TraceStart(Event):
    """A decoder begins on the prompt."""

    kind: Literal["trace_start"] = "trace_start"
    version: Literal[1] = 1
    trace: int = Field(ge=0, description="Number of the trace in its run.")
    decoder: str = Field(
        description="Name of the decoder, such as cntp, greedy, beam, local_leap, vanilla."
    )
    label: str = Field(description="The decoder's name and main setting, for display.")
    family: Family
    main: bool = Field(
        description="Whether this is the decoder of the run; the others are baselines."
    )
    approximation: str = Field(
        description="Description of an approximation, such as a cache; empty: exact."
    )
    model: str
    revision: str
    dtype: str
    tokenizer: str = Field(description="sha256 of the tokenizer.")
    seed: int
    settings: dict[str, int | float | str | bool] = Field(
        description="All parameters that affect this decoder."
    )
    stop_rule: str = Field(description="Description of where a trial ends and where the text ends.")
    eos_ids: list[int]
    mask_id: int | None = Field(default=None, description="Diffusion only.")
    length: int = Field(description="Maximum number of output tokens; the length G of a canvas.")
    block: int | None = Field(default=None, description="Diffusion only: tokens per block, b.")
    forced: list[Forced] = Field(description="Forced choices of this trace.")
    applied: dict[str, Any] = Field(
        default={},
        description="Settings of the checkpoint's generation_config.json that this decoder "
        "applies, by field.",
    )
    not_applied: dict[str, Any] = Field(
        default={},
        description="Settings that transformers' generate would apply and this decoder does not.",
    )
    samples_of: int | None = Field(
        default=None,
        description="Trace from which the samples are reused; their cost is counted in both "
        "traces.",
    )


class Candidate(Record):
    """A candidate for the next token."""

    id: int
    text: str
    logprob_raw: Number = Field(
        description="ln of its probability under the model's own distribution."
    )
    probability: Number = Field(
        description="Probability after temperature and truncation; 0: excluded."
    )


class TokenStep(Event):
    """A left-to-right decoder evaluates the next token.

    `single` steps append one token; `fork` steps append tokens of the selected trial (see `Fork`).
    """

    kind: Literal["step"] = "step"
    trace: int
    index: int = Field(description="Number of the step, from 0.")
    position: int = Field(description="Position of the first token that the step appends.")
    entropy: Entropy = Field(
        description="Entropy H of the warped distribution, which determines the number of trials."
    )
    entropy_raw: Number = Field(description="Entropy H of the model's own distribution.")
    varentropy: Number = Field(
        description="Variance of −ln p under the model's own distribution, nats²."
    )
    candidates: list[Candidate] = Field(
        description="The most probable tokens, in the model's order."
    )
    trials: int = Field(description="N: number of trials sampled; 1: a single token.")
    decision: Literal["single", "fork"]
    reason: Literal["drawn", "likeliest", "forced", "trials"]
    chosen: Candidate | None = Field(description="The token appended; null for a branch point.")
    forwards: int = Field(description="Number of forward passes so far, including this one.")
    seconds: Number = Field(description="Since the trace began.")


class TrialTokens(Event):
    """A chunk of a trial's tokens; precedes its `Fork`."""

    kind: Literal["trial_tokens"] = "trial_tokens"
    trace: int
    index: int = Field(description="Number of the step that forks.")
    trial: int = Field(description="Number of the trial, from 0.")
    start: int = Field(description="Index of the first of these tokens in the trial.")
    ids: list[int]
    texts: list[str]
    logprobs: list[Number] = Field(description="ln q under the warped distribution.")
    logprobs_raw: list[Number] = Field(description="ln p under the model's own distribution.")
    entropies: list[Entropy] = Field(
        description="Entropy of the warped distribution from which the token was sampled."
    )
    ranks: list[int] = Field(
        description="Rank in the model's own distribution; 1: the most probable token."
    )


class Trial(Record):
    """A finished trial."""

    length: int = Field(description="Number of tokens, including the one that ended the trial.")
    end: TrialEnd = Field(
        description="stop: a clause ended; cap: the trial cap; length: the output is full; "
        "pruned: it could no longer win."
    )
    nll: Number = Field(description="−Σ ln q under the warped distribution.")
    nll_raw: Number
    perplexity: Number = Field(description="exp of the mean −ln q.")
    perplexity_raw: Number
    score: Number = Field(description="Score used for selection; lower is better, see `Fork.by`.")
    duplicate_of: int | None = Field(description="The first trial with the same tokens.")
    greedy: bool = Field(
        description="Whether each token was the most probable one under the model."
    )
    stream: list[int] = Field(
        description="Seed, position and trial, which determine the random numbers."
    )
    answer: str | None = Field(description="Answer extracted by the answer pattern.")


class Vote(Record):
    """An answer and the trials that gave it."""

    answer: str
    trials: list[int]


class Fork(Event):
    """A branch point: the trials of a step, and the selected one.

    Each trial's tokens precede it as `TrialTokens`. They determine the prefix tree: two trials
    share a node as long as all their tokens so far are equal.
    """

    kind: Literal["fork"] = "fork"
    trace: int
    index: int = Field(description="Number of the step that forks.")
    position: int
    by: Literal["perplexity", "perplexity_raw", "vote", "beam", "forced"] = Field(
        description="Criterion of the selection; the lowest score wins, ties go to the first trial."
    )
    trials: list[Trial]
    winner: int
    kept: int = Field(
        description="Number of the winner's tokens appended; fewer if a forced token follows."
    )
    margin: Number | None = Field(
        description="Score of the best other trial with different tokens, minus the winner's; "
        "null: no such trial finished."
    )
    greedy_rank: int | None = Field(
        description="Rank by score of the trial of the most probable tokens; null: not sampled, "
        "or pruned."
    )
    votes: list[Vote] = Field(description="Self-consistency only: answers by descending votes.")
    nodes: int = Field(description="Number of distinct nodes of the prefix tree.")
    tokens: int = Field(
        description="Number of tokens of all trials, without merging equal prefixes."
    )
    forwards: int = Field(description="Number of forward passes of the trials.")


class CanvasCandidate(Record):
    id: int
    text: str
    probability: Number


class Commit(Record):
    """A token committed to the canvas."""

    position: int
    id: int
    text: str
    confidence: Number | None = Field(
        description="Confidence of the token; null: filled or forced without an evaluation."
    )
    reason: Reason
    anchor: int | None = Field(default=None, description="Position of the nearest anchor.")
    distance: int | None = Field(
        default=None, description="Distance to the nearest anchor, in tokens."
    )
    threshold: Number | None = Field(default=None, description="The confidence required.")


class CanvasStep(Event):
    """A step on a canvas: the predictions at the masked positions of the active block.

    `positions`, `ids`, `texts`, `confidences`, `doubts`, `entropies`, `gaps` and `alternatives`
    have one entry per masked position, before this step's commits.
    """

    kind: Literal["canvas"] = "canvas"
    trace: int
    index: int = Field(description="Number of the step, from 0; one forward pass each.")
    block: int = Field(description="Number of the active block, from 0.")
    positions: list[int]
    ids: list[int] = Field(
        description="The predicted token: the most probable one, or a sampled one."
    )
    texts: list[str]
    confidences: list[Number] = Field(description="Probability of the predicted token.")
    doubts: list[Number] | None = Field(
        default=None,
        description="ln(1 − confidence), used for ranking because it distinguishes confidences "
        "that round to 1. Null in older traces.",
    )
    entropies: list[Number]
    gaps: list[Number] = Field(
        description="Probability of the most probable token minus that of the second."
    )
    alternatives: list[list[CanvasCandidate]] = Field(description="The most probable tokens.")
    anchors: list[int] = Field(
        description="Positions with confidence ≥ κ, whose neighbours may commit early."
    )
    neighbourhood: list[list[int]] = Field(description="Intervals [first, last] around anchors.")
    commits: list[Commit]
    near_misses: list[int] = Field(
        description="Positions in the neighbourhood of an anchor with confidence below τ."
    )
    cached: bool = Field(
        description="Whether some keys and values were not recomputed in this step."
    )
    model_seconds: Number
    selection_seconds: Number
    seconds: Number = Field(description="Since the trace began.")


class OutputTokens(Event):
    """A chunk of the final output of a trace."""

    kind: Literal["output_tokens"] = "output_tokens"
    trace: int
    start: int
    total: int
    ids: list[int]
    texts: list[str] = Field(description="What each adds to the text; they join to the whole.")


class TraceCost(Record):
    """Cost of a trace.

    A token after the prompt is computed if a forward pass ran on it, and kept if it is part of the
    output. The pass on the prompt counts in each trace, with its seconds, although traces share it.
    """

    main_forwards: int = Field(description="Number of forward passes that decided a step.")
    trial_forwards: int = Field(description="Number of forward passes inside trials.")
    tokens_computed: int
    tokens_kept: int
    tokens_wasted: int = Field(description="Number of tokens sampled or computed but not kept.")
    nodes: int = Field(
        description="Number of distinct nodes of the trials' prefix trees; 0: no trials."
    )
    cache_bytes: int = Field(description="Peak bytes of keys and values.")
    model_seconds: Number = Field(description="Seconds inside forward passes.")
    seconds: Number = Field(description="Total seconds, without loading the model.")


class TraceEnd(Event):
    """A decoder has finished."""

    kind: Literal["trace_end"] = "trace_end"
    trace: int
    stop: TraceStop = Field(
        description="Reason for the end; filled: no mask is left on the canvas."
    )
    steps: int
    length: int = Field(description="Number of output tokens.")
    answer: str | None = Field(description="Answer extracted by the answer pattern.")
    right: bool | None = Field(
        default=None,
        description="Whether the answer equals the known correct answer; null: unknown.",
    )
    cost: TraceCost


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
