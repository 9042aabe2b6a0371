"""A causal language model run under attention masks, per layer, head and row of a batch.

A mask only takes away: what the model's own mask hides (the future, what lies outside a sliding
window) stays hidden, except where `windows` are given: then the masks alone decide, and the model's
own must be those of its windows. Two routes give the same numbers: `logits` with SDPA, and `eager`,
which also gives the attention weights. Without masks each is that route's own forward pass, to the
last bit.

Shapes: B rows, N tokens, H heads, L layers, T kept positions, V vocabulary; Q queries and K keys
are tokens. A mask is bool [B or 1, H or 1, N, N], True where the query may read the key.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from analysis.attention.edges import BLOCKED, Cut, Size, cut_mask, refuse_blind, refuse_out_of_range
from analysis.attention.modules import attentions, unmaskable
from analysis.attention.weights import Receive, attention_weights
from analysis.attention.windows import Windows, refuse_other_window
from analysis.errors import InvalidParams
from analysis.model import Model

Masks = Sequence[torch.Tensor | None]  # one per layer; None: the model's own alone
MASK = "attention_mask"


def of_cuts(cuts: Sequence[Cut], size: Size, *, first: int = 0) -> list[torch.Tensor | None]:
    """The masks of some cuts; layers that are cut alike share one. Raises CutOutOfRange.

    They hold the queries from token `first` on alone, where a cache stands for those before.
    """
    refuse_out_of_range(cuts, size)
    created: dict[tuple[int, ...], torch.Tensor | None] = {(): None}
    masks = []
    for layer in range(size.layers):
        here = [n for n, cut in enumerate(cuts) if cut.layers is None or layer in cut.layers]
        if tuple(here) not in created:
            created[tuple(here)] = ~cut_mask([cuts[n] for n in here], size, first=first)
        masks.append(created[tuple(here)])
    return masks


def size_of(model: Model, ids_BN: torch.Tensor) -> Size:
    """What cuts of these ids can name."""
    rows, tokens = ids_BN.shape
    return Size(rows, tokens, model.info.layers, model.info.heads)


@torch.no_grad()
def logits(
    model: Model,
    ids_BN: torch.Tensor,
    masks: Masks,
    *,
    keep_T: torch.Tensor,
    positions_N: torch.Tensor | None = None,
    windows: Windows | None = None,
) -> torch.Tensor:
    """Logits at the kept positions, [B, T, V], by the SDPA route.

    `positions_N` are position ids, by default 0 to N − 1; [B, N] where rows differ. Raises
    CutOutOfRange where a token is left nothing to attend to, ModelIncompatible, OutOfMemory.
    """
    ids_BN, options = _inputs(model, ids_BN, masks, positions_N)
    with masked(model.plain, masks, windows):
        return model.logits(ids_BN, keep_T, **options)


@torch.no_grad()
def eager(
    model: Model,
    ids_BN: torch.Tensor,
    masks: Masks,
    *,
    keep_T: torch.Tensor,
    positions_N: torch.Tensor | None = None,
    zero: bool = False,
    receive: Receive | None = None,
    windows: Windows | None = None,
) -> torch.Tensor:
    """As `logits`, by eager attention; `receive` gets each layer's weights as they are used.

    `zero` sets what may not be read to 0 after softmax instead of −∞ before it: its mass is lost.
    """
    change = partial(_zeroed, masks) if zero else None
    ids_BN, options = _inputs(model, ids_BN, masks, positions_N)
    with (
        masked(model.plain, [None] * len(masks) if zero else masks, windows),
        attention_weights(model.plain, len(masks), partial(_changed, change, receive)),
    ):
        return model.logits(ids_BN, keep_T, **options)


@contextmanager
def masked(plain: PreTrainedModel, masks: Masks, windows: Windows | None = None) -> Iterator[None]:
    """Context in which `plain` runs under the masks. Raises ModelIncompatible.

    Behind a cache the queries are the last tokens, which a mask may hold alone.
    """
    with ExitStack() as stack:
        if any(mask is not None for mask in masks):
            for layer, module in enumerate(attentions(plain, len(masks))):
                mask = masks[layer]
                if mask is not None:
                    window = (windows[layer],) if windows else ()
                    hook = partial(_mask_hook, mask, layer, window)
                    handle = module.register_forward_pre_hook(hook, with_kwargs=True)
                    stack.callback(handle.remove)
        yield


def _inputs(
    model: Model, ids_BN: torch.Tensor, masks: Masks, positions_N: torch.Tensor | None
) -> tuple[torch.Tensor, dict[str, Any]]:
    """The ids on the model's device, and what else its forward pass is given."""
    if len(masks) != model.info.layers:
        raise InvalidParams(
            f"{len(masks)} masks are given; the model has {model.info.layers} layers.",
            remedy="Give one mask, or None, per layer.",
        )
    ids_BN = ids_BN.to(model.device)
    if positions_N is None:
        return ids_BN, {}
    # Positions that start again are else read as texts packed into one row.
    positions_BN = torch.atleast_2d(positions_N).to(model.device)
    return ids_BN, {MASK: torch.ones_like(ids_BN), "position_ids": positions_BN}


def _changed(
    change: Receive | None, receive: Receive | None, layer: int, weights_BHQK: torch.Tensor
) -> torch.Tensor | None:
    found = change(layer, weights_BHQK) if change else None
    if receive is not None:
        receive(layer, weights_BHQK if found is None else found)
    return found


def _zeroed(masks: Masks, layer: int, weights_BHQK: torch.Tensor) -> torch.Tensor | None:
    mask_BHQK = masks[layer]
    return None if mask_BHQK is None else weights_BHQK * mask_BHQK.to(weights_BHQK.device)


def _mask_hook(
    mask_BHNN: torch.Tensor,
    layer: int,
    window: tuple[int | None, ...],
    attention: nn.Module,
    args: tuple[torch.Tensor, ...],
    kwargs: dict[str, Any],
) -> tuple[tuple[torch.Tensor, ...], dict[str, Any]]:
    """Give the attention its own mask, less what the mask takes away; or the mask alone.

    `window`: the one that the mask replaces, if any.
    """
    if MASK not in kwargs:
        raise unmaskable(attention)
    states = args[0] if args else kwargs["hidden_states"]
    queries, keys = states.shape[1], mask_BHNN.shape[-1]
    given, hides = kwargs[MASK], _hides(kwargs[MASK], keys - queries)
    own = ~given if hides else _own(given, queries, keys, states.device)
    own = own & _kept(attention, queries, keys)
    if window:
        refuse_other_window(own, window[0], layer)
        own, given = torch.ones_like(own), None
    open_BHQK = own & mask_BHNN[:, :, -queries:].to(states.device)
    refuse_blind(open_BHQK, layer, first=keys - queries)
    return args, {**kwargs, MASK: ~open_BHQK if hides else _additive(given, open_BHQK, states)}


def _hides(given: torch.Tensor | None, first: int) -> bool:
    """Whether True means hidden, as in MPT: else the first query could not read its own token."""
    return given is not None and given.dtype == torch.bool and not bool(given[0, 0, 0, first])


def _own(given: torch.Tensor | None, queries: int, keys: int, device: torch.device) -> torch.Tensor:
    """What the model lets each query read; None is given where that is all of the past."""
    if given is None:
        causal = torch.ones(queries, keys, dtype=torch.bool, device=device)
        return causal.tril(keys - queries)
    return given if given.dtype == torch.bool else given > BLOCKED


def _kept(attention: nn.Module, queries: int, keys: int) -> torch.Tensor:
    """What the attention hides by a mask of its own, as in the local layers of GPT-Neo."""
    for buffer in attention.buffers():
        if buffer.dtype == torch.bool and buffer.ndim == 4:
            return buffer[:, :, keys - queries : keys, :keys]
    return torch.ones((), dtype=torch.bool, device=next(attention.parameters()).device)


def _additive(
    given: torch.Tensor | None, open_BHQK: torch.Tensor, states: torch.Tensor
) -> torch.Tensor:
    """−∞ where closed; else what the model adds, which is a bias by position under ALiBi."""
    if given is None or given.dtype == torch.bool:
        given = torch.zeros((), dtype=states.dtype, device=states.device)
    bias: torch.Tensor = given.masked_fill(~open_BHQK, -torch.inf)
    return bias
