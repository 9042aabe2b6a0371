"""Prompt and output of a left-to-right decoder, with the model's keys and values."""

from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import DynamicCache

from analysis.decoding import cache as caches
from analysis.decoding.cache import Tail
from analysis.decoding.meter import TraceMeter
from analysis.model import Model


@dataclass
class Prefix:
    """Prompt and output; the first `read` tokens are in the cache."""

    model: Model
    prompt: list[int]
    meter: TraceMeter
    output: list[int] = field(default_factory=list)
    read: int = 0
    cache: DynamicCache = field(init=False)

    def __post_init__(self) -> None:
        self.cache = caches.empty(self.model)

    @property
    def ids(self) -> list[int]:
        return [*self.prompt, *self.output]

    def next_logits(self) -> torch.Tensor:
        """Logits of the next token, [1, V]: one forward pass on the tokens not yet in the cache."""
        unread = self.ids[self.read :]
        written = len(unread) - max(0, len(self.prompt) - self.read)
        with self.meter.forward(written):
            logits = forward(self.model, self.cache, [unread])
        self.read = len(self.prompt) + len(self.output)
        self.meter.hold(caches.held_bytes(self.cache))
        return logits

    def append(self, ids: list[int], tail: Tail | None = None) -> None:
        """Append tokens; a tail of keys and values is added except for the last token."""
        if tail is not None and len(ids) > 1:
            caches.join(self.cache, tail, len(ids) - 1)
            self.read += len(ids) - 1
        self.output += ids


def forward(model: Model, cache: DynamicCache, rows: list[list[int]]) -> torch.Tensor:
    """Logits of the token after each row, [R, V]; adds the rows to the cache."""
    ids = torch.tensor(rows, device=model.device)
    out: Any = model.forward(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
    logits: torch.Tensor = out.logits[:, -1]
    return logits
