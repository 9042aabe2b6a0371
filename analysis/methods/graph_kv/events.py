"""Events of Graph-KV.

Their order is: `Segments`; `SegmentTokens` of the prefix, of each segment and of the question; a
`Layout` for each mode, the chosen one first; `Answer`, after progress while the model generates it;
an `Arrangement` for each mode; `EdgeMass` and, if patterns are requested, `TokenMass`, `Sinks` and
`RouteAgreement` of the chosen mode; a `KnockOut` for each edge; for each mode its `Permutation`s
and their `Spread`; finally the `Cost`. Segments and blocks are indices, from 0, into the lists of
`Segments` and of the mode's `Layout`. Logarithms are natural.

Shapes: N tokens of a layout, U runs of a mask, B blocks, P pairs of blocks, L layers, H heads.
"""

from typing import Literal

from pydantic import Field

from analysis.events import Array, Event, Record
from analysis.text.context import Alternative

TOKENS_PER_EVENT = 250  # an event stays under 64 KiB
Mode = Literal["graph", "graph_ordered", "sequential", "parallel", "full", "random_edges"]
Role = Literal["prefix", "segment", "question", "answer"]


class SegmentRow(Record):
    """A segment as given."""

    id: str
    score: float | None
    tokens: int = Field(description="Length of the segment in tokens.")


class EdgeRow(Record):
    """The target attends to the source."""

    source: int
    target: int


class Segments(Event):
    """The segments and the edges of the run, presets resolved."""

    kind: Literal["segments"] = "segments"
    segments: list[SegmentRow]
    edges: list[EdgeRow]
    prefix: int = Field(
        description="Tokens before the segments, including the beginning-of-text token."
    )
    question: int = Field(description="Tokens of the question.")
    longest: int = Field(description="L, tokens of the longest segment.")


class SegmentToken(Record):
    id: int
    text: str = Field(description="Text that the token adds to its part.")


class SegmentTokens(Event):
    """A chunk of the tokens of one part; a copy of a segment has the same tokens."""

    kind: Literal["segment_tokens"] = "segment_tokens"
    part: Role
    segment: int | None = Field(
        description="Number of the segment; null for a part that is not a segment."
    )
    start: int = Field(description="Index of this chunk's first token in its part.")
    tokens: list[SegmentToken]


class Block(Record):
    """Tokens with the same mask: the prefix, a copy of a segment, the question, or the answer.

    The answer is predicted from the last token of the question on. This token belongs to the block
    `answer`, to which the answer is appended, and not to `question`.
    """

    role: Role
    segment: int | None = Field(
        description="Number of the segment; null for a block that is not a segment."
    )
    round: int | None = Field(
        description="Round in which the segment is encoded; null: not a segment."
    )
    start: int = Field(description="Index of its first token in the layout.")
    tokens: int
    position: int = Field(description="Position id of its first token; ids increase by one.")
    reads: list[int] = Field(
        description="Blocks that it attends to in full; it also attends to itself causally."
    )


class Layout(Event):
    """A mode's tokens in order, their positions, and their attention mask.

    Row i of the mask consists of the runs `row_start[i]:row_start[i + 1]`; run u allows attention
    to the tokens `run_start[u]:run_stop[u]`.
    """

    kind: Literal["layout"] = "layout"
    mode: Mode
    edges: list[EdgeRow] = Field(description="Edges of the mode, if any: as given, or random.")
    blocks: list[Block] = Field(description="Blocks in the order of their tokens.")
    tokens: int = Field(description="N.")
    span: int = Field(description="Number of positions used, including the longest answer.")
    area: int = Field(description="Number of pairs of tokens that attend to each other.")
    relative_area: float = Field(
        description="Number of pairs within the segments, divided by that of the sequential text."
    )
    row_start: Array = Field(description="[N + 1], int32.")
    run_start: Array = Field(description="[U], int32.")
    run_stop: Array = Field(description="[U], int32.")


class Answer(Event):
    """The answer whose probability is compared."""

    kind: Literal["answer"] = "answer"
    text: str
    tokens: int
    written_by: Mode | None = Field(
        description="The mode that generated it; null: the answer was given."
    )


class Arrangement(Event):
    """Result of a mode."""

    kind: Literal["arrangement"] = "arrangement"
    mode: Mode
    logprob: float = Field(
        description="Log-probability of the answer, summed over its tokens, nats."
    )
    token_logprobs: list[float] = Field(
        description="Log-probability of each token of the answer, nats."
    )
    alternatives: list[Alternative] = Field(description="Most probable first tokens, at most five.")
    text: str = Field(description="Output of greedy decoding.")
    right: bool | None = Field(
        description="Whether the output begins with the answer; null: no answer was given."
    )


class EdgeMass(Event):
    """Share of a block's attention to itself and to each block it attends to; these sum to 1.

    mass[p] = mean over the tokens i of block `readers[p]` of Σ_j pattern[i, j] over the tokens j of
    block `sources[p]`, for each layer and head.
    """

    kind: Literal["edge_mass"] = "edge_mass"
    mode: Mode
    readers: list[int] = Field(description="Block that attends, for each pair.")
    sources: list[int] = Field(description="Block that is attended to, for each pair.")
    mass: Array = Field(description="[P, L, H], shares.")


class TokenMass(Event):
    """Share of a block's attention to each token, mean over its tokens and the heads."""

    kind: Literal["token_mass"] = "token_mass"
    mode: Mode
    mass: Array = Field(description="[L, B, N + answer - 1], shares; 0 where attention is masked.")


class Sinks(Event):
    """Attention sinks: share of the attention of a block's later tokens to its first token."""

    kind: Literal["sinks"] = "sinks"
    mode: Mode
    blocks: list[int] = Field(description="Blocks of more than one token.")
    mass: Array = Field(description="[one per block, L, H], shares.")


class RouteAgreement(Event):
    """Block-sparse attention compared with eager attention with hooks, in this run."""

    kind: Literal["routes"] = "routes"
    mode: Mode
    logit_difference: float = Field(description="Largest |Δ| over the logits of the answer.")
    mass_difference: float = Field(description="Largest |Δ| over all edge masses.")


class KnockOut(Event):
    """The chosen mode with one edge cut in all layers and heads; positions are unchanged."""

    kind: Literal["knock_out"] = "knock_out"
    edge: int = Field(description="Number of the edge in the mode's `Layout`.")
    logprob: float = Field(description="Log-probability of the answer without the edge, nats.")
    delta: float = Field(
        description="Log-probability without the edge minus that with it, nats; "
        "negative: the edge helps."
    )


class Permutation(Event):
    """A mode with its segments in another order; the first is the given order."""

    kind: Literal["permutation"] = "permutation"
    mode: Mode
    number: int
    order: list[int] = Field(description="Segments in this order.")
    logprob: float = Field(description="Log-probability of the answer, nats.")


class Spread(Event):
    """How much the answer depends on the order of the segments."""

    kind: Literal["spread"] = "spread"
    mode: Mode
    orders: int = Field(description="Number of orders evaluated: as many as requested, or all.")
    std: float = Field(description="Standard deviation over these orders (divided by n), nats.")
    range: float = Field(description="Largest minus smallest log-probability, nats.")
