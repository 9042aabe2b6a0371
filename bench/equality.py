"""Whether two samples of attribution runs come from one process: permutation tests.

Shape legend: S seeds, T output tokens, P probes, N positions.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

PERMUTATIONS = 999


@dataclass(frozen=True)
class PassRun:
    """One run of the paper's form.

    `maps`: per output token the importance of the tokens before it. `steps`: per output token,
    per probe, the step at which it stopped. `cpu_seconds` of this run alone.
    """

    case: int
    seed: int
    maps: list[np.ndarray]
    steps: list[np.ndarray]
    cpu_seconds: float
    forwards: int
    rows: int


Statistic = Callable[[list[PassRun], list[PassRun]], float]


def map_distance(a: list[PassRun], b: list[PassRun]) -> float:
    """Total variation between the mean maps, summed over output tokens."""
    return sum(
        0.5 * float(np.abs(mean_map(a, t) - mean_map(b, t)).sum()) for t in range(len(a[0].maps))
    )


def step_distance(a: list[PassRun], b: list[PassRun]) -> float:
    """Largest difference of the stopping steps' distribution functions, summed over tokens."""
    return sum(_largest_gap(_steps(a, t), _steps(b, t)) for t in range(len(a[0].steps)))


def p_value(ours: list[PassRun], theirs: list[PassRun], statistic: Statistic) -> float:
    """Share of random relabellings of whole runs, within each case, at least as far apart."""
    rng = np.random.default_rng(0)
    cases = [
        ([r for r in ours if r.case == case], [r for r in theirs if r.case == case])
        for case in sorted({run.case for run in ours})
    ]
    observed = sum(statistic(a, b) for a, b in cases)
    farther = sum(
        sum(statistic(*_relabelled(a, b, rng)) for a, b in cases) >= observed - 1e-12
        for _ in range(PERMUTATIONS)
    )
    return (farther + 1) / (PERMUTATIONS + 1)


def shifted(runs: list[PassRun]) -> list[PassRun]:
    """The runs with every map shifted by one token, which `map_distance` must detect."""
    return [replace(run, maps=[np.roll(scores, 1) for scores in run.maps]) for run in runs]


def longer(runs: list[PassRun]) -> list[PassRun]:
    """The runs with 1.5 times as many steps, which `step_distance` must detect."""
    return [replace(run, steps=[np.ceil(1.5 * steps) for steps in run.steps]) for run in runs]


def mean_map(runs: list[PassRun], t: int) -> np.ndarray:
    """Mean over runs of the map of output token t."""
    mean: np.ndarray = np.mean([run.maps[t] for run in runs], axis=0)
    return mean


def _relabelled(
    a: list[PassRun], b: list[PassRun], rng: np.random.Generator
) -> tuple[list[PassRun], list[PassRun]]:
    pooled = [*a, *b]
    order = rng.permutation(len(pooled))
    return [pooled[i] for i in order[: len(a)]], [pooled[i] for i in order[len(a) :]]


def _steps(runs: list[PassRun], t: int) -> np.ndarray:
    return np.concatenate([run.steps[t] for run in runs])


def _largest_gap(a: np.ndarray, b: np.ndarray) -> float:
    at = np.concatenate([a, b])
    below = [np.searchsorted(np.sort(x), at, side="right") / len(x) for x in (a, b)]
    return float(np.abs(below[0] - below[1]).max())
