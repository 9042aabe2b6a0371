"""What a run would take, for a visitor who may start it."""

from typing import Any
from uuid import UUID

from analysis.catalog.dtypes import AUTO, Dtype
from workbench.accounts.visitor import Visitor
from workbench.estimates.selectors import RunEstimate, run_estimate
from workbench.sessions.run_start import run_check, run_place


def run_estimated(
    *,
    visitor: Visitor,
    session: UUID | None,
    method: str,
    model: str,
    params: dict[str, Any],
    dtype: Dtype = AUTO,
) -> RunEstimate | None:
    """The estimate, or None where nothing is known; nothing is started.

    Raises the errors of `run_start` but those of its queue.
    """
    run_place(visitor=visitor, session=session)
    asked = run_check(method=method, model=model, params=params)
    return run_estimate(
        method=method,
        entry=asked.entry,
        params=asked.params,
        needs=asked.method.needs,
        dtype=dtype,
    )
