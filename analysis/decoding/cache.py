"""Keys and values of transformers' DynamicCache: shared, spread over rows, cut and joined.

Layers that replace their tensors instead of writing into them are shared by copies of the cache,
so that a prefix is held once however many forks read it; other layers are copied.
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
    """A cache of the kinds of layers that the model has."""
    return DynamicCache(config=model.plain.config)


def spread(cache: DynamicCache, rows: int) -> DynamicCache:
    """A copy of a one-row cache with `rows` equal rows."""
    twin = share(cache)
    if rows > 1:
        select(twin, [0] * rows, torch.device("cpu"))
    return twin


def share(cache: DynamicCache) -> DynamicCache:
    """A copy that may be added to and leaves the original as it is."""
    twin = copy.copy(cache)
    twin.layers = [
        copy.copy(layer) if type(layer) in REPLACED else copy.deepcopy(layer)
        for layer in cache.layers
    ]
    return twin


def select(cache: DynamicCache, rows: Sequence[int], device: torch.device) -> None:
    """Keep these rows, in this order; a row may be kept more than once."""
    chosen: Any = torch.tensor(rows, device=device)
    cache.reorder_cache(chosen)


def can_cut(cache: DynamicCache) -> bool:
    """Whether each layer holds every position, so that rows can be cut out and joined."""
    return all(type(layer) is DynamicLayer for layer in cache.layers)


def cut(cache: DynamicCache, row: int, start: int) -> Tail:
    """What a row holds from position `start` on."""
    layers: list[Any] = cache.layers
    return [
        (
            layer.keys[row : row + 1, :, start:].clone(),
            layer.values[row : row + 1, :, start:].clone(),
        )
        for layer in layers
    ]


def join(cache: DynamicCache, tail: Tail, length: int) -> None:
    """Add the first `length` positions of a tail to a one-row cache."""
    for number, (keys, values) in enumerate(tail):
        cache.update(keys[:, :, :length], values[:, :, :length], number)


def held_bytes(cache: DynamicCache | None) -> int:
    """Bytes of all that the layers keep: keys and values, or the states of linear attention."""
    layers: list[Any] = [] if cache is None else cache.layers
    kept = [value for layer in layers for value in vars(layer).values()]
    each = (one for value in kept for one in (value if isinstance(value, list) else [value]))
    return sum(one.nbytes for one in each if isinstance(one, torch.Tensor))
