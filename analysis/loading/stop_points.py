"""Places inside a model where a run can be stopped: before each operation with many weights."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from analysis import stopping

MANY_WEIGHTS = 2**20  # of one module; a product with fewer is quick even for a thousand rows


def add_stop_points(modules: Iterable[nn.Module]) -> None:
    """Raise RunStopped in forward and backward passes once a stop is requested."""
    for module in modules:
        for part in module.modules():
            if sum(weight.numel() for weight in part.parameters(recurse=False)) >= MANY_WEIGHTS:
                part.register_forward_pre_hook(_before_forward)


def _before_forward(module: nn.Module, inputs: tuple[Any, ...]) -> None:
    del module
    stopping.check()
    for given in inputs:
        if isinstance(given, torch.Tensor) and given.requires_grad:
            given.register_hook(_in_backward)


def _in_backward(gradient: torch.Tensor) -> None:
    del gradient
    stopping.check()
