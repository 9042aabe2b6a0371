"""The models of one process, and running methods on them."""

from collections.abc import Iterator
from datetime import date
from functools import cache, partial
from typing import Any

from analysis import loading, refusals
from analysis import method as methods
from analysis.catalog.capabilities import refuse_foreign
from analysis.catalog.entries import Catalog, Entry
from analysis.errors import GlassbenchError, InvalidParams
from analysis.events import Event, ModelLoaded
from analysis.images.files import PictureReader, no_pictures
from analysis.loading import ModelCache
from analysis.model import Model, chat_template, memory
from analysis.model.checkpoint import told_of

INSPECT = "inspect"


def run(
    method: str,
    *,
    model: str | Entry,
    params: dict[str, Any],
    catalog: Catalog | None = None,
    pictures: PictureReader = no_pictures,
    today: date | None = None,
) -> Iterator[Event]:
    """See `analysis.run`. Invalid params are refused before a model is loaded."""
    if method == INSPECT:
        _refuse_any(params)
        return _guarded(_load(model, catalog or Catalog(), ()), today)
    found = methods.get(method)
    checked = found.check(params)
    return _guarded(_run(found, model, checked, catalog or Catalog(), pictures), today)


@cache
def model_cache() -> ModelCache:
    """The models of this process."""
    return loading.default_cache()


def _run(
    method: methods.Method,
    model: str | Entry,
    params: methods.BaseParams,
    catalog: Catalog,
    pictures: PictureReader,
) -> Iterator[Event]:
    for event in _load(model, catalog, method.needs):
        if isinstance(event, Model):
            _refuse_foreign(method, params, event)
            event.pictures = pictures
            yield from method.run(event, params)
        elif isinstance(event, ModelLoaded):
            yield _told(event, params)
        else:
            yield event


def _told(loaded: ModelLoaded, params: methods.BaseParams) -> ModelLoaded:
    """Add the checkpoint's settings that this run applies."""
    if loaded.info.brings is None:
        return loaded
    brings = told_of(loaded.info.brings, params)
    return ModelLoaded(info=loaded.info.model_copy(update={"brings": brings}))


def _refuse_foreign(method: methods.Method, params: methods.BaseParams, model: Model) -> None:
    schema, given = method.params.model_json_schema(), params.model_dump(mode="json")
    refuse_foreign(schema, given, needs=method.needs, present=model.info.capabilities)


def _load(model: str | Entry, catalog: Catalog, needs: tuple[str, ...]) -> Iterator[Any]:
    """Yield the events of loading; return the Model."""
    store = model_cache()
    if isinstance(model, str):
        yield from loading.load(model, catalog=catalog, cache=store, needs=needs)
        entry = catalog.find(model)
    else:
        entry = model
        yield from loading.load_entry(entry, catalog=catalog, cache=store, needs=needs)
    found = loading.loaded(entry, store)
    found.another = partial(_another, catalog)
    yield found


def _another(catalog: Catalog, model_id: str, *, needs: tuple[str, ...]) -> Any:
    """Load a second model, without its ModelLoaded event."""
    for event in _load(model_id, catalog, needs):
        if not isinstance(event, ModelLoaded):
            yield event


def _guarded(events: Iterator[Any], today: date | None) -> Iterator[Event]:
    """The events; errors of libraries caused by the input or the model become typed errors."""
    chat_template.today.set(today or date.today())
    try:
        for event in events:
            if isinstance(event, Event):
                yield event
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
