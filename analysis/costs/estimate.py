"""The time and memory of a run, from its stages and the speed of a device."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal

from analysis.workload import Device, Sizes, Speed, Stage, passes, peak_bytes, seconds

Basis = Literal["method", "model", "device", "calibration", "none"]
# Factor by which the duration may differ from the estimate, by what it is based on.
SPREAD: dict[Basis, float] = {
    "method": 1.5, "model": 2.0, "device": 2.5, "calibration": 3.0, "none": 5.0,
}  # fmt: skip
LARGEST_SPREAD = 5.0
CERTAIN = 3  # measurements after which their own spread is the interval's
LOADING_READS = 6  # how often the weights are moved until the self-check has passed
LOADING_PASSES = 40  # short passes of the self-check
LOADING_TOKENS = 16


@dataclass(frozen=True)
class Measured:
    """How much longer runs took than calculated: a factor, its spread, and what it rests on."""

    factor: float
    spread: float
    basis: Basis


@dataclass(frozen=True)
class StageEstimate:
    """A stage's share of the expected duration."""

    name: str
    rows: int
    seconds: float


@dataclass(frozen=True)
class Estimate:
    """What a run is expected to take.

    `seconds` lie between `low` and `high` in about nine of ten runs and include `loading`, the
    seconds until a cold model is ready. `memory` is the peak in bytes, weights included.
    """

    seconds: float
    low: float
    high: float
    loading: float
    memory: int
    tokens: int
    rows: int
    basis: Basis
    stages: tuple[StageEstimate, ...]


def measured(ratios: Sequence[float], basis: Basis) -> Measured:
    """The median of measured over calculated durations, with the spread of half of them."""
    logs = [math.log(ratio) for ratio in ratios]
    middle = median(logs)
    spread = SPREAD[basis]
    if len(logs) >= CERTAIN:
        own = math.exp(3 * median(abs(one - middle) for one in logs))
        spread = min(LARGEST_SPREAD, max(1.25, own))
    return Measured(math.exp(middle), spread, basis)


def calculated(stages: Sequence[Stage], sizes: Sizes, device: Device, speed: Speed) -> float:
    """Seconds of all stages, by sizes and speed alone."""
    return sum(seconds(stage, sizes, device, speed) for stage in stages)


def calculated_loading(sizes: Sizes, device: Device, speed: Speed) -> float:
    """Seconds until a model that is not loaded is ready and checked."""
    read = LOADING_READS * sizes.parameters * device.itemsize / speed.bytes
    check = Stage(
        name="loading", rows=LOADING_PASSES, tokens=LOADING_TOKENS, forwards=LOADING_PASSES
    )
    return read + seconds(check, sizes, device, speed)


def estimate(
    stages: Sequence[Stage],
    sizes: Sizes,
    device: Device,
    speed: Speed,
    *,
    run: Measured,
    loading: Measured | None,
    tokens: int,
) -> Estimate:
    """`loading`: None for a model that is loaded already."""
    each = [run.factor * seconds(stage, sizes, device, speed) for stage in stages]
    wait = loading.factor * calculated_loading(sizes, device, speed) if loading else 0.0
    low, high = _bounds(stages, sizes, device, speed, run, sum(each))
    spread = loading.spread if loading else 1.0
    return Estimate(
        seconds=sum(each) + wait,
        low=low + wait / spread,
        high=high + wait * spread,
        loading=wait,
        memory=sizes.parameters * device.itemsize
        + max((peak_bytes(stage, sizes, device) for stage in stages), default=0),
        tokens=tokens,
        rows=round(sum(stage.rows for stage in stages)),
        basis=run.basis,
        stages=_by_name(stages, each),
    )


def _bounds(
    stages: Sequence[Stage],
    sizes: Sizes,
    device: Device,
    speed: Speed,
    run: Measured,
    expected: float,
) -> tuple[float, float]:
    """The interval; as long as this method was not measured, with as few or many rows as may be."""
    low, high = expected / run.spread, expected * run.spread
    if run.basis == "method":
        return low, high
    few = [_with_rows(stage, stage.least, sizes, device) for stage in stages]
    many = [_with_rows(stage, _likely_most(stage), sizes, device) for stage in stages]
    least, most = (run.factor * calculated(part, sizes, device, speed) for part in (few, many))
    return min(low, least), max(high, most)


def _likely_most(stage: Stage) -> float | None:
    """No more than twice the expected rows: the hard limit says little where it is far away."""
    return None if stage.most is None else min(stage.most, 2 * stage.rows)


def _with_rows(stage: Stage, rows: float | None, sizes: Sizes, device: Device) -> Stage:
    if rows is None or not stage.rows:
        return stage
    share = rows / stage.rows
    forwards = max(1.0, passes(stage, sizes, device) * share)
    return replace(stage, rows=rows, forwards=forwards, calls=stage.calls * share)


def _by_name(stages: Sequence[Stage], each: Sequence[float]) -> tuple[StageEstimate, ...]:
    pairs = list(zip(stages, each, strict=True))
    return tuple(
        StageEstimate(
            name,
            round(sum(stage.rows for stage, _ in pairs if stage.name == name)),
            sum(found for stage, found in pairs if stage.name == name),
        )
        for name in dict.fromkeys(stage.name for stage in stages)
    )
