"""A causal language model run under attention masks, per layer, head and row of a batch.

A mask only takes away: what the model's own mask hides (the future, what lies outside a sliding
window) stays hidden. Two routes give the same numbers: `logits` on the plain model with SDPA, for
many variants as one batch, and `hooked` through TransformerLens, which also gives the attention
patterns. Without masks each is that route's own forward pass, to the last bit.

Shapes: B rows, N tokens, H heads, L layers, T kept positions, V vocabulary; Q queries and K keys
are tokens. A mask is bool [B or 1, H or 1, N, N], True where the query may read the key.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from analysis.attention.edges import BLOCKED, Cut, Size, cut_mask, refuse_blind, refuse_out_of_range
from analysis.errors import InvalidParams, ModelIncompatible
from analysis.model import Model
from analysis.model.finite import refuse_not_finite

Masks = Sequence[torch.Tensor | None]  # one per layer; None: the model's own alone
MASK = "attention_mask"


@dataclass(frozen=True)
class Hooked:
    """`logits_BNV`, and `patterns_LBHNN` where they were asked for."""

    logits_BNV: torch.Tensor
    patterns_LBHNN: torch.Tensor | None


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
) -> torch.Tensor:
    """Logits at the kept positions, [B, T, V], by the SDPA route.

    `positions_N` are position ids, by default 0 to N − 1; [B, N] where rows differ. Raises
    CutOutOfRange where a token is left nothing to attend to, ModelIncompatible, OutOfMemory.
    """
    given = _inputs(model, ids_BN, masks, positions_N)
    with masked(model.plain, masks):
        out = model.forward(**given, logits_to_keep=keep_T.to(model.device), use_cache=False)
    found: torch.Tensor = out.logits
    return found if found.shape[1] == len(keep_T) else found[:, keep_T]


@torch.no_grad()
def hooked(
    model: Model,
    ids_BN: torch.Tensor,
    masks: Masks,
    *,
    positions_N: torch.Tensor | None = None,
    zero: bool = False,
    patterns: bool = False,
) -> Hooked:
    """As `logits`, through TransformerLens: logits of every position, and the patterns on demand.

    `zero` sets what may not be read to 0 after softmax instead of −∞ before it: its mass is lost.
    """
    given = _inputs(model, ids_BN, masks, positions_N)
    kept: list[torch.Tensor] = []
    hooks = _zero_hooks(masks) if zero else _score_hooks(masks)
    if patterns:
        hooks += [(_pattern(layer), partial(_keep, kept)) for layer in range(len(masks))]
    model.passes.count(ids_BN.shape[0])
    with model.hooks(hooks):
        out = model.bridge(given.pop("input_ids"), **given)
    refuse_not_finite(out, model.modules)
    return Hooked(out, torch.stack(kept) if patterns else None)


@contextmanager
def masked(plain: PreTrainedModel, masks: Masks) -> Iterator[None]:
    """Context in which `plain` runs under the masks. Raises ModelIncompatible.

    Behind a cache the queries are the last tokens, which a mask may hold alone.
    """
    with ExitStack() as stack:
        if any(mask is not None for mask in masks):
            for layer, module in enumerate(attentions(plain, len(masks))):
                mask = masks[layer]
                if mask is not None:
                    hook = partial(_mask_hook, mask, layer)
                    handle = module.register_forward_pre_hook(hook, with_kwargs=True)
                    stack.callback(handle.remove)
        yield


def _inputs(
    model: Model, ids_BN: torch.Tensor, masks: Masks, positions_N: torch.Tensor | None
) -> dict[str, Any]:
    if len(masks) != model.info.layers:
        raise InvalidParams(
            f"{len(masks)} masks are given; the model has {model.info.layers} layers.",
            remedy="Give one mask, or None, per layer.",
        )
    given: dict[str, Any] = {"input_ids": ids_BN.to(model.device)}
    if positions_N is not None:
        # Positions that start again are else read as texts packed into one row.
        given[MASK] = torch.ones_like(given["input_ids"])
        given["position_ids"] = torch.atleast_2d(positions_N).to(model.device)
    return given


def attentions(plain: PreTrainedModel, layers: int) -> list[nn.Module]:
    """The attention of each layer, in order. Raises ModelIncompatible."""
    found: list[Any] = [
        module
        for module in plain.modules()
        if hasattr(module, "layer_idx") and type(module).__name__.endswith("Attention")
    ]
    if [module.layer_idx for module in found] != list(range(layers)):
        raise _unmaskable(plain)
    return found


def _unmaskable(plain: nn.Module) -> ModelIncompatible:
    return ModelIncompatible(
        f"The attention of a {type(plain).__name__} takes no mask of its own per layer.",
        remedy="Choose a model such as Llama, Qwen, Gemma, Mistral or GPT-2.",
        field="model",
    )


def _mask_hook(
    mask_BHNN: torch.Tensor,
    layer: int,
    attention: nn.Module,
    args: tuple[torch.Tensor, ...],
    kwargs: dict[str, Any],
) -> tuple[tuple[torch.Tensor, ...], dict[str, Any]]:
    """Give the attention its own mask, less what the mask takes away."""
    if MASK not in kwargs:
        raise _unmaskable(attention)
    states = args[0] if args else kwargs["hidden_states"]
    queries, keys = states.shape[1], mask_BHNN.shape[-1]
    own = _own(kwargs[MASK], queries, keys, states.device)
    open_BHQK = own & mask_BHNN[:, :, -queries:].to(states.device)
    refuse_blind(open_BHQK, layer, first=keys - queries)
    additive = torch.zeros(open_BHQK.shape, dtype=states.dtype, device=states.device)
    return args, {**kwargs, MASK: additive.masked_fill_(~open_BHQK, -torch.inf)}


def _own(given: torch.Tensor | None, queries: int, keys: int, device: torch.device) -> torch.Tensor:
    """What the model lets each query read; None is given where that is all of the past."""
    if given is None:
        causal = torch.ones(queries, keys, dtype=torch.bool, device=device)
        return causal.tril(keys - queries)
    return given if given.dtype == torch.bool else given > BLOCKED


def _score_hooks(masks: Masks) -> list[tuple[str, Any]]:
    return [
        (f"blocks.{layer}.attn.hook_attn_scores", partial(_block_scores, mask, layer))
        for layer, mask in enumerate(masks)
        if mask is not None
    ]


def _block_scores(
    mask_BHNN: torch.Tensor, layer: int, scores_BHNN: torch.Tensor, hook: Any
) -> torch.Tensor:
    del hook
    open_BHNN = (scores_BHNN > BLOCKED) & mask_BHNN.to(scores_BHNN.device)
    refuse_blind(open_BHNN, layer)
    return scores_BHNN.masked_fill(~open_BHNN, -torch.inf)


def _zero_hooks(masks: Masks) -> list[tuple[str, Any]]:
    return [
        (_pattern(layer), partial(_zero_pattern, mask))
        for layer, mask in enumerate(masks)
        if mask is not None
    ]


def _zero_pattern(mask_BHNN: torch.Tensor, pattern_BHNN: torch.Tensor, hook: Any) -> torch.Tensor:
    del hook
    return pattern_BHNN * mask_BHNN.to(pattern_BHNN.device)


def _pattern(layer: int) -> str:
    return f"blocks.{layer}.attn.hook_pattern"


def _keep(kept: list[torch.Tensor], pattern_BHNN: torch.Tensor, hook: Any) -> None:
    del hook
    kept.append(pattern_BHNN.detach())
