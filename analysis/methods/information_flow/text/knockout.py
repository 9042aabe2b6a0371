"""Knockout curves: a source cut from the target in a window of layers around each layer."""

from collections.abc import Iterator
from math import exp, log

import numpy as np

from analysis.attention.edges import Cut
from analysis.events import Event, Progress
from analysis.methods.information_flow.text.case import FlowCase, label_of
from analysis.methods.information_flow.text.cutting import Trunk, run_variants
from analysis.methods.information_flow.text.events import Knockout
from analysis.methods.information_flow.text.matrix import MatrixRow
from analysis.methods.information_flow.text.positions import NamedPositions, named_positions

LARGEST_DELTA = log(np.finfo(np.float64).max / 100)


def sources_of(case: FlowCase, row: MatrixRow | None) -> list[NamedPositions]:
    """The sources given, or the groups whose cut from the target lowers it most."""
    named = named_positions(
        case.params.sources, case.context, before=case.queries.start, field="sources"
    )
    return named or strongest(case, row, case.params.curves)


def strongest(case: FlowCase, row: MatrixRow | None, count: int) -> list[NamedPositions]:
    """The groups whose cut from the target lowers its log-probability most, largest effect
    first.
    """
    assert row is not None
    order = np.argsort(row.delta, kind="stable")[:count]
    groups = [case.groups[n] for n in order]
    return [NamedPositions(label_of(case, group), tuple(group)) for group in groups]


def windows_of(layers: int, asked: int) -> list[tuple[int, int]]:
    """First and last layer of a window around each layer, clipped to the model's layers.

    As in the published code of ROME and of Geva et al.: a window of even width k includes one more
    layer before its own than after, l − k/2 to l + k/2 − 1.
    """
    width = max(asked or 2 * round((layers / 5 - 1) / 2) + 1, 1)
    before, after = width // 2, (width - 1) // 2
    return [(max(0, layer - before), min(layers - 1, layer + after)) for layer in range(layers)]


def curves(trunk: Trunk, sources: list[NamedPositions]) -> Iterator[Event]:
    """Yield one event per source."""
    case = trunk.case
    windows = windows_of(case.model.info.layers, case.params.window)
    random = case.random("knockout")
    for number, source in enumerate(sources):
        cuts = _cuts(case, source.positions, windows)
        cuts.append(Cut(tuple(case.queries), source.positions, None, case.heads))
        for _ in range(case.params.control_draws):
            others = _others(case, source.positions, random)
            cuts += _cuts(case, others, windows)
        found: list[float] = []
        for block in case.blocks(len(cuts), _length(case)):
            outcome = run_variants(trunk, [[cuts[n]] for n in block])
            found += (outcome.logprob_B - case.logprob).tolist()
            yield Progress(
                stage="cutting sources from the target",
                done=number * len(cuts) + len(found),
                total=len(sources) * len(cuts),
                unit="cuts",
            )
        yield _event(number, len(sources), source, windows, found)


def _length(case: FlowCase) -> int:
    return case.positions if case.zero else len(case.queries)


def _cuts(case: FlowCase, keys: tuple[int, ...], windows: list[tuple[int, int]]) -> list[Cut]:
    return [
        Cut(tuple(case.queries), keys, tuple(range(first, last + 1)), case.heads)
        for first, last in windows
    ]


def _others(
    case: FlowCase, positions: tuple[int, ...], random: np.random.Generator
) -> tuple[int, ...]:
    """As many random positions before the target, excluding the source's own if possible."""
    rest = [n for n in range(case.queries.start) if n not in set(positions)]
    pool = rest if len(rest) >= len(positions) else list(range(case.queries.start))
    chosen = random.choice(pool, len(positions), replace=False)
    return tuple(sorted(int(n) for n in chosen))


def _event(
    number: int,
    total: int,
    source: NamedPositions,
    windows: list[tuple[int, int]],
    found: list[float],
) -> Knockout:
    points = len(windows)
    control = np.array(found[points + 1 :]).reshape(-1, points)
    return Knockout(
        source=number,
        sources=total,
        label=source.label,
        positions=list(source.positions),
        windows=windows,
        delta_logprob=found[:points],
        percent=[percent(delta) for delta in found[:points]],
        all_layers=found[points],
        control_mean=control.mean(0).tolist(),
        control_deviation=control.std(0, ddof=1).tolist(),
    )


def percent(delta: float) -> float | None:
    """100 (p′ − p) / p of a change of log-probability."""
    return 100 * (exp(delta) - 1) if delta < LARGEST_DELTA else None
