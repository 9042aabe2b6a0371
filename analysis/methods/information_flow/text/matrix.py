"""The flow matrix: each group cut from each group after it, one cut per row of a batch.

`estimated_matrix` cuts only the strongest edges of a long text.

Shapes: G groups, B rows, S positions from a block's first query on, D width.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from analysis.attention.edges import Cut
from analysis.events import Event, Progress
from analysis.methods.information_flow.text.case import FlowCase
from analysis.methods.information_flow.text.cutting import (
    CutResult,
    Trunk,
    control_masks,
    run_masks,
    run_variants,
)
from analysis.methods.information_flow.text.events import (
    Control,
    Estimates,
    Flow,
    FlowCut,
    FlowRow,
)
from analysis.precision import exact

SHOWN = 10  # number of largest effects reported
PACKED = 48  # sufficient rows for one forward pass
Pair = tuple[int, int]  # the query group, the key group


@dataclass(frozen=True)
class MatrixRow:
    """One row of the matrix: an entry per earlier group.

    `estimate` and `exact` are empty where every edge is cut; else `delta` is the estimate of an
    edge that is not, and its `change` is None.
    """

    delta: list[float]
    change: Sequence[float | None]
    estimate: list[float] = field(default_factory=list)
    exact: list[bool] = field(default_factory=list)

    @property
    def is_cut(self) -> list[bool]:
        return self.exact or [True] * len(self.delta)


def target_row(trunk: Trunk) -> MatrixRow:
    """The effect of cutting each group from the target's group, in the matrix's layers and
    heads.
    """
    last = len(trunk.case.groups) - 1
    delta, change = np.zeros(last), np.zeros(last)
    for block, outcome in _run(trunk, [(last, key) for key in range(last)]):
        _fill(trunk, block, outcome, {last: (delta, change)})
    return MatrixRow(delta.tolist(), change.tolist())


def fill_matrix(
    trunk: Trunk, rows: dict[int, MatrixRow], *, layer: int | None = None
) -> Iterator[Event]:
    """Yield every row from the last to the first and add it to `rows`, which may contain some.

    `layer` is the only layer with the cut; by default, those of the case.
    """
    trunk = of_layer(trunk, layer)
    case = trunk.case
    where = "" if layer is None else f" in layer {layer}"
    last = len(case.groups) - 1
    pairs = [(query, key) for query in range(last, 0, -1) for key in range(query)]
    if last in rows:
        yield row_event(layer, last, rows[last])
        pairs = pairs[last:]
    arrays = {query: (np.zeros(query), np.zeros(query)) for query, _ in pairs}
    done, total = last * (last + 1) // 2 - len(pairs), last * (last + 1) // 2
    left = {query: query for query in arrays}
    for block, outcome in _run(trunk, pairs):
        _fill(trunk, block, outcome, arrays)
        for query, _ in block:
            left[query] -= 1
        for query in dict.fromkeys(query for query, _ in block):
            if not left[query]:
                delta, change = arrays[query]
                rows[query] = MatrixRow(delta.tolist(), change.tolist())
                yield row_event(layer, query, rows[query])
        done += len(block)
        stage = f"cutting each group from each{where}"
        yield Progress(stage=stage, done=done, total=total, unit="cuts")


def flow_event(
    trunk: Trunk, rows: dict[int, MatrixRow], estimates: Estimates | None = None
) -> Flow:
    """The largest effects of cuts, with random cuts of the size of the first as control."""
    case = trunk.case
    cuts = [
        FlowCut(query=query, key=key, delta_logprob=delta)
        for query, row in rows.items()
        for key, (delta, is_cut) in enumerate(zip(row.delta, row.is_cut, strict=True))
        if is_cut
    ]
    strongest = sorted(cuts, key=lambda cut: cut.delta_logprob)[:SHOWN]
    query, key = strongest[0].query, strongest[0].key
    count = len(case.groups[query]) * len(case.groups[key])
    return Flow(
        strongest=strongest,
        control_edges=count,
        control=control(trunk, [count], [_cut(case, (query, key))], "matrix"),
        estimates=estimates,
    )


def of_layer(trunk: Trunk, layer: int | None) -> Trunk:
    """The trunk of a matrix whose cuts are in one layer alone, if it is given."""
    return trunk if layer is None else replace(trunk, case=replace(trunk.case, layers=(layer,)))


def control(trunk: Trunk, counts: Sequence[int], where: Sequence[Cut], name: str) -> Control:
    """Random cuts: `counts[n]` edges in the layers and heads of `where[n]`, cut together."""
    case = trunk.case
    draws = case.params.control_draws
    masks = control_masks(case, counts, where, draws, name)
    found = []
    for block in case.blocks(draws, case.positions):
        part = [mask if mask is None else mask[block.start : block.stop] for mask in masks]
        found += (run_masks(trunk, part, len(block), first=0).logprob_B - case.logprob).tolist()
    return Control(draws=found, mean=float(np.mean(found)), deviation=float(np.std(found, ddof=1)))


def run_pairs(trunk: Trunk, pairs: Sequence[Pair]) -> Iterator[dict[Pair, tuple[float, float]]]:
    """Change of the target's log-probability and of the state for each pair, in blocks."""
    for block, outcome in _run(trunk, pairs):
        yield {pair: _effects(trunk, outcome, row, pair) for row, pair in enumerate(block)}


def _run(trunk: Trunk, pairs: Sequence[Pair]) -> Iterator[tuple[list[Pair], CutResult]]:
    """The pairs in blocks, in order; the rows of a block start at its earliest query."""
    case = trunk.case
    at = 0
    while at < len(pairs):
        block = pairs[at : at + _size(case, pairs, at)]
        yield list(block), run_variants(trunk, [[_cut(case, pair)] for pair in block])
        at += len(block)


def _size(case: FlowCase, pairs: Sequence[Pair], at: int) -> int:
    """Rows of the next block: those of one query, and of further queries while there are few."""
    first = case.groups[pairs[at][0]].start
    length = case.positions if case.zero else case.positions - first
    limit = len(next(case.blocks(len(pairs) - at, length)))
    same = sum(1 for query, _ in pairs[at:] if query == pairs[at][0])
    return min(limit, max(same, PACKED))


def _cut(case: FlowCase, pair: Pair) -> Cut:
    query, key = (tuple(case.groups[group]) for group in pair)
    return Cut(query, key, case.layers, case.heads)


def _fill(
    trunk: Trunk,
    block: list[Pair],
    outcome: CutResult,
    arrays: dict[int, tuple[np.ndarray, np.ndarray]],
) -> None:
    for row, (query, key) in enumerate(block):
        delta, change = arrays[query]
        delta[key], change[key] = _effects(trunk, outcome, row, (query, key))


def _effects(trunk: Trunk, outcome: CutResult, row: int, pair: Pair) -> tuple[float, float]:
    """Change of the target's log-probability, and of the query group's final states."""
    group = trunk.case.groups[pair[0]]
    states_SD = outcome.states_BSD[row, group.start - outcome.first :][: len(group)]
    change = state_change(trunk.states_ND[group.start : group.stop], states_SD)
    return float(outcome.logprob_B[row]) - trunk.case.logprob, change


def state_change(before_SD: torch.Tensor, after_SD: torch.Tensor) -> float:
    """1 − cosine, mean over tokens, computed in float64; never below 0."""
    cosine_S = torch.cosine_similarity(exact(before_SD), exact(after_SD), dim=-1)
    return max(0.0, float((1 - cosine_S).mean()))


def row_event(layer: int | None, query: int, row: MatrixRow) -> FlowRow:
    return FlowRow(
        layer=layer,
        row=query,
        delta_logprob=row.delta,
        state_change=list(row.change),
        estimate=row.estimate,
        exact=row.is_cut if row.estimate else [],
    )
