"""Refusal of a model whose numbers are not finite, at the place where its logits come in."""

from collections.abc import Iterable
from itertools import chain

import torch

from analysis.errors import ModelNumbers


def refuse_not_finite(logits: torch.Tensor, modules: Iterable[torch.nn.Module]) -> None:
    """Raises ModelNumbers, naming the first weight at fault, where a row has no finite maximum.

    A row may hold −∞ for tokens that a model rules out, but not for all, and no NaN or +∞.
    """
    if not logits.numel() or bool(logits.detach().amax(-1).isfinite().all()):
        return
    raise ModelNumbers(
        f"The logits of the model are not finite (NaN or infinity): {_cause(modules)}.",
        remedy="Choose another copy of the model, or one whose weights are in bfloat16 or float32.",
        field="model",
    )


def _cause(modules: Iterable[torch.nn.Module]) -> str:
    kinds: set[str] = set()
    for module in modules:
        for name, weight in chain(module.named_parameters(), module.named_buffers()):
            if not weight.is_floating_point():
                continue
            if not bool(weight.detach().isfinite().all()):
                return f"its weight {name} is not"
            kinds.add(str(weight.dtype).removeprefix("torch."))
    return f"its weights are, so the computation overflows in {', '.join(sorted(kinds))}"
