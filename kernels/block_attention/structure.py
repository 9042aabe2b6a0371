"""Which segments of a sequence attend to which, without an N × N mask.

Shape legend: S segments, E edges, P parts, N tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


class StructureInvalid(ValueError):
    """Segments and edges are inconsistent, or tensors do not match them."""


class Parts(NamedTuple):
    """The attended parts: int64 [P], [P] and [P + 1].

    In part p the tokens of segment `query[p]` attend to segment `key[p]`, in full, or causally if
    both are the same. The parts of a segment are adjacent, its own is the last. Values per part
    and query token are stored in one row: those of part p at `offsets[p]:offsets[p + 1]`, in the
    order of the tokens.
    """

    query: Integers
    key: Integers
    offsets: Integers


class Rows(NamedTuple):
    """Tokens `start` to `stop` attend to the same runs, (start, stop) each, ascending; if `inside`,
    also causally to themselves."""

    start: int
    stop: int
    inside: bool
    runs: tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class BlockStructure:
    """S contiguous segments and the edges between them.

    A token of segment s attends to all tokens of the segments `reads[starts[s]:starts[s + 1]]`, in
    any position, and, if `inside[s]`, to its own segment up to itself; to nothing else.

    bounds: int64 [S + 1], the first token of each segment, then the number of tokens.
    starts: int64 [S + 1], the first edge of each segment, then the number of edges.
    reads: int64 [E], the attended segments, ascending per segment, never the segment itself.
    inside: bool [S].
    """

    bounds: Integers
    starts: Integers
    reads: Integers
    inside: Booleans

    @classmethod
    def of(
        cls,
        lengths: Sequence[int],
        reads: Sequence[Sequence[int]],
        inside: Sequence[bool] | None = None,
    ) -> Self:
        """From the length of each segment and the segments it attends to, in any order.

        Without `inside` every segment attends causally to itself. Raise StructureInvalid.
        """
        inside = [True] * len(lengths) if inside is None else inside
        if not len(lengths) == len(reads) == len(inside):
            raise StructureInvalid(
                f"there are {len(lengths)} lengths, {len(reads)} lists of segments read and "
                f"{len(inside)} values of inside; give one of each for every segment"
            )
        ordered = [sorted(read) for read in reads]
        return cls(
            bounds=_running_sums(lengths),
            starts=_running_sums([len(read) for read in ordered]),
            reads=np.array([key for read in ordered for key in read], np.int64),
            inside=np.array(inside, np.bool_),
        )

    @classmethod
    def causal(cls, tokens: int) -> Self:
        """One segment: ordinary causal attention."""
        return cls.of([tokens], [[]])

    def __post_init__(self) -> None:
        if len(self.bounds) < 2:
            raise StructureInvalid("there are no segments; give at least one")
        if (empty := np.flatnonzero(np.diff(self.bounds) < 1)).size:
            raise StructureInvalid(f"segment {empty[0]} has no token; leave it out")
        query = np.repeat(np.arange(self.segments), np.diff(self.starts))
        if (far := np.flatnonzero((self.reads < 0) | (self.reads >= self.segments))).size:
            raise StructureInvalid(
                f"segment {query[far[0]]} reads segment {self.reads[far[0]]}; "
                f"segments are 0 to {self.segments - 1}"
            )
        if (own := np.flatnonzero(self.reads == query)).size:
            raise StructureInvalid(
                f"segment {query[own[0]]} reads itself as a whole; inside a segment reading is "
                "causal (inside) or not at all"
            )
        same = (np.diff(self.reads) <= 0) & (np.diff(query) == 0)
        if (twice := np.flatnonzero(same)).size:
            raise StructureInvalid(
                f"segment {query[twice[0]]} reads segment {self.reads[twice[0] + 1]} twice or out "
                "of order; name each once, ascending"
            )
        for array in (self.bounds, self.starts, self.reads, self.inside):
            array.setflags(write=False)  # tables made from them are kept

    @property
    def tokens(self) -> int:
        return int(self.bounds[-1])

    @property
    def segments(self) -> int:
        return len(self.bounds) - 1

    @property
    def lengths(self) -> Integers:
        return np.diff(self.bounds)

    @cached_property
    def area(self) -> int:
        """Number of (query, key) pairs; N (N + 1) / 2 for causal attention."""
        lengths, query = self.lengths, np.repeat(np.arange(self.segments), np.diff(self.starts))
        own = (lengths * (lengths + 1) // 2)[self.inside]
        return int(own.sum() + (lengths[query] * lengths[self.reads]).sum())

    @cached_property
    def adjacency(self) -> Booleans:
        """Bool [S, S]: segment s attends to segment t in full."""
        edges_SS = np.zeros((self.segments, self.segments), np.bool_)
        edges_SS[np.repeat(np.arange(self.segments), np.diff(self.starts)), self.reads] = True
        return edges_SS

    def read_by(self, segment: int) -> Integers:
        """The segments that `segment` attends to in full, ascending."""
        return self.reads[self.starts[segment] : self.starts[segment + 1]]

    @cached_property
    def parts(self) -> Parts:
        every = np.arange(self.segments)
        query = np.concatenate([np.repeat(every, np.diff(self.starts)), every[self.inside]])
        key = np.concatenate([self.reads, every[self.inside]])
        order = np.argsort(query, kind="stable")  # own segments come last
        query, key = query[order], key[order]
        return Parts(query, key, _running_sums(self.lengths[query]))

    @cached_property
    def rows(self) -> tuple[Rows, ...]:
        """The fewest pieces whose tokens attend to the same keys, with adjacent runs merged."""
        found: list[Rows] = []
        first = 0
        for segment in range(1, self.segments + 1):
            if segment == self.segments or not self._continues(first, segment):
                found.append(self._piece(first, segment))
                first = segment
        return tuple(found)

    @cached_property
    def segment_rows(self) -> tuple[Rows, ...]:
        """One piece per segment, one run per attended segment."""
        spans = [(int(a), int(b)) for a, b in pairwise(self.bounds)]
        return tuple(
            Rows(start, stop, bool(inside), tuple(spans[key] for key in self.read_by(segment)))
            for segment, ((start, stop), inside) in enumerate(zip(spans, self.inside, strict=True))
        )

    def mask(self, device: torch.device | str = "cpu") -> Tensor:
        """Bool [N, N]: token i attends to token j. For the reference and for inspection."""
        mask_NN = np.zeros((self.tokens, self.tokens), np.bool_)
        for query, key in zip(self.parts.query, self.parts.key, strict=True):
            here, there = self._slice(query), self._slice(key)
            mask_NN[here, there] = True if query != key else np.tri(*[self.lengths[key]] * 2)
        return torch.from_numpy(mask_NN).to(device)

    def check(self, query_BHND: Tensor, key_BGND: Tensor, value_BGND: Tensor) -> None:
        """Raise StructureInvalid if the shapes of the tensors do not match this structure."""
        if query_BHND.ndim != 4 or key_BGND.ndim != 4 or key_BGND.shape != value_BGND.shape:
            raise StructureInvalid(
                f"query, key and value are {_shapes(query_BHND, key_BGND, value_BGND)}; they are "
                "[batch, heads, tokens, width], and keys and values of one shape"
            )
        batch, heads, tokens, width = query_BHND.shape
        if key_BGND.shape != (batch, key_BGND.shape[1], tokens, width) or heads % key_BGND.shape[1]:
            raise StructureInvalid(
                f"query and key are {_shapes(query_BHND, key_BGND)}; all but the heads must be "
                "the same, and the heads of the query a multiple of the key's"
            )
        if tokens != self.tokens:
            raise StructureInvalid(f"there are {tokens} tokens, but the segments are {self.tokens}")

    def _slice(self, segment: int) -> slice:
        return slice(int(self.bounds[segment]), int(self.bounds[segment + 1]))

    def _continues(self, first: int, segment: int) -> bool:
        """Whether `segment` attends to the same keys as a continuation of `first` would."""
        if not (self.inside[first] and self.inside[segment]):
            return False
        before = np.union1d(self.read_by(first), np.arange(first, segment))
        return np.array_equal(self.read_by(segment), before)

    def _piece(self, first: int, end: int) -> Rows:
        read = self.read_by(first)
        breaks = np.flatnonzero(np.diff(read) > 1) + 1
        runs = [run for run in np.split(read, breaks) if run.size]
        return Rows(
            start=int(self.bounds[first]),
            stop=int(self.bounds[end]),
            inside=bool(self.inside[first]),
            runs=tuple((int(self.bounds[run[0]]), int(self.bounds[run[-1] + 1])) for run in runs),
        )


def _running_sums(counts: Sequence[int] | Integers) -> Integers:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _shapes(*tensors: Tensor) -> str:
    return ", ".join(str(list(tensor.shape)) for tensor in tensors)
