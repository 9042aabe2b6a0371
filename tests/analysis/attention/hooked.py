"""Masked passes through TransformerLens: an independent route for models whose hooks act."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from analysis.attention.edges import BLOCKED, refuse_blind
from analysis.model import Model


@torch.no_grad()
def hooked(
    model: Model,
    ids_BN: torch.Tensor,
    masks: Sequence[torch.Tensor | None],
    *,
    positions_N: torch.Tensor | None = None,
    zero: bool = False,
    patterns: list[torch.Tensor] | None = None,
) -> torch.Tensor:
    """Logits of every position, [B, N, V]; `patterns` gets each layer's, [B, H, N, N]."""
    given: dict[str, Any] = {}
    if positions_N is not None:
        given["attention_mask"] = torch.ones_like(ids_BN)
        given["position_ids"] = torch.atleast_2d(positions_N)
    change, name = (_zero, "hook_pattern") if zero else (_block, "hook_attn_scores")
    hooks: list[tuple[str, Any]] = [
        (f"blocks.{layer}.attn.{name}", partial(change, mask, layer))
        for layer, mask in enumerate(masks)
        if mask is not None
    ]
    if patterns is not None:
        keep = partial(_keep, patterns)
        hooks += [(f"blocks.{n}.attn.hook_pattern", keep) for n in range(len(masks))]
    with model.hooks(hooks):
        logits: torch.Tensor = model.bridge(ids_BN, **given)
    return logits


def _block(mask: torch.Tensor, layer: int, scores: torch.Tensor, hook: Any) -> torch.Tensor:
    del hook
    open_BHNN = (scores > BLOCKED) & mask
    refuse_blind(open_BHNN, layer)
    return scores.masked_fill(~open_BHNN, -torch.inf)


def _zero(mask: torch.Tensor, layer: int, pattern: torch.Tensor, hook: Any) -> torch.Tensor:
    del layer, hook
    return pattern * mask


def _keep(kept: list[torch.Tensor], pattern: torch.Tensor, hook: Any) -> None:
    del hook
    kept.append(pattern.detach())
