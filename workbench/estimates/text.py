"""An estimate in words."""

from analysis.costs.estimate import Basis, Estimate
from workbench.estimates.selectors import RunEstimate

BASES: dict[Basis, str] = {
    "method": "earlier runs of this method on this model",
    "model": "earlier runs of other methods on this model",
    "device": "earlier runs of other models on this device",
    "calibration": "the measured speed of this device",
    "none": "the speed of an ordinary device",
}


def seconds_text(seconds: float) -> str:
    """Rounded as one would say it: under 1 s, 40 s, 12 min, 3 h."""
    if seconds < 1:
        return "under 1 s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"


def memory_text(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 / 10 else f"{size / 2**20:.0f} MiB"


def estimate_text(found: RunEstimate) -> str:
    """Duration with its interval, memory, and what they rest on."""
    cost = found.found
    loading = "" if found.warm else f", of which loading {seconds_text(cost.loading)}"
    return (
        f"about {seconds_text(cost.seconds)} ({seconds_text(cost.low)} to "
        f"{seconds_text(cost.high)}){loading}; {memory_text(cost.memory)}; by "
        f"{BASES[cost.basis]}"
    )


def cheaper_text(cost: Estimate, lacks: tuple[str, ...]) -> str:
    return f"about {seconds_text(cost.seconds)}: {', '.join(lacks)}"
