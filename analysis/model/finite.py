"""Refusal of a model whose numbers are not finite, at the place where its logits come in.

What is at fault is looked for only then: a weight by its name, else the first module whose output
is not finite, by computing the same pass once more.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import Any, TypeVar

import torch

from analysis.errors import NotFinite

Values = TypeVar("Values")
LAYER = re.compile(r"(?:^|\.)(?:layers?|h|blocks?|transformer_blocks)\.(\d+)(?:\.|$)")
REMEDIES = {
    "float16": "Choose the dtype bfloat16 or float32, which hold larger numbers than float16.",
    "bfloat16": "Choose the dtype float32, or another copy of the model.",
    "float32": "Choose another copy of the model: no dtype here holds larger numbers.",
}
DAMAGED = "Copy or download the model again, or choose another copy of it."


class _Found(Exception):
    """The first output that is not finite: `name` of its module, `token` counted from 0."""

    def __init__(self, name: str, token: int | None) -> None:
        super().__init__(name)
        self.name, self.token = name, token


def refuse_not_finite(
    logits: torch.Tensor,
    modules: Iterable[torch.nn.Module],
    inputs: Mapping[str, Any] | None = None,
) -> None:
    """Raises NotFinite, naming weight, layer and token at fault, where a row has no finite maximum.

    A row may hold −∞ for tokens that a model rules out, but not for all, and no NaN or +∞.
    `inputs` of the first module gave the logits.
    """
    if not logits.numel() or bool(logits.detach().amax(-1).isfinite().all()):
        return
    parts = list(modules)
    raise not_finite("The logits of the model", parts, _place(parts[:1], inputs))


def not_finite(what: str, modules: Iterable[torch.nn.Module], place: str = "") -> NotFinite:
    """The error; `place` says where it was seen first, as a part of a sentence."""
    kinds: set[str] = set()
    for module in modules:
        for name, weight in chain(module.named_parameters(), module.named_buffers()):
            if not weight.is_floating_point():
                continue
            dtype = str(weight.dtype).removeprefix("torch.")
            if not bool(weight.detach().isfinite().all()):
                return _of_weight(what, name, weight, dtype, place)
            kinds.add(dtype)
    smallest = next((dtype for dtype in REMEDIES if dtype in kinds), "float32")
    overflows = f"the computation overflows in {', '.join(sorted(kinds))}{place}"
    return NotFinite(
        f"{what} are not finite (NaN or infinity): its weights are, so {overflows}.",
        remedy=REMEDIES[smallest],
        field="dtype" if smallest == "float16" else "model",
    )


def _of_weight(what: str, name: str, weight: torch.Tensor, dtype: str, place: str) -> NotFinite:
    held = "NaN" if bool(weight.isnan().any()) else "infinity"
    cast = dtype == "float16" and held == "infinity"  # a larger number was cut off by the dtype
    return NotFinite(
        f"{what} are not finite (NaN or infinity): its weight {name} holds {held} in "
        f"{dtype}{place}.",
        remedy=f"{REMEDIES[dtype]} {DAMAGED}" if cast else DAMAGED,
        field="model",
    )


def _place(modules: list[torch.nn.Module], inputs: Mapping[str, Any] | None) -> str:
    """Where the same pass gives the first number that is not finite; empty if nobody can say."""
    if not modules or inputs is None:
        return ""
    length = next(iter(inputs.values())).shape[1]
    try:
        before = _rewound(inputs, length)
    except Exception:  # noqa: BLE001 (a cache of another kind; the weights are named all the same)
        return ""
    return first_place({"": modules[0]}, lambda: modules[0](**inputs), length, before)


def compute_finite(
    what: str,
    modules: Mapping[str, torch.nn.Module],
    compute: Callable[[], Values],
    numbers: Callable[[Values], Any],
    length: int = 0,
) -> Values:
    """What `compute` gives with these modules. Raises NotFinite where its `numbers` are not."""
    found = compute()
    if bool(torch.as_tensor(numbers(found)).isfinite().all()):
        return found
    raise not_finite(what, modules.values(), first_place(modules, compute, length))


def first_place(
    modules: Mapping[str, torch.nn.Module],
    compute: Callable[[], Any],
    length: int = 0,
    before: int = 0,
) -> str:
    """The module, by its name within those of `modules`, whose output is first not finite.

    Of outputs with `length` tokens the token too, counted from `before`. A part of a sentence;
    empty if all outputs are finite, or the computation cannot be made again.
    """
    try:
        with torch.no_grad(), _watched(modules, length):
            compute()
    except _Found as found:
        return _words(found, before)
    except Exception:  # noqa: BLE001 (the first computation's finding stays)
        return ""
    return ""


def _words(found: _Found, before: int) -> str:
    layer = LAYER.search(found.name)
    where = f"layer {int(layer[1]) + 1} ({found.name})" if layer else found.name
    token = "" if found.token is None else f", at token {before + found.token + 1}"
    return f", first in {where}{token}"


def _rewound(inputs: Mapping[str, Any], length: int) -> int:
    """Take what the pass has added out of its cache; the number of tokens before it."""
    cache = inputs.get("past_key_values")
    if cache is None:
        return 0
    before = int(cache.get_seq_length()) - length
    cache.crop(-length)
    return before


@contextmanager
def _watched(modules: Mapping[str, torch.nn.Module], length: int) -> Iterator[None]:
    """Context in which the first output that is not finite raises _Found."""

    def look(name: str, output: Any) -> None:
        for tensor in _tensors(output):
            bad = ~tensor.isfinite()
            if bool(bad.any()):
                per_token = tensor.ndim > 1 and tensor.shape[1] == length
                tokens = bad.transpose(0, 1).flatten(1).any(1) if per_token else None
                raise _Found(name, None if tokens is None else int(tokens.nonzero()[0]))

    handles = [
        part.register_forward_hook(lambda _, __, output, name=name: look(name, output))
        for top, module in modules.items()
        for name, part in module.named_modules(prefix=top)
        if name
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _tensors(output: Any) -> Iterator[torch.Tensor]:
    if isinstance(output, torch.Tensor):
        if output.is_floating_point():
            yield output
    elif isinstance(output, tuple | list):
        for part in output:
            yield from _tensors(part)
