"""Prompts that a model has read: their keys, values and next logits, for the decoders that follow.

They belong to one loaded model, so that its revision and dtype are those of every entry.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import torch

from analysis.model.memory import memory_bytes

KEPT_SHARE = 0.02  # of the device's memory, for the prompts of one model between two runs


@dataclass(frozen=True)
class ReadPrompt:
    """What one pass on a prompt gave. `cache` is never extended, only copies of it."""

    cache: Any
    logits_1V: torch.Tensor
    bytes: int
    seconds: float


@dataclass
class ReadPrompts:
    """The prompts by their ids, least recently used first; None stands for a share of the memory.

    The newest is kept whatever its size, until `trim`.
    """

    limit: int | None = None
    kept: OrderedDict[tuple[int, ...], ReadPrompt] = field(default_factory=OrderedDict)

    @property
    def bytes(self) -> int:
        return sum(prompt.bytes for prompt in self.kept.values())

    def get(self, ids: list[int]) -> ReadPrompt | None:
        key = tuple(ids)
        if key in self.kept:
            self.kept.move_to_end(key)
        return self.kept.get(key)

    def keep(self, ids: list[int], prompt: ReadPrompt) -> None:
        self.kept[tuple(ids)] = prompt
        self._drop(prompt.logits_1V.device, least=1)

    def trim(self) -> None:
        """Keep to the limit, at the end of a run."""
        if self.kept:
            self._drop(next(iter(self.kept.values())).logits_1V.device, least=0)

    def clear(self) -> None:
        self.kept.clear()

    def _drop(self, device: torch.device, *, least: int) -> None:
        if self.limit is None:
            self.limit = int(KEPT_SHARE * memory_bytes(device))
        while len(self.kept) > least and self.bytes > self.limit:
            self.kept.popitem(last=False)
