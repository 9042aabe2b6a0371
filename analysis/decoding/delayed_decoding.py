"""Delayed decoding: how long a position waits after its prediction is final.

Source: arXiv 2510.07081, section on delayed decoding. Measured on a vanilla trace.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from analysis.decoding.canvas import RowStep
from analysis.decoding.delay_events import Consistency, DelayedPosition, Delays, Redundancy
from analysis.decoding.proposal import EarlyLooks, kappas, propose
from analysis.decoding.selection import doubt, nearest

CONFIDENCES = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
FARTHEST = 8  # distances from here on share a bin


@dataclass
class _Looks:
    """Predictions at one position, step by step."""

    ids: list[int] = field(default_factory=list)
    confidences: list[float] = field(default_factory=list)
    distances: list[int | None] = field(default_factory=list)

    @property
    def stable(self) -> int:
        """The first evaluation, counted from 1, from which the prediction no longer changes."""
        changed = [at for at, token in enumerate(self.ids) if token != self.ids[-1]]
        return changed[-1] + 2 if changed else 1


def delays(steps: Sequence[RowStep], *, kappa: float, eos: tuple[int, ...], trace: int) -> Delays:
    """Delays, redundancy and consistency of a row's steps; filled positions are left out."""
    looks = _looks(steps, kappa)
    ends = {at for at, seen in looks.items() if seen.ids[-1] in eos}
    without = {at: seen for at, seen in looks.items() if at not in ends}
    return Delays(
        trace=trace,
        positions=[
            DelayedPosition(
                position=at, stable=seen.stable, committed=len(seen.ids), eos=at in ends
            )
            for at, seen in sorted(looks.items())
        ],
        redundancy=_redundancy(looks),
        redundancy_without_eos=_redundancy(without),
        proposal=propose({least: _early(steps, least, ends) for least in kappas(kappa)}),
        table=_table(looks),
        table_without_eos=_table(without),
    )


def _looks(steps: Sequence[RowStep], kappa: float) -> dict[int, _Looks]:
    found: dict[int, _Looks] = {}
    for step in steps:
        seen = step.looked
        anchors = seen.positions_M[seen.doubt_M <= doubt(kappa)]
        confidence_M = seen.confidence_M
        _, distance_M = nearest(seen.positions_M, anchors)
        for place, at in enumerate(seen.positions_M.tolist()):
            one = found.setdefault(at, _Looks())
            one.ids.append(int(seen.ids_M[place]))
            one.confidences.append(float(confidence_M[place]))
            one.distances.append(min(int(distance_M[place]), FARTHEST) if len(anchors) else None)
    return found


def _redundancy(looks: dict[int, _Looks]) -> Redundancy:
    waited = sum(len(seen.ids) - seen.stable for seen in looks.values())
    total = sum(len(seen.ids) for seen in looks.values())
    return Redundancy(positions=len(looks), share=waited / total if total else 0.0)


def _early(steps: Sequence[RowStep], kappa: float, ends: set[int]) -> EarlyLooks:
    """Evaluations of positions that are text in the final output, with anchors of this κ."""
    looks = {at: seen for at, seen in _looks(steps, kappa).items() if at not in ends}
    seen = looks.values()
    return EarlyLooks(
        position_N=np.array([at for at, one in looks.items() for _ in one.ids], dtype=int),
        confidence_N=np.array([c for one in seen for c in one.confidences]),
        distance_N=np.array([-1 if d is None else d for one in seen for d in one.distances]),
        final_N=np.array([t == one.ids[-1] for one in seen for t in one.ids], dtype=bool),
    )


def _table(looks: dict[int, _Looks]) -> list[Consistency]:
    cells: dict[tuple[int, int | None], list[bool]] = {}
    for seen in looks.values():
        for token, confidence, distance in zip(
            seen.ids, seen.confidences, seen.distances, strict=True
        ):
            bucket = int(np.searchsorted(CONFIDENCES[1:-1], confidence, side="right"))
            cells.setdefault((bucket, distance), []).append(token == seen.ids[-1])
    order = sorted(cells, key=lambda cell: (cell[0], FARTHEST + 1 if cell[1] is None else cell[1]))
    return [
        Consistency(
            confidence=[CONFIDENCES[bucket], CONFIDENCES[bucket + 1]],
            distance=distance,
            looks=len(cells[bucket, distance]),
            consistent=sum(cells[bucket, distance]),
        )
        for bucket, distance in order
    ]
