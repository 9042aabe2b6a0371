"""Refusal of pipelines whose states or pictures are not finite."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch

from analysis.model.finite import compute_finite


@runtime_checkable
class Encoded(Protocol):
    """A prompt's encoding."""

    @property
    def states_1ND(self) -> torch.Tensor: ...


Encoding = TypeVar("Encoding", bound=Encoded)


def finite_states(
    encoders: Iterable[torch.nn.Module],
    encode: Callable[[], Encoding],
    length: int,
) -> Encoding:
    """What `encode` gives with text encoders that read `length` tokens. Raises NotFinite."""
    named = {f"text encoder {n}": encoder for n, encoder in enumerate(encoders, 1)}
    what = "The states of the text encoder"
    return compute_finite(what, named, encode, lambda given: given.states_1ND, length)


def finite_pictures(pipeline: Any, draw: Callable[[], Any]) -> Any:
    """What `draw` gives with the pipeline, whose `images` are numbers. Raises NotFinite."""
    parts = pipeline.components.items()
    modules = {name: part for name, part in parts if isinstance(part, torch.nn.Module)}
    return compute_finite("The drawn pictures", modules, draw, lambda out: out.images)
