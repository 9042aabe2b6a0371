"""Changes of params that make a run cheaper."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from analysis.costs.case import CostCase
from analysis.costs.estimate import Estimate

ASKS_FROM = 600.0  # seconds of a run before which a person is asked
WORTH = 0.95  # a change that saves less is not made


@dataclass(frozen=True)
class Change:
    """One parameter set to a value, and what the run then lacks, as a phrase.

    A number is lowered to the value, never raised.
    """

    name: str
    value: Any
    lacks: str

    def applied(self, params: Mapping[str, Any]) -> dict[str, Any] | None:
        """The params with the change; None: they are as cheap already."""
        now = params.get(self.name)
        number = isinstance(self.value, int) and not isinstance(self.value, bool)
        if now == self.value or (number and not (isinstance(now, int) and now > self.value)):
            return None
        return {**params, self.name: self.value}


def cheaper(
    changes: Sequence[Change],
    case: CostCase,
    estimate: Callable[[CostCase], Estimate],
    found: Estimate,
) -> tuple[dict[str, Any], tuple[str, ...], Estimate] | None:
    """Params, what they lack, and their estimate, where a run is longer than ASKS_FROM seconds.

    Changes are made one after the other, until the run is shorter than that; None if they do not
    halve it.
    """
    if found.seconds <= ASKS_FROM:
        return None
    params, lacks, now = dict(case.params), list[str](), found
    for change in changes:
        changed = change.applied(params)
        if changed is None:
            continue
        tried = estimate(replace(case, params=changed))
        if tried.seconds > WORTH * now.seconds:
            continue
        params, now = changed, tried
        lacks.append(change.lacks)
        if now.seconds <= ASKS_FROM:
            break
    return (params, tuple(lacks), now) if now.seconds <= found.seconds / 2 else None
