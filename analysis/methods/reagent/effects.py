"""Effects of replaced tokens from independent probes, run in blocks and estimated after each.

Shape legend as in `methods/reagent.py`: K probes, N positions, C columns (positions, words,
sentences), R rows (the target first, then each output token).
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from analysis.methods.reagent.estimators import Moments, is_precise
from analysis.methods.reagent.least_squares import Effects, Fit, NotFitted, interval_factor
from analysis.methods.reagent.probing import (
    PROBES,
    Maps,
    ProbeCase,
    Snapshots,
    base_measures,
    column_starts,
    columns,
    logprobs,
    row_measures,
)

FIRST_BLOCK = 16  # probes before the first map
EARLIEST_STOP = 128  # minimum probes before an interval may stop the run
STRETCH = 4096  # probes per event


@dataclass(frozen=True)
class ProbeRecord:
    """K probes: the replaced positions, their replacements, and the measures.

    `measure_KR` is the measure of each row on the replaced context; D = base − measure.
    """

    start: int
    masks_KN: Bool[np.ndarray, "K N"]
    ids_KN: Int[np.ndarray, "K N"]
    measure_KR: Float[np.ndarray, "K R"]


def block_ends(budget: int) -> Iterator[int]:
    """Probe counts after which maps are shown: dense at first, about sixty at most.

    Each estimate uses all previous probes: growing steps limit the total to nine times the last
    estimate.
    """
    done = 0
    while done < budget:
        grown = done * 2 if done else FIRST_BLOCK
        step = max(64, budget // 64, done // 8)
        done = min(budget, grown, done + step if done else grown)
        yield done


def estimated_maps(
    case: ProbeCase, budget: int, *, estimator: str, precision: float | None
) -> Iterator[int | Maps | ProbeRecord]:
    """Yield the number of probes run, maps after each block, and finally the probes.

    The last maps are final: the budget is spent, or, given a `precision`, the simultaneous bands of
    the target are within that share of its largest score or separate its top set.
    """
    stream = case.stream(PROBES)
    base = base_measures(case)
    probes = _Probes(case, base, fitted=estimator != "centred")
    snapshots = Snapshots(case, base)
    for end in block_ends(budget):
        for size in _split(end - probes.count, case.chunk()):
            uniform = stream.random((size, 2, case.length))
            masks = (uniform[:, 0] < case.rate) & case.replaceable_N
            probes.add(masks, case.replaced(masks, uniform[:, 1]))
            yield probes.count
        maps = yield from _estimate(snapshots, probes, estimator, final=end == budget)
        if precision is not None and end >= EARLIEST_STOP and maps.estimator == estimator:
            maps = replace(maps, final=maps.final or _may_stop(case, maps, precision))
        yield maps
        if maps.final:
            yield from probes.records()
            return


def _may_stop(case: ProbeCase, maps: Maps, precision: float) -> bool:
    factor, allowed = maps.joint_R[0], case.allowed(0)
    if not allowed.any():
        return True
    narrow = is_precise(maps.mean[0, allowed], maps.error[0, allowed], factor, precision)
    return narrow or maps.separated[0]


def _estimate(
    snapshots: Snapshots, probes: "_Probes", estimator: str, *, final: bool
) -> Generator[int, None, Maps]:
    """Maps from independent probes, with the widths of their 95 % intervals."""
    case = snapshots.case
    used, (mean_RC, error_RC) = yield from probes.effects(estimator)
    fitted = int(case.replaceable_N.sum()) if used == "least_squares" else 0
    joint_R = tuple(
        interval_factor(probes.count, fitted, int(allowed.sum())) for allowed in snapshots.allowed
    )
    maps = snapshots.take(mean_RC, error_RC, probes.count, final=final, factor_R=joint_R)
    single = interval_factor(probes.count, fitted)
    return replace(maps, estimator=used, single=single, joint_R=joint_R)


class _Probes:
    """The probes run so far, with the sums for both estimators."""

    def __init__(self, case: ProbeCase, base_R: np.ndarray, *, fitted: bool) -> None:
        self.case, self.base, self.count = case, base_R, 0
        self.moments = Moments(sum(map(len, column_starts(case))), len(base_R), case.rate)
        self.fit = Fit(case.replaceable_N, len(base_R)) if fitted else None
        self.parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def add(self, masks_KN: np.ndarray, ids_KN: np.ndarray) -> None:
        """Run contexts with replaced positions."""
        measure_KR = row_measures(self.case, *logprobs(self.case, ids_KN))
        self.moments.add(columns(self.case, masks_KN), self.base - measure_KR)
        if self.fit is not None:
            self.fit.add(masks_KN, self.base - measure_KR)
        self.parts.append((masks_KN, ids_KN.astype(np.int32), measure_KR))
        self.count += len(masks_KN)

    def effects(self, estimator: str) -> Generator[int, None, tuple[str, Effects]]:
        """The estimator used, effects and standard errors; centred while a fit has too few probes.

        Yields the number of probes run, between blocks of work.
        """
        fit = self.fit
        if fit is None or not fit.is_ready:
            return "centred", self.moments.effects()
        masks_KN = np.concatenate([part[0] for part in self.parts])
        falls_KR = self.base - np.concatenate([part[2] for part in self.parts])
        try:
            return estimator, (yield from fit.effects(masks_KN, falls_KR, column_starts(self.case)))
        except NotFitted:
            return "centred", self.moments.effects()

    def records(self) -> Iterator[ProbeRecord]:
        masks_KN, ids_KN, measure_KR = (
            np.concatenate(kind) for kind in zip(*self.parts, strict=True)
        )
        for at in range(0, self.count, STRETCH):
            own = slice(at, at + STRETCH)
            yield ProbeRecord(at, masks_KN[own], ids_KN[own], measure_KR[own])


def _split(count: int, size: int) -> Iterator[int]:
    while count > 0:
        yield min(count, size)
        count -= size
