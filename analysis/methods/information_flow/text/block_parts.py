"""The parts that a block adds to a state, found by following the states through one forward pass.

Nothing is known about an architecture: the output of attention is the last linear map inside it,
which is compared with Σ weights · values; what the block does with that (a norm, a multiplier) and
with the MLP is found among the inputs and outputs of its modules, and the sum is compared with the
state. In a block whose attention and MLP read the same state, the middle state is the state before
it plus attention's output.

Shapes: N positions, H heads, D width of a state, V of a head's values; Q reads, K is read.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, NamedTuple

import torch
from torch import nn

from analysis.attention.modules import attentions, blocks_of
from analysis.attention.weights import attention_weights
from analysis.errors import ModelIncompatible
from analysis.model import Model

SLACK = 1e-3  # largest share of a state that may be unexplained, in float32
ROUNDINGS = 4  # of the dtype, that a state has behind it
LARGE = 1e4  # a vector on which the ε of an RMS norm has no effect


@dataclass(frozen=True)
class BlockParts:
    """A block in float32: states before attention, after it, and after the MLP.

    Position q gets scale_ND[q] · weights_HQK[h, q, k] · written_KHD[k, h] from position k through
    head h, and scale_ND[q] · bias_D in any case. The outputs of the modules `attention` and `mlp`
    are added to the state, after a norm or a factor if there is one.
    """

    before_ND: torch.Tensor
    middle_ND: torch.Tensor
    after_ND: torch.Tensor
    weights_HQK: torch.Tensor
    written_KHD: torch.Tensor
    bias_D: torch.Tensor
    scale_ND: torch.Tensor
    attention: nn.Module
    mlp: nn.Module

    @cached_property
    def is_plain(self) -> bool:
        """Whether attention's output is added as it is."""
        return bool((self.scale_ND == 1).all())


class Call(NamedTuple):
    """A module's first input and first output."""

    module: nn.Module
    given: torch.Tensor
    found: torch.Tensor


@dataclass
class _Seen:
    """What one block's forward pass showed: calls of modules inside its attention and others."""

    before: torch.Tensor | None = None
    after: torch.Tensor | None = None
    weights: torch.Tensor | None = None
    values: torch.Tensor | None = None
    inside: list[Call] = field(default_factory=list)
    later: list[Call] = field(default_factory=list)


@torch.no_grad()
def block_parts(
    model: Model, ids_1N: torch.Tensor, layers: Sequence[int]
) -> Iterator[tuple[int, BlockParts]]:
    """Run the model once; yield the parts of the given layers. Raises ModelIncompatible."""
    seen = {layer: _Seen() for layer in layers}
    with _watching(model, seen):
        model.logits(ids_1N, torch.tensor([0]))
    for layer in layers:
        yield layer, _parts(model, layer, seen.pop(layer))


@contextmanager
def _watching(model: Model, seen: dict[int, _Seen]) -> Iterator[None]:
    count = model.info.layers
    pairs = list(zip(blocks_of(model.plain, count), attentions(model.plain, count), strict=True))

    def weights(layer: int, found_1HQK: torch.Tensor) -> None:
        if layer in seen:
            seen[layer].weights = found_1HQK[0].float()

    def values(layer: int, found_1HKV: torch.Tensor) -> None:
        if layer in seen:
            seen[layer].values = found_1HKV[0].float()

    with ExitStack() as stack:
        for layer in seen:
            for handle in _hooks(seen[layer], *pairs[layer]):
                stack.callback(handle)
        stack.enter_context(attention_weights(model.plain, count, weights, receive_values=values))
        yield


def _hooks(seen: _Seen, block: nn.Module, attention: nn.Module) -> Iterator[Callable[[], None]]:
    inside = set(attention.modules())
    yield block.register_forward_pre_hook(partial(_begin, seen), with_kwargs=True).remove
    yield block.register_forward_hook(partial(_end, seen)).remove
    for module in set(block.modules()) - {block, attention}:
        kept = seen.inside if module in inside else seen.later
        yield module.register_forward_hook(partial(_keep, kept)).remove


def _begin(seen: _Seen, block: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
    del block
    seen.before = args[0] if args else kwargs["hidden_states"]


def _end(seen: _Seen, block: nn.Module, args: Any, output: Any) -> None:
    del block, args
    seen.after = _first(output)


def _keep(kept: list[Call], module: nn.Module, args: Any, output: Any) -> None:
    found = _first(output)
    if args and isinstance(args[0], torch.Tensor) and isinstance(found, torch.Tensor):
        kept.append(Call(module, args[0], found.clone()))  # Falcon adds to it in place


def _first(output: Any) -> Any:
    return output[0] if isinstance(output, tuple) else output


def _parts(model: Model, layer: int, seen: _Seen) -> BlockParts:
    if seen.before is None or seen.after is None or seen.weights is None or seen.values is None:
        raise _no_sum(model, layer)  # a layer that does not run on a text alone
    slack = max(SLACK, ROUNDINGS * torch.finfo(model.plain.dtype).eps)
    before_ND, after_ND = seen.before[0].float(), seen.after[0].float()
    z_NHV = torch.einsum("hqk,hkv->qhv", seen.weights, seen.values)
    projected = _projection(seen.inside, z_NHV.flatten(1), slack)
    if projected is None:
        raise _no_sum(model, layer)
    project, output_ND = projected
    scale_ND = _norm_scale(seen.later, output_ND)
    found = _middle(seen.later, before_ND, scale_ND * output_ND, after_ND, slack)
    if found is None:
        raise _no_sum(model, layer)
    multiplier, middle_ND, mlp = found
    written_KHD, bias_D = _written(project, seen.values, model.plain.dtype)
    return BlockParts(
        before_ND=before_ND,
        middle_ND=middle_ND,
        after_ND=after_ND,
        weights_HQK=seen.weights,
        written_KHD=written_KHD,
        bias_D=bias_D,
        scale_ND=multiplier * scale_ND,
        attention=project,
        mlp=mlp,
    )


def _no_sum(model: Model, layer: int) -> ModelIncompatible:
    return ModelIncompatible(
        f"Layer {layer} of a {model.info.architecture} is not a sum of its heads' outputs, its MLP "
        "and the state before it.",
        remedy="Set routes to false.",
        field="routes",
    )


def _projection(
    inside: list[Call], z_NZ: torch.Tensor, slack: float
) -> tuple[nn.Module, torch.Tensor] | None:
    """The map from the heads' outputs, side by side, to a state; and what it gave, [N, D]."""
    for call in reversed(inside):
        given = call.given.reshape(len(z_NZ), -1).float()
        if given.shape == z_NZ.shape and _is_close(given, z_NZ, slack) and _is_linear(call.module):
            return call.module, call.found.reshape(len(z_NZ), -1).float()
    return None


def _is_linear(module: nn.Module) -> bool:
    return not list(module.children()) and getattr(module, "weight", torch.empty(0)).ndim == 2


def _written(
    project: nn.Module, values_HKV: torch.Tensor, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """What each head adds per unit of attention to a position, [K, H, D], and the bias, [D]."""
    heads, _, size = values_HKV.shape
    unit = torch.eye(heads * size, dtype=dtype, device=values_HKV.device)
    bias_D = project(torch.zeros_like(unit[:1]))[0].float()
    weight_HVD = (project(unit).float() - bias_D).unflatten(0, (heads, size))
    return torch.einsum("hkv,hvd->khd", values_HKV, weight_HVD), bias_D


def _norm_scale(later: list[Call], output_ND: torch.Tensor) -> torch.Tensor:
    """Factors by which an RMS norm after attention multiplies its output; 1 without one."""
    for call in later:
        given = call.given.reshape(-1, call.given.shape[-1]).float()
        if given.shape == output_ND.shape and torch.equal(given, output_ND):
            large = torch.full_like(call.given[:1, :1], LARGE)
            gain_D = call.module(large).float().flatten()
            found = call.found.reshape(given.shape).float()
            plain = given * gain_D
            scale_ND: torch.Tensor = gain_D * _ratio(found, plain)[:, None]
            return scale_ND
    return torch.ones_like(output_ND)


def _ratio(found_ND: torch.Tensor, plain_ND: torch.Tensor) -> torch.Tensor:
    """Least-squares factor from `plain` to `found`, per row; 0 where `plain` is 0."""
    norm_N = (plain_ND**2).sum(-1)
    return (found_ND * plain_ND).sum(-1) / norm_N.clamp(torch.finfo(norm_N.dtype).tiny)


def _middle(
    later: list[Call],
    before_ND: torch.Tensor,
    added_ND: torch.Tensor,
    after_ND: torch.Tensor,
    slack: float,
) -> tuple[float, torch.Tensor, nn.Module] | None:
    """The factor of attention's output in the state, the state between attention and MLP, and the
    module that gives the rest of the block, times a factor.

    Where the MLP comes after attention, a module reads the state between them.
    """
    states = [call.given.reshape(-1, call.given.shape[-1]).float() for call in later]
    read = [state for state in states if state.shape == before_ND.shape]
    factors = [_factor(state - before_ND, added_ND, state, slack) for state in read]
    factor = next((found for found in factors if found), 1.0)
    middle_ND = before_ND + factor * added_ND
    called = Counter(call.module for call in later)
    for call in later:
        if called[call.module] == 1 and call.found.numel() == before_ND.numel():
            output_ND = call.found.reshape(before_ND.shape).float()
            if _factor(after_ND - middle_ND, output_ND, after_ND, slack):
                return factor, middle_ND, call.module
    return None


def _factor(
    difference_ND: torch.Tensor, part_ND: torch.Tensor, state_ND: torch.Tensor, slack: float
) -> float | None:
    """The factor by which a difference is a part, 1 if it is that; None if it is not."""
    factor = float(_ratio(difference_ND.flatten(), part_ND.flatten()))
    for candidate in (1.0, factor):
        error = (difference_ND - candidate * part_ND).abs().max()
        if candidate and error <= slack * state_ND.abs().max():
            return candidate
    return None


def _is_close(one: torch.Tensor, other: torch.Tensor, slack: float) -> bool:
    return bool((one - other).abs().max() <= slack * other.abs().max())
