"""From an id to a loaded model: download, read, check, keep."""

from collections.abc import Generator
from dataclasses import replace
from functools import partial

from analysis.attention.modules import set_attention
from analysis.catalog.capabilities import CANNOT, serving
from analysis.catalog.entries import Catalog, Entry
from analysis.catalog.metadata import ModelMetadata, read_metadata
from analysis.catalog.revision import folder_revision
from analysis.errors import ModelIncompatible, ModelUnreadable
from analysis.events import Event, ModelLoaded
from analysis.loading.background import read_in_background, wait_for_stopped
from analysis.loading.cache import Key, ModelCache
from analysis.loading.download import download
from analysis.loading.quantized import loaded_bytes
from analysis.loading.read import read
from analysis.loading.self_check import self_check
from analysis.model.classes import Model


def load(
    model_id: str, *, catalog: Catalog, cache: ModelCache, needs: tuple[str, ...] = ()
) -> Generator[Event, None, Model]:
    """Yield progress, then ModelLoaded; return the model, which `cache` keeps (see `loaded`).

    Raises UnknownModel, ModelUnreadable, ModelIncompatible, HubUnreachable, OutOfMemory.
    """
    entry = catalog.find(model_id)
    if entry.path is None:
        yield from download(entry)
        entry = catalog.find(model_id)
    return (yield from load_entry(entry, catalog=catalog, cache=cache, needs=needs))


def load_entry(
    entry: Entry, *, catalog: Catalog, cache: ModelCache, needs: tuple[str, ...]
) -> Generator[Event, None, Model]:
    """Likewise, for an entry whose files are on this machine."""
    if entry.path is None:
        raise ModelUnreadable(
            f"{entry.id} has no config.json, or no *.safetensors file, on the hub.",
            remedy="Choose a repository with weights in safetensors.",
            field="model",
        )
    metadata = read_metadata(entry.path)
    _require(entry.id, metadata, needs)
    model = cache.get(_key(entry))
    if model is None:
        cache.make_room(loaded_bytes(entry.path, metadata))
        trusted = _is_trusted(entry, catalog)
        model = yield from read_in_background(partial(read, entry, metadata, trusted=trusted))
        model = yield from _checked(model)
        cache.models[_key(entry)] = model  # not sooner: a run stopped here leaves no half of it
    else:
        yield from wait_for_stopped()
    yield ModelLoaded(info=model.info.model_copy(update={"brings": model.brings()}))
    return model


def _checked(model: Model) -> Generator[Event, None, Model]:
    """The model with its self-check; with eager attention where SDPA gives other numbers."""
    check = yield from self_check(model)
    if check.max_abs_difference_fast > check.tolerance:
        set_attention(model.plain, "eager")
        message = (
            f"SDPA attention differs from eager attention by {check.max_abs_difference_fast:.0e}; "
            "eager attention is used."
        )
        check = yield from self_check(model)
        check = check.model_copy(update={"message": " ".join([message, check.message]).strip()})
    return replace(model, info=model.info.model_copy(update={"self_check": check}))


def loaded(entry: Entry, cache: ModelCache) -> Model:
    """The model that `load` put into the cache."""
    return cache.models[_key(entry)]


def _key(entry: Entry) -> Key:
    assert entry.path is not None
    return (entry.id, folder_revision(entry.path), str(entry.path))


def _is_trusted(entry: Entry, catalog: Catalog) -> bool:
    return f"{entry.repository}@{entry.revision}" in catalog.trusted_remote_code


def _require(model_id: str, metadata: ModelMetadata, needs: tuple[str, ...]) -> None:
    wanted = needs or tuple(CANNOT)
    if serving(wanted, metadata.capabilities):
        return
    why = next((metadata.missing[name] for name in wanted if name in metadata.missing), "")
    raise ModelIncompatible(
        f"{model_id} is a {metadata.architecture}; needed: {' or '.join(wanted)}. {why}".strip(),
        remedy="Choose a model with that capability (see the list of models).",
        field="model",
    )
