"""A matrix of which the strongest edges are cut, and the others estimated.

Shapes: L layers, G groups.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from scipy.stats import spearmanr

from analysis.costs.information_flow.text import affordable_cuts
from analysis.events import Event, Progress
from analysis.methods.information_flow.text.cutting import Trunk
from analysis.methods.information_flow.text.events import Estimates
from analysis.methods.information_flow.text.matrix import (
    MatrixRow,
    Pair,
    of_layer,
    row_event,
    run_pairs,
)


def affordable(trunk: Trunk) -> int | None:
    """How many edges are cut, those into the target apart; None: all of them.

    Depends on params, model, text and kind of device alone, so that a run can be repeated.
    """
    case, last = trunk.case, len(trunk.case.groups) - 1
    count = last * (last - 1) // 2
    if case.params.exact_cuts:
        return None if case.params.exact_cuts >= count else case.params.exact_cuts
    matrices = len(case.layers or range(case.model.info.layers)) if case.params.matrix_layers else 0
    tokens = (1 + matrices) * sum(_tokens(trunk, query) * query for query in range(1, last))
    return affordable_cuts(count, tokens, case.model.info.parameters, case.model.device.type)


def fill_estimated(
    trunk: Trunk,
    rows: dict[int, MatrixRow],
    estimate_GG: np.ndarray,
    count: int,
    *,
    layer: int | None = None,
) -> Iterator[Event]:
    """Yield all rows as estimated, then each again when its strongest edges are cut.

    `count` edges are cut beside those of rows that `rows` contains already, which are complete.
    """
    trunk = of_layer(trunk, layer)
    last = len(trunk.case.groups) - 1
    done = {query: replace(row, estimate=estimate_GG[query, :query].tolist())
            for query, row in rows.items()}  # fmt: skip
    for query in range(last, 0, -1):
        rows[query] = done.get(query) or _estimated(estimate_GG[query, :query])
        yield row_event(layer, query, rows[query])
    pairs = strongest(estimate_GG, [query for query in rows if query not in done], count)
    left = {query: sum(1 for other, _ in pairs if other == query) for query, _ in pairs}
    where = "" if layer is None else f" in layer {layer}"
    made = 0
    for found in run_pairs(trunk, pairs):
        for (query, key), (delta, change) in found.items():
            rows[query] = _cut(rows[query], key, delta, change)
            left[query] -= 1
        for query in dict.fromkeys(query for query, _ in found):
            if not left[query]:
                yield row_event(layer, query, rows[query])
        made += len(found)
        stage = f"cutting the strongest edges{where}"
        yield Progress(stage=stage, done=made, total=len(pairs), unit="cuts")


def strongest(estimate_GG: np.ndarray, queries: Sequence[int], count: int) -> list[Pair]:
    """The pairs of the largest |estimate|, from the last query to the first."""
    pairs = [(query, key) for query in queries for key in range(query)]
    size = np.array([abs(estimate_GG[pair]) for pair in pairs])
    chosen = np.argsort(-size, kind="stable")[:count]
    return sorted((pairs[n] for n in chosen), key=lambda pair: (-pair[0], pair[1]))


def agreement(rows: dict[int, MatrixRow]) -> Estimates | None:
    """How the estimates agree with the cuts of the same edges; None: nothing was estimated."""
    if not any(row.estimate for row in rows.values()):
        return None
    both = np.array([
        (delta, estimate)
        for row in rows.values()
        for delta, estimate, is_cut in zip(row.delta, row.estimate, row.is_cut, strict=True)
        if is_cut
    ])  # fmt: skip
    delta, estimate = both.T
    constant = np.ptp(delta) == 0 or np.ptp(estimate) == 0
    return Estimates(
        edges=sum(len(row.delta) for row in rows.values()),
        cut=len(both),
        spearman=None if constant else float(spearmanr(delta, estimate).statistic),
        largest_difference=float(np.abs(delta - estimate).max()),
    )


def _tokens(trunk: Trunk, query: int) -> int:
    """Tokens that a cut into a group computes."""
    case = trunk.case
    shared = bool(trunk.layers) and not case.zero
    return case.positions - (case.groups[query].start if shared else 0)


def _estimated(estimate_G: np.ndarray) -> MatrixRow:
    size = len(estimate_G)
    values = estimate_G.tolist()
    return MatrixRow(values, [None] * size, values, [False] * size)


def _cut(row: MatrixRow, key: int, delta: float, change: float) -> MatrixRow:
    """The row with one edge cut."""
    deltas, changes, exact = list(row.delta), list(row.change), list(row.exact)
    deltas[key], changes[key], exact[key] = delta, change, True
    return replace(row, delta=deltas, change=changes, exact=exact)
