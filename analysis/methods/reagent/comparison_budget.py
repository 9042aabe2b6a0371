"""How many rows baselines and faithfulness may run, and what is left out to keep to it.

A row is one forward pass of one sequence; a gradient counts as three. What fits depends on params,
model, text and kind of device alone, so that a run can be repeated.
"""

from dataclasses import dataclass

from analysis.costs.reagent import GRADIENT_ROWS, affordable_rows
from analysis.events import Omitted
from analysis.methods.reagent.baselines import GRADIENT, INTEGRATED, OCCLUSION, ROLLOUT
from analysis.methods.reagent.faithfulness import DIRECTIONS, SOFT_DRAWS, shares
from analysis.methods.reagent.integrated_gradients import FIRST_PIECES, PIECE_STEPS
from analysis.methods.reagent.params import Params
from analysis.methods.reagent.probing import ProbeCase

OTHER_ORDERS = 2  # reversed and random
REMEDY = "Raise comparison_rows to add it; the same seed repeats the probes."


@dataclass(frozen=True)
class Comparisons:
    """What a run compares its map with; `draws` is 0 where no curves are drawn."""

    baselines: frozenset[str]
    draws: int
    soft: bool
    omitted: tuple[Omitted, ...] = ()


def planned(case: ProbeCase, params: Params) -> Comparisons:
    """All that is asked for if the rows suffice; else the cheap baselines and curves first."""
    costs = _baseline_rows(case) if params.baselines else {}
    asked = Comparisons(
        frozenset(costs), params.draws if params.faithfulness else 0, params.faithfulness
    )
    rows = params.comparison_rows or affordable_rows(
        case.model.info.parameters, case.length, case.model.device.type
    )
    return asked if _rows(case, asked) <= rows else _reduced(case, asked, costs, rows)


def _reduced(case: ProbeCase, asked: Comparisons, costs: dict[str, int], rows: int) -> Comparisons:
    kept = Comparisons(frozenset(), 0, soft=False)
    cheap = frozenset(costs) & {GRADIENT, ROLLOUT}
    steps = [Comparisons(cheap, 0, soft=False), Comparisons(cheap, min(1, asked.draws), soft=False)]
    for plan in steps:
        kept = plan if _rows(case, plan) <= rows else kept
    for name in (INTEGRATED, OCCLUSION):
        more = Comparisons(kept.baselines | {name}, kept.draws, soft=False)
        if name in costs and _rows(case, more) <= rows:
            kept = more
    while kept.draws and kept.draws < asked.draws:
        more = Comparisons(kept.baselines, kept.draws + 1, soft=False)
        if _rows(case, more) > rows:
            break
        kept = more
    with_soft = Comparisons(kept.baselines, kept.draws, soft=asked.soft)
    kept = with_soft if _rows(case, with_soft) <= rows else kept
    return Comparisons(kept.baselines, kept.draws, kept.soft, _omitted(case, asked, kept, rows))


def _omitted(
    case: ProbeCase, asked: Comparisons, kept: Comparisons, rows: int
) -> tuple[Omitted, ...]:
    """What is left out or smaller, each with the rows of the whole."""
    whole = (
        f"{_rows(case, asked):,} rows would run all comparisons; this run has {rows:,}. {REMEDY}"
    )
    left = [
        name.replace("_", " ").capitalize() for name in sorted(asked.baselines - kept.baselines)
    ]
    if asked.draws and not kept.draws:
        left.append("Faithfulness curves")
    if asked.soft and not kept.soft:
        left.append("Soft-NS and Soft-NC")
    if 0 < kept.draws < asked.draws:
        left.append(f"{asked.draws - kept.draws} of {asked.draws} draws of the faithfulness curves")
    return tuple(Omitted(analysis=name, reason=whole) for name in left)


def _rows(case: ProbeCase, plan: Comparisons) -> int:
    """Rows of a plan."""
    costs, maps = _baseline_rows(case), 1 + len(plan.baselines)
    points = len(shares(int(case.allowed(0).sum())))
    curves = plan.draws * len(DIRECTIONS) * points * (maps + OTHER_ORDERS)
    soft = 2 * SOFT_DRAWS * (1 + 2 * maps) if plan.soft else 0
    return sum(costs[name] for name in plan.baselines) + curves + soft


def _baseline_rows(case: ProbeCase) -> dict[str, int]:
    return {
        GRADIENT: GRADIENT_ROWS,
        ROLLOUT: 1,
        INTEGRATED: GRADIENT_ROWS * FIRST_PIECES * PIECE_STEPS,
        OCCLUSION: case.length,
    }
