"""Keys and values in transformers' DynamicCache: share, expand to rows, slice and join.

Layers that replace their tensors instead of writing into them are shared by copies of the cache, so
that any number of branch points stores a prefix only once; other layers are copied.
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from analysis.model import Model

REPLACED = (DynamicLayer, DynamicSlidingWindowLayer)
Tail = list[tuple[torch.Tensor, ...]]  # keys and values per layer, [1, heads, T, width]


def empty(model: Model) -> DynamicCache:
    """An empty cache with the model's layer types."""
    return DynamicCache(config=model.plain.config)


def spread(cache: DynamicCache, rows: int) -> DynamicCache:
    """A copy of a one-row cache with `rows` equal rows."""
    twin = share(cache)
    if rows > 1:
        select(twin, [0] * rows, torch.device("cpu"))
    return twin


def share(cache: DynamicCache) -> DynamicCache:
    """A copy that can be extended without changing the original."""
    twin = copy.copy(cache)
    twin.layers = [
        copy.copy(layer) if type(layer) in REPLACED else copy.deepcopy(layer)
        for layer in cache.layers
    ]
    return twin


def select(cache: DynamicCache, rows: Sequence[int], device: torch.device) -> None:
    """Select these rows, in this order; a row may be repeated."""
    chosen: Any = torch.tensor(rows, device=device)
    cache.reorder_cache(chosen)


def can_cut(cache: DynamicCache) -> bool:
    """Whether each layer stores every position read, so that rows can be sliced and joined.

    A layer that attends to a picture stores nothing of a text alone.
    """
    return all(type(layer) is DynamicLayer and layer.is_initialized for layer in cache.layers)


def cut(cache: DynamicCache, row: int, start: int) -> Tail:
    """Keys and values of a row from position `start` on."""
    layers: list[Any] = cache.layers
    return [
        (
            layer.keys[row : row + 1, :, start:].clone(),
            layer.values[row : row + 1, :, start:].clone(),
        )
        for layer in layers
    ]


def join(cache: DynamicCache, tail: Tail, length: int) -> None:
    """Append the first `length` positions of a tail to a one-row cache."""
    for number, (keys, values) in enumerate(tail):
        cache.update(keys[:, :, :length], values[:, :, :length], number)


def held_bytes(cache: DynamicCache | None) -> int:
    """Bytes of all layers: keys and values, or the states of linear attention."""
    layers: list[Any] = [] if cache is None else cache.layers
    kept = [value for layer in layers for value in vars(layer).values()]
    each = (one for value in kept for one in (value if isinstance(value, list) else [value]))
    return sum(one.nbytes for one in each if isinstance(one, torch.Tensor))
