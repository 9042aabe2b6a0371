"""The models of one process, and running methods on them."""

from collections.abc import Callable, Generator, Iterator
from datetime import date
from functools import cache, partial
from typing import Any, Protocol, runtime_checkable

from analysis import costs, loading, refusals
from analysis import method as methods
from analysis.catalog.capabilities import refuse_foreign
from analysis.catalog.dtypes import AUTO, Dtype, check_dtype
from analysis.catalog.entries import Catalog, Entry
from analysis.costs.case import CostCase, case_of, loaded_name
from analysis.costs.estimate import Estimate, measured
from analysis.costs.estimate import estimate as expected
from analysis.errors import GlassbenchError, InvalidParams, ModelUnreadable
from analysis.events import Event, ModelLoaded
from analysis.images.files import PictureReader, no_pictures
from analysis.loading import ModelCache
from analysis.model import Model, chat_template, memory
from analysis.model.calibration import calibrate
from analysis.model.checkpoint import applied_of
from analysis.model.memory import does_not_fit
from analysis.run_context import RunContext
from analysis.steps import follow
from analysis.workload import Speed, needed_bytes

INSPECT = "inspect"


@runtime_checkable
class Load(Protocol):
    """`_load` with a run's catalog and dtype."""

    def __call__(
        self,
        model: str | Entry,
        *,
        needs: tuple[str, ...],
        refuse: loading.Refuse | None = None,
    ) -> Generator[Event, None, Model]: ...


def run(
    method: str,
    *,
    model: str | Entry,
    params: dict[str, Any],
    catalog: Catalog | None = None,
    pictures: PictureReader = no_pictures,
    today: date | None = None,
    dtype: str = AUTO,
) -> Iterator[Event]:
    """See `analysis.run`. Invalid params are refused before a model is loaded."""
    load = partial(_load, catalog=catalog or Catalog(), dtype=check_dtype(dtype))
    if method == INSPECT:
        _refuse_any(params)
        return _guarded(load(model, needs=()), today)
    found = methods.get(method)
    checked = found.check(params)
    fits = partial(refuse_unfit, found, model, checked, catalog or Catalog(), check_dtype(dtype))
    return _guarded(_run(found, model, checked, load, pictures, fits), today)


def estimate(
    method: str,
    *,
    model: str | Entry,
    params: dict[str, Any],
    catalog: Catalog | None = None,
    dtype: str = AUTO,
) -> Estimate:
    """See `analysis.estimate`."""
    found = methods.get(method)
    entry = (catalog or Catalog()).find(model) if isinstance(model, str) else model
    if entry.path is None:
        raise ModelUnreadable(
            f"The files of {entry.id} are not on this machine, so that its cost is not known.",
            remedy="Run it once, which downloads them.",
            field="model",
        )
    case = _case(found, entry, found.check(params), check_dtype(dtype))
    unmeasured = measured([1.0], "calibration")
    return expected(
        costs.stages(method, case),
        case.model,
        case.device,
        _speed(),
        run=unmeasured,
        loading=None if case.loaded_name in loaded_names() else unmeasured,
        tokens=case.tokens,
    )


def refuse_unfit(
    method: methods.Method,
    model: str | Entry,
    params: methods.BaseParams,
    catalog: Catalog,
    dtype: Dtype = AUTO,
) -> None:
    """Raise OutOfMemory, before anything is loaded, where a stage of the run cannot fit."""
    entry = catalog.find(model) if isinstance(model, str) else model
    if entry.path is None:
        return
    try:
        case = _case(method, entry, params, dtype)
        stages = costs.stages(method.stem, case)
    except ModelUnreadable:  # loading says why
        return
    for stage in stages:
        need, have = needed_bytes(stage, case.model, case.device)
        if need > have and not stage.optional:
            raise does_not_fit(stage.name, need, have)


def _case(
    method: methods.Method, entry: Entry, params: methods.BaseParams, dtype: Dtype
) -> CostCase:
    kind, size = memory.default_device(), memory.device_bytes()
    given = params.model_dump(mode="json")
    return case_of(entry, given, method.needs, kind=kind, memory=size, dtype=dtype)


def loaded_names() -> tuple[str, ...]:
    """The models that this process holds, as `CostCase.loaded_name` names one."""
    keys = model_cache().models
    return tuple(
        loaded_name(model, revision, dtype.removeprefix("torch."))
        for model, revision, _, dtype in keys
    )


@cache
def _speed() -> Speed:
    return calibrate()


@cache
def model_cache() -> ModelCache:
    """The models of this process."""
    return loading.default_cache()


def _run(
    method: methods.Method,
    model: str | Entry,
    params: methods.BaseParams,
    load: Load,
    pictures: PictureReader,
    fits: Callable[[], None],
) -> Iterator[Event]:
    fits()
    refuse = partial(_refuse_unread, method, params)
    loading_events = load(model, needs=method.needs, refuse=refuse)
    found = yield from follow(loading_events, partial(_with_applied, params=params))
    _refuse_foreign(method, params, found)
    context = RunContext(pictures=pictures, load_model=partial(_load_second, load))
    yield from method.run(found, params, context)


def _with_applied(event: Event, params: methods.BaseParams) -> Event:
    """The event, with the checkpoint's settings that this run applies."""
    if not isinstance(event, ModelLoaded) or event.info.brings is None:
        return event
    brings = applied_of(event.info.brings, params)
    return ModelLoaded(info=event.info.model_copy(update={"brings": brings}))


def _refuse_unread(method: methods.Method, params: methods.BaseParams, model: Model) -> None:
    """Refuse what the model's tokenizer and configuration tell, before its weights are read."""
    _refuse_foreign(method, params, model)
    if method.refuse_for:
        method.refuse_for(model, params)


def _refuse_foreign(method: methods.Method, params: methods.BaseParams, model: Model) -> None:
    schema, given = method.params.model_json_schema(), params.model_dump(mode="json")
    refuse_foreign(schema, given, needs=method.needs, present=model.info.capabilities)


def _load(
    model: str | Entry,
    *,
    needs: tuple[str, ...],
    catalog: Catalog,
    dtype: Dtype,
    refuse: loading.Refuse | None = None,
) -> Generator[Event, None, Model]:
    """Yield the events of loading; return the Model."""
    to: dict[str, Any] = {
        "catalog": catalog, "cache": model_cache(), "needs": needs, "dtype": dtype,
        "refuse": refuse,
    }  # fmt: skip
    if isinstance(model, str):
        return (yield from loading.load(model, **to))
    return (yield from loading.load_entry(model, **to))


def _load_second(
    load: Load, model_id: str, *, needs: tuple[str, ...]
) -> Generator[Event, None, Model]:
    """Load a second model, in the run's dtype, without its ModelLoaded event."""
    events = load(model_id, needs=needs)
    return (yield from follow(events, lambda e: None if isinstance(e, ModelLoaded) else e))


def _guarded(events: Iterator[Event], today: date | None) -> Iterator[Event]:
    """The events; errors of libraries caused by the input or the model become typed errors."""
    chat_template.today.set(today or date.today())
    try:
        yield from events
    except GeneratorExit:
        raise
    except BaseException as error:
        refusal = _refusal(error)
        if refusal is None or refusal is error:
            raise
        raise refusal from error


def _refusal(error: BaseException) -> GlassbenchError | None:
    return memory.refusal(error) or refusals.typed(error)


def _refuse_any(params: dict[str, Any]) -> None:
    if params:
        raise InvalidParams(
            f"inspect has no parameters; given: {', '.join(map(ascii, params))}.",
            remedy="Leave the parameters empty.",
        )
