"""What a run on segments yields.

In this order: `Segments`; `SegmentTokens` of the prefix, of each segment and of the question; a
`Layout` for each mode, the chosen one first; `Answer`, after progress while the model writes it; an
`Arrangement` for each mode; `EdgeMass`, and where patterns were asked for `TokenMass`, `Sinks` and
`Routes`, of the chosen mode; a `KnockOut` for each edge; for each mode its `Permutation`s and their
`Spread`; last the `Cost`. Segments and blocks are numbers, from 0, into the lists of `Segments` and
of the mode's `Layout`. Logs are natural.

Shapes: N tokens of a layout, U runs of a mask, B blocks, P pairs of blocks, L layers, H heads.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from analysis.events import Array, Event
from analysis.text.context import Alternative

TOKENS_PER_EVENT = 250  # an event stays under 64 KiB
Mode = Literal["graph", "graph_ordered", "sequential", "parallel", "full", "random_edges"]
Role = Literal["prefix", "segment", "question", "answer"]


class Record(BaseModel):
    """A part of an event or of the params."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SegmentRow(Record):
    """A segment as it was given."""

    id: str
    score: float | None
    tokens: int = Field(description="Its length.")


class EdgeRow(Record):
    """The target reads the source."""

    source: int
    target: int


class Segments(Event):
    """The segments and the edges of the run, presets made out."""

    kind: Literal["segments"] = "segments"
    segments: list[SegmentRow]
    edges: list[EdgeRow]
    prefix: int = Field(description="Tokens before the segments, the beginning mark included.")
    question: int = Field(description="Tokens of the question.")
    longest: int = Field(description="L, tokens of the longest segment.")


class SegmentToken(Record):
    id: int
    text: str = Field(description="What it adds to the text of its part.")


class SegmentTokens(Event):
    """A stretch of the tokens of one part; a copy of a segment has the same tokens."""

    kind: Literal["segment_tokens"] = "segment_tokens"
    part: Role
    segment: int | None = Field(description="Null for a part that is no segment.")
    start: int = Field(description="Number of the first token of this stretch in its part.")
    tokens: list[SegmentToken]


class Block(Record):
    """Tokens that read alike: the prefix, a copy of a segment, the question, the answer's place.

    The answer begins at the last token of the question, after which its first token is predicted:
    that token is the block `answer`, to which the answer is added, and no part of `question`.
    """

    role: Role
    segment: int | None = Field(description="Null for a block that is no segment.")
    round: int | None = Field(description="Round in which it is encoded; null: no segment.")
    start: int = Field(description="Number of its first token in the layout.")
    tokens: int
    position: int = Field(description="Position id of its first token; they go up by one.")
    reads: list[int] = Field(
        description="Blocks that it reads in full; it also reads itself, causally."
    )


class Layout(Event):
    """A mode's tokens in their order, their positions, and who reads whom.

    Row i of the mask is the runs `row_start[i]:row_start[i + 1]`; run u is the tokens
    `run_start[u]:run_stop[u]` that are read.
    """

    kind: Literal["layout"] = "layout"
    mode: Mode
    edges: list[EdgeRow] = Field(description="Those of the mode, if any: as given, or drawn.")
    blocks: list[Block] = Field(description="In the order of their tokens.")
    tokens: int = Field(description="N.")
    span: int = Field(description="Positions used, the longest answer included.")
    area: int = Field(description="Pairs of a token and one that it reads.")
    relative_area: float = Field(
        description="Area among the segments over that of the same segments in sequence."
    )
    row_start: Array = Field(description="[N + 1], int32.")
    run_start: Array = Field(description="[U], int32.")
    run_stop: Array = Field(description="[U], int32.")


class Answer(Event):
    """The answer whose probability is compared."""

    kind: Literal["answer"] = "answer"
    text: str
    tokens: int
    written_by: Mode | None = Field(description="The mode that wrote it; null: it was given.")


class Arrangement(Event):
    """What the model makes of a mode."""

    kind: Literal["arrangement"] = "arrangement"
    mode: Mode
    logprob: float = Field(description="Of the answer, the sum over its tokens, nats.")
    token_logprobs: list[float] = Field(description="Of each token of the answer, nats.")
    alternatives: list[Alternative] = Field(description="Likeliest first tokens, at most five.")
    text: str = Field(description="What the model writes, the likeliest token each time.")
    right: bool | None = Field(
        description="The text begins with the answer; null: no answer was given."
    )


class EdgeMass(Event):
    """Share of attention that a block pays to each it reads and to itself; these sum to 1.

    mass[p] = mean over the tokens i of block `readers[p]` of Σ_j pattern[i, j] over the tokens j of
    block `sources[p]`, for each layer and head.
    """

    kind: Literal["edge_mass"] = "edge_mass"
    mode: Mode
    readers: list[int] = Field(description="Block that reads, for each pair.")
    sources: list[int] = Field(description="Block that is read, for each pair.")
    mass: Array = Field(description="[P, L, H], shares.")


class TokenMass(Event):
    """Share of attention that a block pays to each token, mean over its tokens and the heads."""

    kind: Literal["token_mass"] = "token_mass"
    mode: Mode
    mass: Array = Field(description="[L, B, N + answer - 1], shares; 0 where nothing is read.")


class Sinks(Event):
    """Share of attention that a block's tokens after the first pay to its first token."""

    kind: Literal["sinks"] = "sinks"
    mode: Mode
    blocks: list[int] = Field(description="Those of more than one token.")
    mass: Array = Field(description="[one per block, L, H], shares.")


class Routes(Event):
    """Block-sparse attention against eager attention with hooks, in this very run."""

    kind: Literal["routes"] = "routes"
    mode: Mode
    logit_difference: float = Field(description="Largest |Δ| over the logits of the answer.")
    mass_difference: float = Field(description="Largest |Δ| over all edge masses.")


class KnockOut(Event):
    """The chosen mode with one edge cut in every layer and head; positions stay."""

    kind: Literal["knock_out"] = "knock_out"
    edge: int = Field(description="Number of the edge in the mode's `Layout`.")
    logprob: float = Field(description="Of the answer without the edge, nats.")
    delta: float = Field(description="Without the edge less with it, nats; below 0: it helped.")


class Permutation(Event):
    """A mode with its segments in another order; the first is the order given."""

    kind: Literal["permutation"] = "permutation"
    mode: Mode
    number: int
    order: list[int] = Field(description="Segments in the order in which they are given.")
    logprob: float = Field(description="Of the answer, nats.")


class Spread(Event):
    """How much the answer hangs on the order of the segments."""

    kind: Literal["spread"] = "spread"
    mode: Mode
    orders: int = Field(description="As many as asked for, or all there are.")
    std: float = Field(description="Standard deviation over these orders (divided by n), nats.")
    range: float = Field(description="Largest less smallest, nats.")
