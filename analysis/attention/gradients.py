"""Gradients by attention weights, in a backward pass that keeps the weights of one layer only.

A forward pass keeps each block's input alone; the backward pass runs a block again when it comes to
it (torch.utils.checkpoint), so that only its weights are in memory. As in `weights`, the softmax of
the layer that runs is intercepted, so that nothing is known about an architecture.

Shapes: B rows, H heads, Q queries, S keys, the last of them a sink where the layer has one.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils.checkpoint import checkpoint, set_checkpoint_early_stop
from transformers import PreTrainedModel

from analysis.attention.modules import attentions, blocks_of, eager_attention
from analysis.attention.weights import SOFTMAX
from analysis.model.stepping import pause

# Gets a layer, its weights and their gradient, [B, H, Q, S].
ReceiveGradient = Callable[[int, torch.Tensor, torch.Tensor], None]


@contextmanager
def weight_gradients(
    plain: PreTrainedModel, layers: int, receive: ReceiveGradient
) -> Iterator[None]:
    """Context in which the backward pass of what `plain` computed shows each layer's gradient.

    Both passes are made inside, without a cache; layers come from the last to the first. Raises
    ModelIncompatible.
    """
    mode = _Watch(receive)
    with ExitStack() as stack:
        stack.enter_context(eager_attention(plain))
        stack.enter_context(set_checkpoint_early_stop(False))
        for layer, module in enumerate(attentions(plain, layers)):
            begin = module.register_forward_pre_hook(partial(mode.begin, layer))
            stack.callback(begin.remove)
            stack.callback(module.register_forward_hook(mode.end).remove)
        for block in dict.fromkeys(blocks_of(plain, layers)):
            stack.enter_context(_run_again(block, mode))
        yield


@contextmanager
def _run_again(block: nn.Module, mode: TorchFunctionMode) -> Iterator[None]:
    """Context in which a backward pass computes what is inside the block a second time."""
    own, given = block.forward, vars(block).get("forward")

    def watched(*args: Any, **kwargs: Any) -> Any:
        pause()
        with mode:  # here, since on a GPU another thread makes the backward pass
            return own(*args, **kwargs)

    def forward(*args: Any, **kwargs: Any) -> Any:
        return checkpoint(watched, *args, use_reentrant=False, preserve_rng_state=False, **kwargs)

    block.forward = forward
    try:
        yield
    finally:
        if given is None:
            del block.forward
        else:
            block.forward = given


class _Watch(TorchFunctionMode):
    """Holds the weights of the layer that ran last, until their gradient comes."""

    def __init__(self, receive: ReceiveGradient) -> None:
        super().__init__()
        self.receive = receive
        self.layer: int | None = None
        self.latest: dict[int, torch.Tensor] = {}

    def begin(self, layer: int, module: nn.Module, args: Any) -> None:
        del module, args
        self.layer = layer

    def end(self, module: nn.Module, args: Any, output: Any) -> None:
        del module, args, output
        self.layer = None

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        del types
        found = func(*args, **(kwargs or {}))
        if self.layer is not None and func in SOFTMAX and found.ndim == 4 and found.requires_grad:
            self.latest = {self.layer: found.detach()}
            found.register_hook(partial(self._told, self.layer))
        return found

    def _told(self, layer: int, gradient_BHQS: torch.Tensor) -> None:
        self.receive(layer, self.latest.pop(layer), gradient_BHQS)
