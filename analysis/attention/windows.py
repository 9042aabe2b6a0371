"""The windows of models with sliding attention: how far back a layer reads.

A model counts a window in tokens of its input. Where tokens share positions that is not how far
apart they are: `within` counts in positions instead, which for a plain text is the same.

Shapes: B rows, N tokens; Q queries and K keys are tokens.
"""

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel

from analysis.errors import ModelIncompatible

Windows = Sequence[int | None]  # one per layer; None: the layer reads from the beginning
SLIDING = "sliding_attention"


def windows_of(plain: PreTrainedModel, layers: int) -> Windows:
    """As the model's config gives them; where it names no kinds of layers, one for all."""
    config = plain.config.get_text_config()
    kinds = getattr(config, "layer_types", None) or [SLIDING] * layers
    window = getattr(config, "sliding_window", None)
    return [window if kind == SLIDING else None for kind in kinds]


def within(window: int, positions_BN: torch.Tensor) -> torch.Tensor:
    """Whether a key lies fewer than `window` positions before a query, or behind it, [B, N, N]."""
    return positions_BN[:, :, None] - positions_BN[:, None] < window


def refuse_other_window(own_QK: torch.Tensor, window: int | None, layer: int) -> None:
    """Raise ModelIncompatible if the model's own mask, 2-D or 4-D, has another window."""
    keys = own_QK.shape[-1]
    read = int(own_QK.reshape(-1, keys)[-1].sum())
    if read != min(keys, window or keys):
        raise ModelIncompatible(
            f"Layer {layer} reads {read} of {keys} tokens back, by its config "
            f"{window or 'all of them'}: the attention between segments cannot be chosen.",
            remedy="Shorten the segments, or choose a model without sliding windows.",
            field="model",
        )


def inner_window(plain: PreTrainedModel) -> int | None:
    """A window that the attention of some layers applies itself, as in GPT-Neo."""
    config = plain.config.get_text_config()
    local = "local" in (getattr(config, "attention_layers", None) or ())
    return config.window_size if local else None
