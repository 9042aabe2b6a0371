"""What LocalLeap costs: one pass over the whole canvas per step, of each decoder."""

from collections.abc import Iterator
from math import ceil

from analysis.costs.case import CostCase
from analysis.costs.cheaper import Change
from analysis.workload import Stage

DECODERS = (
    "local_leap", "vanilla", "fixed", "threshold", "factor", "entropy_bound", "klass",
)  # fmt: skip
PARALLEL = 0.3  # steps per token of the decoders whose steps depend on the model, about

CHEAPER = (
    Change("with_vanilla", value=False, lacks="no comparison with one token per step"),
    Change("with_klass", value=False, lacks="no comparison with KLASS"),
    Change("with_fixed", value=False, lacks="no comparison with a fixed number of tokens"),
    Change("with_entropy_bound", value=False, lacks="no comparison with an entropy bound"),
    Change("with_factor", value=False, lacks="no comparison with a factor"),
    Change("with_threshold", value=False, lacks="no comparison with a threshold"),
)


def stages(case: CostCase) -> Iterator[Stage]:
    """One per decoder."""
    length = case["canvas_length"]
    tokens, block = case.prompt_tokens + length, min(case["block"], length)
    for decoder in DECODERS:
        if decoder != case["decoder"] and not case[f"with_{decoder}"]:
            continue
        steps, least, most = _steps(case, decoder, length, block)
        cached = case["cache"] != "none"
        yield Stage(
            name=decoder,
            rows=steps,
            least=least,
            most=most,
            tokens=block if cached else tokens,
            past=tokens - block if cached else 0,
            kept=block / 2,
            forwards=steps,
            calls=500 * steps,
        )


def _steps(
    case: CostCase, decoder: str, length: int, block: int
) -> tuple[float, float | None, float | None]:
    """Expected, fewest and most steps; the last two are None where they are certain."""
    if decoder == "vanilla":
        least = length / block if case["eos_fill"] else None
        return length, least, None
    if decoder == "fixed":
        return length // block * ceil(block / case["fixed_k"]), None, None
    return max(PARALLEL * length, length / block), length / block, length
