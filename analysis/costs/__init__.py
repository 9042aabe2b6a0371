"""What a run costs, told from its params and its model's files: one module per method, by its name.

Each has `stages(case)`, the forward passes of a run, and `CHEAPER`, changes of params that lower
the cost, the least missed first. Nothing here imports torch, so that the web process can ask.
"""

import importlib
import pkgutil
from types import ModuleType

from analysis.costs.case import CostCase
from analysis.costs.cheaper import Change
from analysis.workload import Stage

ROOM = frozenset({"case", "cheaper", "durations", "estimate", "outputs"})  # of no method


def known() -> frozenset[str]:
    """The methods whose cost is described."""
    return frozenset(found.name for found in pkgutil.iter_modules(__path__)) - ROOM


def stages(stem: str, case: CostCase) -> tuple[Stage, ...]:
    """The forward passes of a run; empty: the method's cost is not described."""
    found = _module(stem)
    return tuple(found.stages(case)) if found else ()


def changes(stem: str) -> tuple[Change, ...]:
    """Changes of params that make a run cheaper, in the order in which they are made."""
    return tuple(getattr(_module(stem), "CHEAPER", ()))


def _module(stem: str) -> ModuleType | None:
    return importlib.import_module(f"{__name__}.{stem}") if stem in known() else None
