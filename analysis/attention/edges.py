"""Edges of attention that are cut: named by sets of tokens, layers, heads and rows.

An edge goes from a key, which is read, to a query, which reads. A cut edge is −∞ before softmax,
so that the rest renormalises (attention knockout, Geva et al., EMNLP 2023).

Shapes: B rows, H heads, Q queries and K keys among the same N tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from analysis.errors import CutOutOfRange

BLOCKED = torch.finfo(torch.float16).min / 2  # an additive mask below this lets nothing through


@dataclass(frozen=True)
class Cut:
    """Every edge from a key to a query, in some layers, heads and rows; None stands for all.

    All are counted from 0. `rows` lets each row of a batch have cuts of its own.
    """

    queries: tuple[int, ...]
    keys: tuple[int, ...]
    layers: tuple[int, ...] | None = None
    heads: tuple[int, ...] | None = None
    rows: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Size:
    """How much there is of what a cut can name."""

    rows: int
    tokens: int
    layers: int
    heads: int


def cut_mask(cuts: Sequence[Cut], size: Size, *, first: int = 0) -> torch.Tensor:
    """True where an edge is cut, [B, H, Q, N]; B or H is 1 where no cut tells them apart.

    The queries are the tokens from `first` on.
    """
    rows = 1 if all(cut.rows is None for cut in cuts) else size.rows
    heads = 1 if all(cut.heads is None for cut in cuts) else size.heads
    cut_BHQK = torch.zeros(rows, heads, size.tokens - first, size.tokens, dtype=torch.bool)
    for cut in cuts:
        at_B, at_H = _places(cut.rows, rows), _places(cut.heads, heads)
        at_Q, at_K = _places(cut.queries, 0) - first, _places(cut.keys, 0)
        cut_BHQK[at_B[:, None, None, None], at_H[:, None, None], at_Q[:, None], at_K] = True
    return cut_BHQK


def _places(chosen: tuple[int, ...] | None, size: int) -> torch.Tensor:
    return torch.arange(size) if chosen is None else torch.tensor(chosen, dtype=torch.long)


def refuse_out_of_range(cuts: Sequence[Cut], size: Size) -> None:
    """Raise CutOutOfRange where a cut names what is not there."""
    for cut in cuts:
        named = (
            ("query", cut.queries, size.tokens),
            ("key", cut.keys, size.tokens),
            ("layer", cut.layers or (), size.layers),
            ("head", cut.heads or (), size.heads),
            ("row", cut.rows or (), size.rows),
        )
        for what, values, count in named:
            wrong = [value for value in values if not 0 <= value < count]
            if wrong:
                raise CutOutOfRange(
                    f"A cut names {what} {wrong[0]}; there are {count}, counted from 0.",
                    remedy=f"Choose a {what} from 0 to {count - 1}.",
                    field="cuts",
                )


def refuse_blind(open_BHQK: torch.Tensor, layer: int, *, first: int = 0) -> None:
    """Raise CutOutOfRange where a token is left nothing to attend to; `first`: of the queries."""
    blind_BHQ = ~open_BHQK.any(-1)
    if not bool(blind_BHQ.any()):
        return
    row, head, query = blind_BHQ.nonzero()[0].tolist()
    raise CutOutOfRange(
        f"Row {row}: the cuts leave token {first + query} nothing to attend to in layer {layer}, "
        f"head {head}.",
        remedy="Leave each token at least one key, such as itself.",
        field="cuts",
    )
