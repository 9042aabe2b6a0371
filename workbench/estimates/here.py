"""Estimates for a run in this process, with or without a database."""

from collections.abc import Mapping
from typing import Any

from django.db import DatabaseError

from analysis.catalog.dtypes import AUTO, Dtype
from analysis.catalog.entries import Entry
from analysis.costs.estimate import measured
from analysis.method import Method
from workbench.estimates.selectors import Place, RunEstimate, place_named, run_estimate


def estimate_here(
    *, method: Method, entry: Entry, params: Mapping[str, Any], dtype: Dtype = AUTO
) -> RunEstimate | None:
    """By earlier runs on this device, if there is a database that knows some.

    Imports torch. Raises ModelUnreadable.
    """
    asked: dict[str, Any] = {
        "method": method.stem,
        "entry": entry,
        "params": params,
        "needs": method.needs,
        "dtype": dtype,
    }
    try:
        return run_estimate(**asked, place=_place(stored=True))
    except DatabaseError:
        unmeasured = measured([1.0], "calibration")
        return run_estimate(**asked, place=_place(stored=False), rates=(unmeasured, unmeasured))


def _place(*, stored: bool) -> Place:
    from analysis.model import calibration, memory

    name = calibration.device_name()
    known = place_named(name) if stored else None
    kind, size = memory.default_device(), memory.device_bytes()
    return known or Place(name, kind, size, calibration.calibrate())
