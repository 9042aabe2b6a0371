"""Batches of cuts on one input; positions before a cut's first query are computed once.

A cut into query A does not affect positions before A. Therefore keys and values of the uncut input
are shared, and a batch computes only the positions from its first query on.

Shapes: B rows (one variant each), N positions, S of them from the first query on, D width, T
target tokens.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from analysis.attention.decoder_masks import Masks, eager, masked, of_cuts
from analysis.attention.edges import Cut, Size
from analysis.attention.modules import decoder_stack
from analysis.decoding.cache import can_cut, empty
from analysis.methods.information_flow.text.case import FlowCase


@dataclass(frozen=True)
class CutResult:
    """Results of variants: `logprob_B` of the target, and final states from position `first` on."""

    logprob_B: torch.Tensor
    states_BSD: torch.Tensor
    first: int


class SharedLayer(DynamicLayer):
    """Read-only keys and values; `rows` selects rows, None expands a single row."""

    def __init__(
        self, keys: torch.Tensor, values: torch.Tensor, rows: torch.Tensor | None = None
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.held, self.rows = (keys, values), rows
        self.keys, self.values = keys, values
        self.dtype, self.device, self.is_initialized = keys.dtype, keys.device, True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        keys, values = self.held
        return self._join(keys, key_states), self._join(values, value_states)

    def _join(self, held: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        chosen = held.expand(len(new), -1, -1, -1) if self.rows is None else held[self.rows]
        return torch.cat([chosen, new], dim=-2)


@dataclass(frozen=True)
class Trunk:
    """The uncut input: its keys and values per layer, empty if they cannot be shared."""

    case: FlowCase
    layers: list[tuple[torch.Tensor, torch.Tensor]]
    states_ND: torch.Tensor

    def cache(self, first: int, rows: torch.Tensor | None = None) -> DynamicCache | None:
        """The positions before `first`."""
        return shared_cache(self.layers, first, rows) if self.layers and first else None


@torch.no_grad()
def trunk_of(case: FlowCase) -> Trunk:
    cache = empty(case.model)
    with final_states(case) as states:
        case.model.forward(input_ids=case.ids_1N, past_key_values=cache, logits_to_keep=1)
    layers: list[Any] = cache.layers if can_cut(cache) else []
    return Trunk(case, [(layer.keys, layer.values) for layer in layers], states[0][0])


def shared_cache(
    layers: Sequence[tuple[torch.Tensor, torch.Tensor]], first: int, rows: torch.Tensor | None
) -> DynamicCache:
    """A read-only cache of the positions before `first`."""
    cache = DynamicCache()
    cache.layers = [
        SharedLayer(keys[:, :, :first], values[:, :, :first], rows) for keys, values in layers
    ]
    return cache


@torch.no_grad()
def run_variants(trunk: Trunk, variants: Sequence[Sequence[Cut]]) -> CutResult:
    """Each variant's cuts, one row each. Raises CutOutOfRange, OutOfMemory."""
    case = trunk.case
    first = _first(trunk, variants)
    size = Size(len(variants), case.positions, case.model.info.layers, case.model.info.heads)
    cuts = [replace(cut, rows=(row,)) for row, own in enumerate(variants) for cut in own]
    return run_masks(trunk, of_cuts(merged(cuts), size, first=first), len(variants), first=first)


def merged(cuts: Sequence[Cut]) -> list[Cut]:
    """Merge cuts of the same edges, so that each mask needs few writes."""
    rows: dict[Cut, list[int]] = {}
    for cut in cuts:
        rows.setdefault(replace(cut, rows=None), []).extend(cut.rows or ())
    return [replace(cut, rows=tuple(sorted(set(own)))) for cut, own in rows.items()]


def _first(trunk: Trunk, variants: Sequence[Sequence[Cut]]) -> int:
    """The first position that has to be computed."""
    if not trunk.layers or trunk.case.zero:
        return 0
    asked = [query for own in variants for cut in own for query in cut.queries]
    return min([*asked, trunk.case.queries.start])


@torch.no_grad()
def run_masks(trunk: Trunk, masks: Masks, rows: int, *, first: int) -> CutResult:
    """Run rows of the input under masks of the queries from `first` on."""
    case = trunk.case
    ids_BS = case.ids_1N[:, first:].expand(rows, -1)
    if case.zero:
        return _zeroed(case, ids_BS, masks)
    keep = torch.tensor([query - first for query in case.queries])
    length = torch.arange(first, case.positions, device=case.model.device)
    with masked(case.model.plain, masks), final_states(case) as states:
        logits_BTV = case.model.logits(
            ids_BS,
            keep,
            position_ids=length[None],
            past_key_values=trunk.cache(first),
            use_cache=first > 0,
        )
    return CutResult(case.logprobs(logits_BTV), states[0], first)


def _zeroed(case: FlowCase, ids_BN: torch.Tensor, masks: Masks) -> CutResult:
    """By eager attention: weights are set to 0 after softmax."""
    with final_states(case) as states:
        logits_BTV = eager(case.model, ids_BN, masks, keep_T=torch.tensor(case.queries), zero=True)
    return CutResult(case.logprobs(logits_BTV), states[0], 0)


@contextmanager
def final_states(case: FlowCase) -> Iterator[list[torch.Tensor]]:
    """Context that collects the output of the final norm, [B, S, D] per forward pass."""
    states: list[torch.Tensor] = []
    stack = decoder_stack(case.model.plain, case.model.info.layers)
    handle = stack.register_forward_hook(lambda *args: states.append(args[2].last_hidden_state))
    try:
        yield states
    finally:
        handle.remove()


def control_masks(
    case: FlowCase, counts: Sequence[int], where: Sequence[Cut], draws: int, name: str
) -> list[torch.Tensor | None]:
    """Masks of `draws` rows with `counts[n]` random edges each in the layers and heads of cut n.

    Keys are earlier positions only, so that each token can attend to itself.
    """
    random, size = case.random(name), case.positions
    masks: list[torch.Tensor | None] = [None] * case.model.info.layers
    heads = 1 if all(cut.heads is None for cut in where) else case.model.info.heads
    rows, columns = torch.tril_indices(size, size, -1)
    for count, cut in zip(counts, where, strict=True):
        open_B1NN = torch.ones(draws, 1, size, size, dtype=torch.bool)
        for draw in range(draws):
            chosen = random.choice(len(rows), min(count, len(rows)), replace=False)
            open_B1NN[draw, 0, rows[chosen], columns[chosen]] = False
        for layer in cut.layers or range(len(masks)):
            own = masks[layer]
            mask = own.clone() if own is not None else torch.ones(draws, heads, size, size).bool()
            at = slice(None) if cut.heads is None else list(cut.heads)
            mask[:, at] &= open_B1NN
            masks[layer] = mask
    return masks
