"""What information flow in a language model costs."""

from collections.abc import Iterator

from analysis.costs.case import CostCase
from analysis.costs.outputs import output_tokens, read_context
from analysis.text.grouping import parts_of, sentence_numbers, word_numbers
from analysis.workload import Stage, rows_at_once

MOST_GROUPS = 512  # with the texts of all positions, in any script, they are one event
PACKED = 48  # rows of one pass, at least, where there are so many
WEIGHTS_BYTES = 2**28  # of attention weights that are kept at a time
KINDS = 3  # residual stream, attention, MLP
SHORT = 8  # tokens that show what is added to a state
STATE_CALLS = 25  # of dividing the state of a position and layer
# Floating-point operations of the cuts of one matrix: about a minute.
EXACT_OPERATIONS = {"cpu": 1e12, "cuda": 2e15}
LEAST_EXACT = 10  # edges cut, whatever they cost


def stages(case: CostCase) -> Iterator[Stage]:
    """In the order of the run, named as in its Cost event."""
    outputs = output_tokens(case)
    groups = _groups(case)
    length, queries = groups[-1].stop, len(groups[-1])
    yield from read_context(case)
    scored = case.prompt_tokens + outputs - 1
    yield Stage(name="output", rows=2, tokens=scored, kept=outputs, forwards=2)
    first = "edges" if case["edges"] else "routes"
    yield Stage(name=first, rows=1, tokens=length, forwards=1)
    if case["edges"]:
        rows = 2 + int(case["control_draws"])
        yield Stage(name="edges", rows=rows + outputs, tokens=length, kept=queries)
    if case["routes"]:
        yield _routes(case, length)
    yield from _matrix(case, groups)
    if case["knockout"]:
        yield _knockout(case, length, queries)
    if case["tracing"]:
        yield from _tracing(case, groups)


def _groups(case: CostCase) -> list[range]:
    """Positions of the groups; the last are those that predict the target."""
    start = max(1, len(case.prompt) + int(case["target_start"]) - 1)
    stop = start + int(case["target_length"])
    texts = [*case.prompt, *(" x" for _ in range(int(case["target_start"])))][:start]
    numbers = {
        "token": list(range(start)),
        "word": word_numbers(texts),
        "sentence": sentence_numbers(texts),
    }
    found: list[range] = []
    for grouping in list(numbers)[list(numbers).index(case["grouping"]) :]:
        found = parts_of(numbers[grouping], range(start, stop))
        if len(found) <= MOST_GROUPS:
            break
    return found


def _routes(case: CostCase, length: int) -> Stage:
    at_once = max(1, WEIGHTS_BYTES // (case.model.heads * length**2 * 4))
    forwards = -(-case.model.layers // at_once)
    return Stage(
        name="routes",
        rows=forwards,
        tokens=length,
        forwards=forwards,
        eager=True,
        optional=True,
        calls=STATE_CALLS * case.model.layers * length,
    )


def _matrix(case: CostCase, groups: list[range]) -> Iterator[Stage]:
    last, draws = len(groups) - 1, int(case["control_draws"])
    exact = _exact_cuts(case, groups)
    if any(case[name] for name in ("matrix", "knockout", "tracing", "routes")):
        booked = next((name for name in ("matrix", "knockout") if case[name]), "tracing")
        if case["matrix"] and exact is not None:
            booked = "cuts into the target"
        yield _cuts(case, groups, last, 1, last, booked)
    if not case["matrix"]:
        return
    length, count = groups[-1].stop, last * (last - 1) // 2
    share = 1.0 if exact is None else exact / count
    if exact is not None:
        yield Stage(name="estimates", rows=2, tokens=length, forwards=2, eager=True, backward=True)
    yield from _pairs(case, groups, last - 1, share)
    yield Stage(name="matrix", rows=draws, tokens=length, kept=len(groups[-1]))
    if case["matrix_layers"]:
        layers = _layers(case)
        yield from _pairs(case, groups, last, layers * share, name="matrix by layer")


def _exact_cuts(case: CostCase, groups: list[range]) -> int | None:
    """How many edges are cut, those into the target apart; None: all of them."""
    last = len(groups) - 1
    count = last * (last - 1) // 2
    if asked := int(case["exact_cuts"]):
        return None if asked >= count else asked
    matrices = _layers(case) if case["matrix_layers"] else 0
    length, zero = groups[-1].stop, case["ablation"] == "zero"
    tokens = sum(
        (length - (0 if zero else groups[query].start)) * query for query in range(1, last)
    )
    return affordable_cuts(count, (1 + matrices) * tokens, case.model.parameters, case.device.kind)


def affordable_cuts(count: int, tokens: int, parameters: int, device: str) -> int | None:
    """How many of `count` cuts, of so many tokens in all, are made by default; None: all."""
    operations = 2 * parameters * tokens
    if operations <= EXACT_OPERATIONS[device]:
        return None
    return max(LEAST_EXACT, int(count * EXACT_OPERATIONS[device] / operations))


def _pairs(
    case: CostCase, groups: list[range], last: int, times: float, name: str = "matrix"
) -> Iterator[Stage]:
    """The cuts of each group from each before it, in passes that begin at their earliest query.

    Passes are put together over sixteen groups, whose lengths hardly differ.
    """
    query = last
    while query > 0:
        lowest = max(1, query - 15)
        rows = sum(range(lowest, query + 1))
        middle = (query + lowest) // 2
        yield _cuts(case, groups, middle, times, rows, name)
        query = lowest - 1


def _cuts(
    case: CostCase, groups: list[range], query: int, times: float, rows: int, name: str = "matrix"
) -> Stage:
    zero, length = case["ablation"] == "zero", groups[-1].stop
    first = 0 if zero else groups[query].start
    kept = len(groups[-1])
    size = rows_at_once(
        case.model, case.device, length - first, kept, int(case["rows_per_forward"])
    )
    packed = max(1, min(size, max(query, PACKED)))
    return Stage(
        name=name,
        rows=rows * times,
        tokens=length - first,
        past=first,
        kept=kept,
        forwards=max(1, round(rows / packed)) * times,
        eager=zero,
        calls=10 * rows * times,
    )


def _layers(case: CostCase) -> int:
    return len(str(case["layers"]).split(",")) if case["layers"].strip() else case.model.layers


def _knockout(case: CostCase, length: int, queries: int) -> Stage:
    layers, draws = case.model.layers, int(case["control_draws"])
    named = [part for part in str(case["sources"]).split(";") if part.strip()]
    sources = len(named) or int(case["curves"])
    each = layers + 1 + draws * layers
    zero = case["ablation"] == "zero"
    return Stage(
        name="knockout",
        rows=sources * each,
        tokens=length if zero else queries,
        past=0 if zero else length - queries,
        kept=queries,
        limit=min(each, int(case["rows_per_forward"])),
        eager=zero,
        calls=10 * sources * each,
    )


def _tracing(case: CostCase, groups: list[range]) -> Iterator[Stage]:
    """The subject stands in the middle of the prompt where it is not known."""
    layers, draws, kept = case.model.layers, int(case["draws"]), len(groups[-1])
    length, name = groups[-1].stop, "tracing"
    yield Stage(name=name, rows=1, tokens=SHORT, forwards=1)
    yield Stage(name=name, rows=1, tokens=length, forwards=1)
    yield Stage(name=name, rows=2 * draws, tokens=length, kept=kept, forwards=2)
    most = len(groups)
    touched = max(1, most // 2)
    middle = groups[-max(1, touched // 2)].start
    each = KINDS * layers * draws
    yield Stage(
        name=name,
        rows=each * touched,
        least=each,
        most=each * most,
        tokens=length - middle,
        past=middle,
        kept=kept,
        limit=int(case["rows_per_forward"]),
        calls=KINDS * layers * 20 * touched,
    )
