"""Time and memory of a run before it starts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import redis

from analysis import costs
from analysis.catalog.dtypes import AUTO, Dtype
from analysis.catalog.entries import Entry
from analysis.costs.case import CostCase, case_of
from analysis.costs.cheaper import cheaper
from analysis.costs.durations import nearest
from analysis.costs.estimate import Estimate, Measured, estimate, measured
from analysis.workload import ORDINARY, Device, Speed
from workbench.estimates.models import DeviceSpeed, Duration
from workbench.runs import flags

MOST_ROWS = 2000  # durations looked at
LOADING = ""
Rates = tuple[Measured, Measured]  # of the method, of loading
ASSUMED_MEMORY = 8 * 2**30  # of a device that was never measured


@dataclass(frozen=True)
class Place:
    """Where a run would run: the device, its speed, and the models that its worker holds."""

    name: str
    kind: str
    memory: int
    speed: Speed
    loaded: frozenset[str] = frozenset()

    def device(self, itemsize: int) -> Device:
        return Device(self.kind, self.memory, itemsize)

    @property
    def is_measured(self) -> bool:
        return bool(self.name)


@dataclass(frozen=True)
class RunEstimate:
    """An estimate, the place that it is for, and a cheaper variant if the run is long."""

    place: Place
    warm: bool
    found: Estimate
    cheaper: "CheaperRun | None" = None


@dataclass(frozen=True)
class CheaperRun:
    """Params that cost less, what the run then lacks, and its estimate."""

    params: dict[str, Any]
    lacks: tuple[str, ...]
    found: Estimate


def place_now(*, model: str = "") -> Place:
    """A live worker's device, first of one that holds a model whose name begins with `model`; else
    the last measured.
    """
    states = _workers()
    states.sort(key=lambda state: not any(n.startswith(model) for n in state.get("models", ())))
    for state in states:
        row = DeviceSpeed.objects.filter(name=state.get("device_name") or "").first()
        if row:
            return _place(row, state.get("models", ()))
    row = DeviceSpeed.objects.order_by("-at").first()
    return _place(row, ()) if row else Place("", "cpu", ASSUMED_MEMORY, ORDINARY["cpu"])


def place_named(name: str) -> Place | None:
    """The device of that name, if it was measured."""
    row = DeviceSpeed.objects.filter(name=name).first()
    return _place(row, ()) if row else None


def _place(row: DeviceSpeed, models: Iterable[str]) -> Place:
    speed = Speed(row.operations, row.bytes, row.calls)
    return Place(row.name, row.kind, row.memory, speed, frozenset(models))


def _workers() -> list[dict[str, Any]]:
    try:
        return flags.worker_list()
    except redis.RedisError:
        return []


def run_estimate(
    *,
    method: str,
    entry: Entry,
    params: Mapping[str, Any],
    needs: Iterable[str],
    place: Place | None = None,
    rates: Rates | None = None,
    dtype: Dtype = AUTO,
) -> RunEstimate | None:
    """None: the model's files are not here, or the method's cost is not described.

    `place` and `rates`, if not those of a worker and of its earlier runs. Raises ModelUnreadable.
    """
    if entry.path is None or method not in costs.known():
        return None
    place = place or place_now(model=f"{entry.id}@{entry.revision} ")
    case = case_of(entry, params, tuple(needs), kind=place.kind, memory=place.memory, dtype=dtype)
    rates = rates or rates_of(place, case, entry=entry, method=method)
    warm = case.loaded_name in place.loaded
    found = _estimate(method, case, place, rates, warm=warm)
    return RunEstimate(place, warm, found, _cheaper(method, case, place, rates, found, warm=warm))


def _estimate(method: str, case: CostCase, place: Place, rates: Rates, *, warm: bool) -> Estimate:
    run, loading = rates
    return estimate(
        costs.stages(method, case),
        case.model,
        case.device,
        place.speed,
        run=run,
        loading=None if warm else loading,
        tokens=case.tokens,
    )


def _cheaper(
    method: str,
    case: CostCase,
    place: Place,
    rates: Rates,
    found: Estimate,
    *,
    warm: bool,
) -> CheaperRun | None:
    variant = cheaper(
        costs.changes(method),
        case,
        lambda changed: _estimate(method, changed, place, rates, warm=warm),
        found,
    )
    return CheaperRun(*variant) if variant else None


def rates_of(place: Place, case: CostCase, *, entry: Entry, method: str) -> Rates:
    """How much longer runs of the method, and loading, take than calculated."""
    key = (entry.id, entry.revision or "", case.dtype)
    unmeasured = measured([1.0], "calibration" if place.is_measured else "none")
    rows = list(Duration.objects.filter(device=place.name).order_by("-at", "-id")[:MOST_ROWS])
    runs = [row for row in rows if row.method != LOADING]
    loads = [row for row in rows if row.method == LOADING]
    run = nearest(runs, key, method) or unmeasured
    own = [row.ratio for row in loads if row.key == key]
    others = [row.ratio for row in loads]
    loading = measured(own, "method") if own else measured(others, "device") if others else None
    return run, loading or unmeasured
