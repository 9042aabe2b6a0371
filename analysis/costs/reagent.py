"""What ReAGent costs: probes, the maps of other methods, and the tests of all maps."""

from collections.abc import Iterator
from math import ceil

from analysis.costs.case import CostCase
from analysis.costs.cheaper import Change
from analysis.costs.outputs import output_tokens, read_context
from analysis.workload import Stage

EARLIEST_STOP = 128  # probes before an interval may stop the run
POINTS = 11  # of a faithfulness curve
SOFT_DRAWS = 32
PATH = (64, 4096)  # gradients of integrated gradients: at least, at most
PATH_ROWS = 96  # about
PREDICTED = 64  # positions whose replacements are predicted per pass
OTHER_MAPS = 4
PAPER_STEPS = 8  # of a probe of the paper's estimator until it stops, about
# Floating-point operations of the comparisons of one run: some minutes on a CPU.
COMPARISON_OPERATIONS = {"cpu": 2e13, "cuda": 2e16}
GRADIENT_ROWS = 3  # a forward and a backward pass

CHEAPER = (
    Change("faithfulness", value=False, lacks="no faithfulness curves and soft scores"),
    Change("baselines", value=False, lacks="no maps of other methods"),
    Change("probes", value=128, lacks="at most 128 probes, so wider bands"),
    Change("paper_max_steps", value=100, lacks="at most 100 steps per probe"),
    Change("max_new_tokens", value=8, lacks="an output of at most 8 tokens"),
)


def stages(case: CostCase) -> Iterator[Stage]:
    """In the order of the run, named as in its Cost event."""
    outputs = output_tokens(case)
    tokens = case.prompt_tokens + outputs - 1
    yield from read_context(case)
    yield from _replacer(case, tokens, outputs)
    yield from _probes(case, tokens, outputs)
    yield from _comparisons(case, tokens, outputs)


def _replacer(case: CostCase, tokens: int, outputs: int) -> Iterator[Stage]:
    name = "replacer"
    yield Stage(name=name, rows=1, tokens=tokens, kept=outputs, forwards=1)
    if case["replacer"] == "same_model":
        count = ceil(tokens / PREDICTED)
        yield Stage(name=name, rows=count, tokens=tokens / 2, kept=PREDICTED, forwards=count)
    elif case["replacer"] == "masked_lm":
        yield Stage(name=name, rows=tokens + 1, tokens=tokens, kept=tokens, forwards=tokens + 1)


def _probes(case: CostCase, tokens: int, outputs: int) -> Iterator[Stage]:
    if case["estimator"] == "paper":
        steps, rows = min(PAPER_STEPS, case["paper_max_steps"]), case["paper_probes"]
        each = 1 + outputs  # an update, and a test of each output token
        yield Stage(
            name="probes",
            rows=1 + rows * steps * each,
            least=1 + rows * each,
            most=1 + rows * case["paper_max_steps"] * each,
            tokens=tokens,
            kept=1,
            limit=16,
        )
        return
    most = case["probes"]
    least = min(EARLIEST_STOP, most) if case["stop_early"] else most
    yield Stage(
        name="probes",
        rows=1 + (most + least) / 2,
        least=1 + least,
        most=1 + most,
        tokens=tokens,
        kept=outputs,
        limit=case["rows_per_forward"],
        calls=30 * most,
    )


def _comparisons(case: CostCase, tokens: int, outputs: int) -> Iterator[Stage]:
    """Baselines and faithfulness; if they exceed their rows, as many rows as they may run."""
    asked = [
        *(_baselines(case, tokens) if case["baselines"] else ()),
        *(_faithfulness(case, tokens, outputs) if case["faithfulness"] else ()),
    ]
    rows = sum(stage.rows * (GRADIENT_ROWS if stage.backward else 1) for stage in asked)
    allowed = int(case["comparison_rows"]) or affordable_rows(
        case.model.parameters, tokens, case.device.kind
    )
    if rows <= allowed:
        yield from asked
    else:
        yield Stage(
            name="faithfulness",
            rows=allowed,
            least=0,
            tokens=tokens,
            kept=outputs,
            limit=case["rows_per_forward"],
        )


def affordable_rows(parameters: int, tokens: int, device: str) -> int:
    """Rows of comparisons that take the operations allowed by default."""
    return int(COMPARISON_OPERATIONS[device] / (2 * parameters * tokens))


def _baselines(case: CostCase, tokens: int) -> Iterator[Stage]:
    name, kept, limit = "baselines", case["target_length"], case["rows_per_forward"]
    yield Stage(name=name, rows=1, tokens=tokens, kept=kept, backward=True)
    least, most = PATH
    yield Stage(
        name=name,
        rows=PATH_ROWS,
        least=least,
        most=most,
        tokens=tokens,
        kept=kept,
        limit=limit,
        backward=True,
    )
    yield Stage(name=name, rows=2 + least // 8, tokens=tokens, kept=kept, forwards=2 + least // 8)
    yield Stage(name=name, rows=1 + tokens, tokens=tokens, kept=kept, limit=limit)
    yield Stage(name=name, rows=1, tokens=tokens, kept=1, eager=True, optional=True)


def _faithfulness(case: CostCase, tokens: int, outputs: int) -> Iterator[Stage]:
    maps = 1 + (OTHER_MAPS if case["baselines"] else 0)
    points = min(POINTS, case.prompt_tokens + 1)
    limit = case["rows_per_forward"]
    curves = (maps + 2) * 2 * case["draws"] * points
    yield Stage(name="faithfulness", rows=curves, tokens=tokens, kept=outputs, limit=limit)
    scores = 1 + 2 * maps
    before = case.prompt_tokens + case["target_start"]
    yield Stage(
        name="faithfulness", rows=scores * 2 * SOFT_DRAWS, tokens=before, kept=1, limit=limit
    )
    yield Stage(name="faithfulness", rows=scores * 2, tokens=before, kept=1, forwards=scores * 2)
