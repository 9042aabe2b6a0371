"""Layout of segments, edges and rounds in a mode: tokens with positions and a block mask.

Tokens form blocks: the prefix, copies of segments round by round, the question without its last
token, and the answer's block, which consists of that last token and the answer's tokens without the
last. A block attends in full to the blocks that it names and causally to itself. Each token has one
position for all queries. With P tokens of prefix and L tokens of the longest segment a copy of
round r begins at position P + rL, and the question at P + (T + 1)L, where T is the last round; in
modes with ordered positions they are 0, 1, 2, …

Source: "Graph-KV" (arXiv 2506.07334). Shape legend: N tokens, U runs of a mask.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from typing import NamedTuple

import numpy as np

from analysis.methods.graph_kv import edges as drawing
from analysis.methods.graph_kv.edges import Edge
from analysis.methods.graph_kv.events import Mode, Role
from kernels.block_attention import BlockStructure

ORDERED: tuple[Mode, ...] = ("graph_ordered", "sequential", "full")


@dataclass(frozen=True)
class PromptParts:
    """Ids of the prefix (may be empty), of each segment and of the question."""

    prefix: list[int]
    segments: list[list[int]]
    question: list[int]

    @property
    def longest(self) -> int:
        """L."""
        return max(len(ids) for ids in self.segments)


@dataclass(frozen=True)
class LayoutPlan:
    """A layout's parameters.

    `rounds` 0 encodes each segment once and requires edges without a cycle. `order` is the order of
    the segments, by default that of their numbers. The seed determines random edges.
    """

    mode: Mode
    edges: tuple[Edge, ...]
    rounds: int = 0
    prefix_to_all: bool = False
    order: tuple[int, ...] | None = None
    seed: int = 0


class Copy(NamedTuple):
    """A copy of a segment in a round; `reads` are the (segment, round) it attends to."""

    segment: int
    round: int
    reads: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class TokenBlock:
    """Tokens with the same mask: `reads` are blocks; `position` is that of the first token."""

    role: Role
    ids: tuple[int, ...]
    position: int
    reads: tuple[int, ...]
    segment: int | None = None
    round: int | None = None


@dataclass(frozen=True, eq=False)
class TokenLayout:
    """Blocks in the order of their tokens; `edges` are the mode's own."""

    mode: Mode
    edges: tuple[Edge, ...]
    blocks: tuple[TokenBlock, ...]

    @cached_property
    def structure(self) -> BlockStructure:
        return BlockStructure.of([len(b.ids) for b in self.blocks], [b.reads for b in self.blocks])

    @cached_property
    def ids_N(self) -> list[int]:
        return [token for block in self.blocks for token in block.ids]

    @cached_property
    def positions_N(self) -> list[int]:
        return [block.position + at for block in self.blocks for at in range(len(block.ids))]

    @property
    def segment_area(self) -> int:
        """Number of pairs of segment tokens of which one attends to the other."""
        return sum(
            len(block.ids) * (len(block.ids) + 1) // 2
            + len(block.ids) * sum(len(self.blocks[n].ids) for n in self._segments_read(block))
            for block in self.blocks
            if block.role == "segment"
        )

    def _segments_read(self, block: TokenBlock) -> Iterator[int]:
        return (n for n in block.reads if self.blocks[n].role == "segment")

    def with_answer(self, answer: Sequence[int]) -> "TokenLayout":
        """The layout that predicts the answer: all of its tokens but the last are appended."""
        *before, place = self.blocks
        return replace(self, blocks=(*before, replace(place, ids=(*place.ids, *answer[:-1]))))

    def without(self, edge: Edge) -> "TokenLayout":
        """The same tokens at the same positions; the target's copies no longer attend to the
        source's.

        The edge remains in `edges`, so that edges keep their numbers.
        """
        source, target = edge
        blocks = [
            replace(b, reads=tuple(n for n in b.reads if self.blocks[n].segment != source))
            if b.segment == target
            else b
            for b in self.blocks
        ]
        return replace(self, blocks=tuple(blocks))

    def mask_runs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The mask by rows, int32: row starts [N + 1], and start and stop [U] of each run."""
        rows = [
            _joined(piece.runs, (piece.start, at + 1))
            for piece in self.structure.rows
            for at in range(piece.start, piece.stop)
        ]
        starts, stops = np.array([run for runs in rows for run in runs], np.int32).T
        return np.cumsum([0, *map(len, rows)], dtype=np.int32), starts, stops


def arrange(parts: PromptParts, plan: LayoutPlan) -> TokenLayout:
    """The tokens of a mode, up to the end of the question."""
    edges = _edges_of(plan, len(parts.segments))
    copies = _copies(plan, edges, len(parts.segments))
    blocks = [TokenBlock("prefix", tuple(parts.prefix), 0, ())] if parts.prefix else []
    first = range(len(blocks) if plan.prefix_to_all or plan.mode == "sequential" else 0)
    number = {copy[:2]: len(blocks) + at for at, copy in enumerate(copies)}
    start, step = len(parts.prefix), parts.longest
    for copy in copies:
        ids = tuple(parts.segments[copy.segment])
        reads = (*first, *(number[read] for read in copy.reads))
        block = TokenBlock(
            "segment", ids, start + copy.round * step, reads, copy.segment, copy.round
        )
        blocks.append(block)
    blocks += _ending(parts.question, start + (copies[-1].round + 1) * step, len(blocks))
    if plan.mode in ORDERED:
        blocks = list(_one_after_another(blocks))
    return TokenLayout(plan.mode, edges, tuple(blocks))


def random_orders(segments: int, count: int, rng: Random) -> list[tuple[int, ...]]:
    """Distinct orders, the given one first: `count` of them, or all."""
    found = {tuple(range(segments)): None}
    count = min(count, math.factorial(segments))
    while len(found) < count:
        found[tuple(rng.sample(range(segments), segments))] = None
    return list(found)


def _edges_of(plan: LayoutPlan, segments: int) -> tuple[Edge, ...]:
    if plan.mode == "random_edges":
        rng = Random(plan.seed)
        return tuple(drawing.draw(segments, plan.edges, rng, cycles=plan.rounds > 0))
    return plan.edges if plan.mode in ("graph", "graph_ordered") else ()


def _copies(plan: LayoutPlan, edges: Sequence[Edge], segments: int) -> list[Copy]:
    """Copies by rounds, and in each round in the given order."""
    order = plan.order or tuple(range(segments))
    if plan.mode == "sequential":
        whole = [(n, 0) for n in order]
        return [Copy(n, 0, tuple(whole[:at])) for at, n in enumerate(order)]
    if plan.mode == "full":
        every = tuple((n, 0) for n in order)
        return [*(Copy(n, 0, ()) for n in order), *(Copy(n, 1, every) for n in order)]
    sources: list[list[int]] = [[s for s, t in edges if t == n] for n in range(segments)]
    copies = _unrolled(sources, plan.rounds) if plan.rounds else _single(sources)
    return sorted(copies, key=lambda copy: (copy.round, order.index(copy.segment)))


def _single(sources: Sequence[Sequence[int]]) -> Iterator[Copy]:
    """Each segment once, in the round after the last of its sources."""
    rounds = [0] * len(sources)
    for _ in sources:
        rounds = [1 + max((rounds[s] for s in read), default=-1) for read in sources]
    for segment, read in enumerate(sources):
        yield Copy(segment, rounds[segment], tuple((s, rounds[s]) for s in read))


def _unrolled(sources: Sequence[Sequence[int]], rounds: int) -> Iterator[Copy]:
    """Sources without their own sources in round 0; targets in every later round that is needed.

    A target that is not a source is needed only in the last round.
    """
    read_by_some = {source for read in sources for source in read}
    for segment, read in enumerate(sources):
        if segment in read_by_some or not read:
            yield Copy(segment, 0, ())
        first = 1 if segment in read_by_some else rounds
        for turn in range(first, rounds + 1) if read else ():
            yield Copy(segment, turn, tuple((s, turn - 1 if sources[s] else 0) for s in read))


def _ending(question: Sequence[int], position: int, before: int) -> Iterator[TokenBlock]:
    """The question and the answer's block; both attend to all tokens before them."""
    *body, last = question
    if body:
        yield TokenBlock("question", tuple(body), position, tuple(range(before)))
    reads = tuple(range(before + bool(body)))
    yield TokenBlock("answer", (last,), position + len(body), reads)


def _one_after_another(blocks: Iterable[TokenBlock]) -> Iterator[TokenBlock]:
    held = 0
    for block in blocks:
        yield replace(block, position=held)
        held += len(block.ids)


def _joined(runs: tuple[tuple[int, int], ...], own: tuple[int, int]) -> list[tuple[int, int]]:
    """The runs followed by a row's own run, merged if adjacent."""
    if runs and runs[-1][1] == own[0]:
        return [*runs[:-1], (runs[-1][0], own[1])]
    return [*runs, own]
