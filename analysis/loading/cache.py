"""The loaded models of a process, within a budget of bytes."""

import gc
import weakref
from collections import OrderedDict
from dataclasses import dataclass, field

import torch

from analysis.errors import OutOfMemory
from analysis.model.classes import Model
from analysis.model.memory import default_device, memory_bytes, weight_bytes

Key = tuple[str, str, str, str]  # id, revision, folder, dtype


@dataclass
class ModelCache:
    """Loaded models, least recently used first; their weights and the prompts they keep stay in
    `budget`, in bytes.

    A model that a running analysis holds cannot be dropped: it stays, and counts.
    """

    budget: int
    models: OrderedDict[Key, Model] = field(default_factory=OrderedDict)

    def get(self, key: Key) -> Model | None:
        if key in self.models:
            self.models.move_to_end(key)
        return self.models.get(key)

    def make_room(self, size: int) -> None:
        """Drop models until `size` more bytes fit. Raises OutOfMemory if they never will."""
        if size > self.budget:
            raise OutOfMemory(
                f"The weights take {_gib(size)}; {_gib(self.budget)} is there.",
                remedy="Choose a smaller model, a smaller dtype, or a machine with more memory.",
            )
        if self.held() + size > self.budget:
            self._forget_prompts()
        for key in list(self.models):
            if self.held() + size <= self.budget:
                return
            self._drop(key)
        if self.held() + size > self.budget:
            raise OutOfMemory(
                f"The weights take {_gib(size)}; of {_gib(self.budget)}, {_gib(self.held())} "
                "is in use by models of this very run.",
                remedy="Choose smaller models, or a machine with more memory.",
            )

    def held(self) -> int:
        """Bytes of all models: their weights, and the prompts that they keep."""
        return sum(
            weight_bytes(*model.modules) + model.prompts.bytes for model in self.models.values()
        )

    def _forget_prompts(self) -> None:
        for model in self.models.values():
            model.prompts.clear()

    def _drop(self, key: Key) -> None:
        """Drop a model; one that somebody else still refers to is put back."""
        alive = weakref.ref(self.models.pop(key))
        gc.collect()  # a bridge and its hooks refer to each other
        if (model := alive()) is not None:
            self.models[key] = model


def default_cache() -> ModelCache:
    """A cache that may fill most of the device's memory."""
    device = torch.device(default_device())
    share = 0.7 if device.type == "cuda" else 0.6
    return ModelCache(int(share * memory_bytes(device)))


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"
