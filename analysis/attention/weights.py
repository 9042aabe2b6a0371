"""Attention weights of a causal language model, read and changed between softmax and values.

Every architecture of transformers calls softmax once in the eager attention of a layer. That call
is intercepted, so that the weights are those that the layer uses: nothing is known about an
architecture, and no copy of its attention is made. Hooks of TransformerLens do not reach the logits
of GPT-J, OPT, Llama 4 and Qwen2.5-VL (docs/decisions/0074-attention-in-plain-transformers.md).

Shapes: B rows, H heads, N tokens, D width of a head's values; Q queries and K keys are tokens.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from transformers import PreTrainedModel

from analysis.attention.modules import attentions, eager_attention
from analysis.errors import ModelIncompatible

SOFTMAX = {torch.softmax, torch.Tensor.softmax, nn.functional.softmax}
PRODUCT = {torch.matmul, torch.bmm, torch.Tensor.matmul, torch.Tensor.bmm, torch.Tensor.__matmul__}
# Gets a layer and its weights [B, H, Q, K]; returns what to use in their place, or None.
Receive = Callable[[int, torch.Tensor], torch.Tensor | None]
ReceiveValues = Callable[[int, torch.Tensor], None]  # [B, H, K, D]


@contextmanager
def attention_weights(
    plain: PreTrainedModel,
    layers: int,
    receive: Receive,
    *,
    receive_values: ReceiveValues | None = None,
) -> Iterator[None]:
    """Context in which `plain`, run eagerly and without a cache, shows each layer's weights.

    Columns of attention sinks are not shown, so that rows may sum to less than 1. Raises
    ModelIncompatible if a layer has no softmax over its keys, when the model runs.
    """
    found = attentions(plain, layers)
    mode = _Interception(receive, receive_values)
    with ExitStack() as stack:
        stack.enter_context(eager_attention(plain))
        for layer, module in enumerate(found):
            begin = partial(mode.begin, layer)
            stack.callback(module.register_forward_pre_hook(begin).remove)
            stack.callback(module.register_forward_hook(mode.end).remove)
        stack.enter_context(mode)
        yield


class _Interception(TorchFunctionMode):
    """Passes on the softmax of the layer that runs, and the values that it is multiplied with."""

    def __init__(self, receive: Receive, receive_values: ReceiveValues | None) -> None:
        super().__init__()
        self.receive, self.receive_values = receive, receive_values
        self.layer: int | None = None
        self.weights_BHQK: torch.Tensor | None = None

    def begin(self, layer: int, module: nn.Module, args: Any) -> None:
        del module, args
        self.layer, self.weights_BHQK = layer, None

    def end(self, module: nn.Module, args: Any, output: Any) -> None:
        del args, output
        self.layer = None
        if self.weights_BHQK is None:
            raise _unreadable(module)

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        del types
        found = func(*args, **(kwargs or {}))
        if self.layer is None:
            return found
        if func in SOFTMAX and found.ndim == 4:
            return self._received(self.layer, found)
        if self.receive_values and func in PRODUCT and self._weighs(args[0]):
            self.receive_values(self.layer, self._per_head(args[1]))
        return found

    def _received(self, layer: int, softmax_BHQS: torch.Tensor) -> torch.Tensor:
        """S keys, or one more: a sink, whose weight is left as it is."""
        keys = softmax_BHQS.shape[-2]
        self.weights_BHQK = softmax_BHQS[..., :keys]
        changed = self.receive(layer, self.weights_BHQK)
        if changed is None:
            return softmax_BHQS
        return torch.cat([changed, softmax_BHQS[..., keys:]], -1)

    def _per_head(self, values: torch.Tensor) -> torch.Tensor:
        assert self.weights_BHQK is not None
        rows, heads = self.weights_BHQK.shape[:2]
        apart = values.reshape(rows, -1, *values.shape[-2:])  # heads that share them have one copy
        return apart.expand(-1, heads, -1, -1)

    def _weighs(self, first: torch.Tensor) -> bool:
        weights = self.weights_BHQK
        return weights is not None and first.shape[-2:] == weights.shape[-2:]


def _unreadable(module: nn.Module) -> ModelIncompatible:
    return ModelIncompatible(
        f"A {type(module).__name__} shows no attention weights.",
        remedy="Choose a model such as Llama, Qwen, Gemma, Mistral or GPT-2.",
        field="model",
    )
