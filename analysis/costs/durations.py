"""Which earlier runs tell how long one takes."""

from collections.abc import Sequence
from statistics import median
from typing import Protocol, runtime_checkable

from analysis.costs.estimate import Measured, measured

ModelKey = tuple[str, str, str]  # id, revision, dtype


@runtime_checkable
class Duration(Protocol):
    """A run on a device: how much longer than calculated it took."""

    @property
    def key(self) -> ModelKey: ...
    @property
    def method(self) -> str: ...
    @property
    def ratio(self) -> float: ...


def nearest(rows: Sequence[Duration], key: ModelKey, method: str) -> Measured | None:
    """By runs of this method on this model; else of others on it; else on other models.

    Of other methods, what they took is divided by what such runs take on all models. None: there
    are no runs.
    """
    if not rows:
        return None
    of_model = [row for row in rows if row.key == key]
    own = [row.ratio for row in of_model if row.method == method]
    if own:
        return measured(own, "method")
    typical = _typical(rows)
    usual = typical.get(method, median(row.ratio for row in rows))
    if of_model:
        return measured([row.ratio / typical[row.method] * usual for row in of_model], "model")
    return measured([row.ratio for row in rows if row.method == method] or [usual], "device")


def _typical(rows: Sequence[Duration]) -> dict[str, float]:
    """The median ratio of each method, on all models."""
    methods = {row.method for row in rows}
    return {m: median(row.ratio for row in rows if row.method == m) for m in methods}
