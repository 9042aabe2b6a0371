"""The language-model part of information flow, from the prompt to the last event."""

from collections.abc import Generator, Iterator

from analysis.costs.information_flow.text import MOST_GROUPS
from analysis.errors import InvalidParams, ModelIncompatible, OutOfMemory
from analysis.events import Event, Omitted
from analysis.methods.information_flow.text.case import (
    FlowCase,
    groups_event,
    groups_of,
    read_case,
    refuse_layers,
    refuse_long,
)
from analysis.methods.information_flow.text.cutting import Trunk, trunk_of
from analysis.methods.information_flow.text.edge_edits import edit, refuse_edges
from analysis.methods.information_flow.text.estimated_matrix import (
    affordable,
    agreement,
    fill_estimated,
)
from analysis.methods.information_flow.text.estimates import estimated
from analysis.methods.information_flow.text.knockout import (
    curves,
    sources_of,
    strongest,
    windows_of,
)
from analysis.methods.information_flow.text.matrix import (
    MatrixRow,
    fill_matrix,
    flow_event,
    target_row,
)
from analysis.methods.information_flow.text.params import FlowParams
from analysis.methods.information_flow.text.positions import (
    NamedPositions,
    named_positions,
    parts_of,
)
from analysis.methods.information_flow.text.routes import Shares, agreements, routes_event, shares
from analysis.methods.information_flow.text.tracing import trace
from analysis.model import Model
from analysis.model.stepping import told_passes
from analysis.text import context as contexts
from analysis.text.cost import PassMeter


def run(model: Model, params: FlowParams) -> Iterator[Event]:
    """Yield the events in the order given in the method's docstring."""
    model.require("masks")
    meter = PassMeter(model)
    context = yield from contexts.read(model, params)
    case = yield from told_passes("scoring the output", lambda: read_case(model, params, context))
    named = _named(case)
    yield from contexts.describe(model, context, context.protected)
    span = range(params.target_start, params.target_start + params.target_length)
    generated = not params.continuation
    yield contexts.output_event(model, context, generated=generated, span=span, contrast_token=None)
    if case.grouping != params.grouping:
        yield _coarser(case)
    yield groups_event(case)
    meter.book("output")
    trunk = yield from told_passes("reading the input", lambda: trunk_of(case))
    if params.edges:
        yield from edit(trunk)
        meter.book("edges")
    found = (yield from _contributions(case)) if params.routes else None
    meter.book("routes")
    yield from _cuts(trunk, found, named, meter)
    yield meter.cost()


def _coarser(case: FlowCase) -> Omitted:
    reason = f"It gives more than {MOST_GROUPS} groups; the groups are {case.grouping}s."
    return Omitted(analysis=f"Grouping by {case.params.grouping}", reason=reason)


def refuse(params: FlowParams) -> None:
    """Raise PromptEmpty, TargetOutOfRange or InvalidParams for what params alone tell."""
    contexts.refuse_params(params, params.target_start, params.target_length)
    subjects = len(parts_of(params.subject))
    if subjects > 1:
        raise InvalidParams(
            f"subject has {subjects} parts: {params.subject[:80]!a}.",
            remedy="Give one; positions such as @3-5,9 need not be adjacent.",
            field="subject",
        )


def refuse_for(model: Model, params: FlowParams) -> None:
    """Raise what `run` raises for the text, the target, layers, heads and named positions."""
    prompt, output = contexts.encode(model, params)
    start, length = params.target_start, params.target_length
    if output is not None:
        contexts.span_of(len(output), start, length)
    refuse_layers(model, params)
    refuse_long(len(prompt.ids) + start + length - 1)
    context = contexts.context_of(model, prompt, output or [])
    before, longest = len(prompt.ids) + start - 1, params.max_new_tokens
    if before < len(context.ids):  # else it is a token that the model will write
        groups_of(context, params, range(before, before + 1))
    outputs = longest if output is None else len(output)
    refuse_edges(model, params.edges, len(prompt.ids) + outputs - 1)
    for name in ("sources", "subject"):
        named_positions(getattr(params, name), context, before=before, field=name)


def _named(case: FlowCase) -> list[NamedPositions]:
    """The subject if given; invalid params are refused before any work."""
    params, before = case.params, case.queries.start
    windows_of(case.model.info.layers, params.window)
    named_positions(params.sources, case.context, before=before, field="sources")
    return named_positions(params.subject, case.context, before=before, field="subject")


def _contributions(case: FlowCase) -> Generator[Event, None, Shares | None]:
    """The contribution graph, left out if the model or its memory does not allow it."""
    try:
        found = yield from shares(case)
    except (ModelIncompatible, OutOfMemory) as error:
        yield Omitted(analysis="Contribution graph", reason=str(error))
        return None
    yield routes_event(case, found)
    return found


def _matrices(trunk: Trunk, rows: dict[int, MatrixRow], meter: PassMeter) -> Iterator[Event]:
    """The matrix, and those of each layer; estimated first where not every edge is cut."""
    case, count = trunk.case, affordable(trunk)
    if count is not None:
        meter.book("cuts into the target")
    estimate_LGG = None if count is None else (yield from estimated(case))
    if count is None or estimate_LGG is None:
        yield from fill_matrix(trunk, rows)
    else:
        meter.book("estimates")
        yield from fill_estimated(trunk, rows, estimate_LGG.sum(0), count)
    yield flow_event(trunk, rows, agreement(rows))
    meter.book("matrix")
    if not case.params.matrix_layers:
        return
    for layer in case.layers or range(case.model.info.layers):
        if count is None or estimate_LGG is None:
            yield from fill_matrix(trunk, {}, layer=layer)
        else:
            yield from fill_estimated(trunk, {}, estimate_LGG[layer], count, layer=layer)
    meter.book("matrix by layer")


def _cuts(
    trunk: Trunk, found: Shares | None, named: list[NamedPositions], meter: PassMeter
) -> Iterator[Event]:
    case, params = trunk.case, trunk.case.params
    last = len(case.groups) - 1
    rows: dict[int, MatrixRow] = {}
    if params.matrix or params.knockout or params.tracing or found:
        rows[last] = yield from told_passes("cutting the target", lambda: target_row(trunk))
    if params.matrix:
        yield from _matrices(trunk, rows, meter)
    if params.knockout:
        yield from curves(trunk, sources_of(case, rows[last]))
        meter.book("knockout")
    if found:
        yield from agreements(case, found, rows)
    if params.tracing:
        yield from trace(case, (named or strongest(case, rows[last], 1))[0])
        meter.book("tracing")
