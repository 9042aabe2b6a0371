"""Cache of a canvas's keys and values for the length of a block: a labelled approximation.

With bidirectional attention, every new token changes all keys and values. Fast-dLLM (arXiv
2505.22618) reuses those outside the active block from the block's first step: those before it
(prefix), or also those after it (dual). The first step of a block is exact.

This requires a model class that uses transformers' registry of attention functions and accepts
position ids: a function registered here replaces attention during a forward pass.

Shape legend: B rows, H heads, T tokens of the canvas with its prompt, S of them fed, W head width.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from analysis.errors import ModelIncompatible
from analysis.model.masked_diffusion import MaskedDiffusion

NAME = "glassbench_canvas"
LABELS = {
    "prefix": "keys and values before the active block are those of the block's first step",
    "dual": "keys and values outside the active block are those of the block's first step",
}
# Model types that accept position ids, with their first position.
FIRST_POSITION = {"bert": 0, "modernbert": 0, "roberta": 2, "xlm-roberta": 2}


@dataclass
class CachedLogits:
    """Replaces `MaskedDiffusion.logits` for one row; `exact` describes the last call."""

    adapter: MaskedDiffusion
    mode: Literal["prefix", "dual"]
    prompt_length: int
    block: int
    exact: bool = True
    _at: int = -1
    _kept: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)
    _span: range | None = None  # positions of the input; None: all, and they are cached

    def __post_init__(self) -> None:
        """Raise ModelIncompatible if the model's class does not support the cache."""
        kind = self.adapter.model.plain.config.model_type
        if kind not in FIRST_POSITION:
            raise ModelIncompatible(
                f"cache is {self.mode}, but keys and values of a {kind} model cannot be cached; "
                f"supported are {', '.join(FIRST_POSITION)}.",
                remedy="Set cache to none: every step is then exact.",
                field="cache",
            )

    def __call__(self, tokens_BT: Tensor, positions: Tensor) -> Tensor:
        """Logits [B, P, V] of the masked `positions`, which are in one block."""
        block = (int(positions.min()) - self.prompt_length) // self.block
        self.exact = block != self._at
        self._at = block
        start = self.prompt_length + block * self.block
        stop = start + self.block if self.mode == "dual" else tokens_BT.shape[1]
        self._span = None if self.exact else range(start, stop)
        offset = 0 if self.exact else start
        fed = tokens_BT if self._span is None else tokens_BT[:, start:stop]
        with _attending(self), self._positions(fed.shape[1], offset):
            return self.adapter.logits(fed, positions - offset)

    @contextmanager
    def _positions(self, length: int, offset: int) -> Iterator[None]:
        """Context in which the model receives the positions of its input tokens."""
        plain = self.adapter.model.plain
        first = FIRST_POSITION[plain.config.model_type] + offset
        places = torch.arange(first, first + length, device=plain.device)[None]

        def tell(_: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
            return args, {**kwargs, "position_ids": places}

        handle = plain.register_forward_pre_hook(tell, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()

    def attend(
        self, module: Any, query_BHSW: Tensor, key_BHSW: Tensor, value_BHSW: Tensor, **options: Any
    ) -> Tensor:
        """Attention of the input tokens to all tokens, [B, S, H, W]; an exact step caches all."""
        span = self._span
        if span is None:
            self._kept[id(module)] = key_BHSW, value_BHSW
            out: Tensor = sdpa_attention_forward(
                module, query_BHSW, key_BHSW, value_BHSW, **options
            )[0]
            return out
        key_BHTW, value_BHTW = (
            torch.cat([old[:, :, : span.start], new, old[:, :, span.stop :]], 2)
            for old, new in zip(self._kept[id(module)], (key_BHSW, value_BHSW), strict=True)
        )
        mask_ST = _window(span, key_BHTW.shape[2], options.get("sliding_window"), query_BHSW.device)
        mixed_BHSW = F.scaled_dot_product_attention(
            query_BHSW, key_BHTW, value_BHTW, attn_mask=mask_ST, scale=options.get("scaling")
        )
        return mixed_BHSW.transpose(1, 2).contiguous()


def _window(span: range, length: int, width: int | None, device: torch.device) -> Tensor | None:
    """Tokens that each input token attends to in a layer of local attention, [S, T].

    transformers passes the first distance that is outside the window.
    """
    if width is None:
        return None
    fed = torch.arange(span.start, span.stop, device=device)[:, None]
    return (fed - torch.arange(length, device=device)[None]).abs() < width


_ACTIVE: ContextVar[CachedLogits | None] = ContextVar("canvas_cache", default=None)


@contextmanager
def _attending(cache: CachedLogits) -> Iterator[None]:
    """Context in which the model's attention uses the cache."""
    config = cache.adapter.model.plain.config
    own, token = config._attn_implementation, _ACTIVE.set(cache)
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = own
        _ACTIVE.reset(token)


def _attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Any, **options: Any
) -> tuple[Tensor, None]:
    cache = _ACTIVE.get()
    assert cache is not None
    return cache.attend(module, query, key, value, attention_mask=attention_mask, **options), None


AttentionInterface.register(NAME, _attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
