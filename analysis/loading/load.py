"""From an id to a loaded model: download, read, check, keep."""

import re
from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial

import torch

from analysis.attention.modules import attention_of, set_attention
from analysis.catalog.capabilities import CANNOT, serving
from analysis.catalog.dtypes import AUTO, Dtype
from analysis.catalog.entries import Catalog, Entry
from analysis.catalog.folder import first_line
from analysis.catalog.metadata import ModelMetadata, read_metadata
from analysis.catalog.revision import folder_revision
from analysis.errors import ModelIncompatible, ModelUnreadable
from analysis.events import Event, ModelLoaded, SelfCheck
from analysis.loading.background import read_in_background, wait_for_stopped
from analysis.loading.cache import Key, ModelCache
from analysis.loading.download import download
from analysis.loading.quantized import loaded_bytes
from analysis.loading.read import Source, read, read_outline
from analysis.loading.self_check import self_check
from analysis.loading.stop_points import add_stop_points
from analysis.model.classes import Model
from analysis.model.memory import dtype_for

# torch's messages where an operation has no kernel for a dtype, or is given two of them.
OF_DTYPE = re.compile(r"dtype|not implemented for '(Half|BFloat16)'|same type|scalar type")

Refuse = Callable[[Model], None]


def load(
    model_id: str,
    *,
    catalog: Catalog,
    cache: ModelCache,
    needs: tuple[str, ...] = (),
    dtype: Dtype = AUTO,
    refuse: Refuse | None = None,
) -> Generator[Event, None, Model]:
    """Yield progress, then ModelLoaded; return the model, which `cache` keeps (see `loaded`).

    `refuse` gets the model without its weights before they are read, and raises what it likes.
    Raises UnknownModel, ModelUnreadable, ModelIncompatible, HubUnreachable, OutOfMemory.
    """
    entry = catalog.find(model_id)
    if entry.path is None:
        yield from download(entry)
        entry = catalog.find(model_id)
    return (
        yield from load_entry(
            entry, catalog=catalog, cache=cache, needs=needs, dtype=dtype, refuse=refuse
        )
    )


def load_entry(
    entry: Entry,
    *,
    catalog: Catalog,
    cache: ModelCache,
    needs: tuple[str, ...],
    dtype: Dtype = AUTO,
    refuse: Refuse | None = None,
) -> Generator[Event, None, Model]:
    """Likewise, for an entry whose files are on this machine."""
    entry = catalog.with_base(entry)
    if entry.path is None:
        raise ModelUnreadable(
            f"{entry.id} has no config.json, or no *.safetensors file, on the hub.",
            remedy="Choose a repository with weights in safetensors.",
            field="model",
        )
    metadata = read_metadata(entry.path)
    _require(entry.id, metadata, needs)
    key = _key(entry, metadata, dtype)
    model = cache.get(key)
    if model is None:
        source = Source(entry, metadata, trusted=_is_trusted(entry, catalog), dtype=dtype)
        if refuse:
            refuse(read_outline(source))
        cache.make_room(loaded_bytes(entry.path, metadata, dtype))
        model = yield from read_in_background(partial(read, source))
        add_stop_points(model.modules)
        model = yield from _checked(model)
        cache.models[key] = model  # not sooner: a run stopped here leaves no half of it
    else:
        yield from wait_for_stopped()
    yield ModelLoaded(info=model.info.model_copy(update={"brings": model.brings()}))
    return model


def _in_its_dtype(model: Model) -> Generator[Event, None, SelfCheck]:
    """The self-check. Raises ModelIncompatible where an operation lacks the model's dtype."""
    try:
        return (yield from self_check(model))
    except RuntimeError as error:
        if model.plain.dtype == torch.float32 or not OF_DTYPE.search(str(error)):
            raise
        raise ModelIncompatible(
            f"{model.info.id} cannot be computed in {model.info.dtype}: "
            f"{first_line(error, model.path)}",
            remedy="Choose the dtype float32.",
            field="dtype",
        ) from error


def _checked(model: Model) -> Generator[Event, None, Model]:
    """The model with its self-check; with eager attention where SDPA gives other numbers."""
    attention, why = attention_of(model.plain), ""
    check = yield from _in_its_dtype(model)
    if check.max_abs_difference_fast > check.tolerance:
        set_attention(model.plain, "eager")
        attention = "eager"
        why = f"SDPA differs by {check.max_abs_difference_fast:.0e}"
        message = (
            f"SDPA attention differs from eager attention by {check.max_abs_difference_fast:.0e}; "
            "eager attention is used."
        )
        check = yield from self_check(model)
        check = check.model_copy(update={"message": " ".join([message, check.message]).strip()})
    elif attention == "eager":
        why = "the architecture has no SDPA"
    found = {"self_check": check, "attention": attention, "attention_reason": why}
    return replace(model, info=model.info.model_copy(update=found))


def loaded(entry: Entry, cache: ModelCache, dtype: Dtype = AUTO) -> Model:
    """The model that `load` put into the cache."""
    assert entry.path is not None
    return cache.models[_key(entry, read_metadata(entry.path), dtype)]


def _key(entry: Entry, metadata: ModelMetadata, dtype: Dtype) -> Key:
    """What is loaded: `auto` and the dtype that it stands for are one model."""
    assert entry.path is not None
    resolved = str(dtype_for(metadata.dtype, dtype))
    revision = entry.revision if entry.adapter else folder_revision(entry.path)
    return (entry.id, str(revision), str(entry.path), resolved)


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
