"""Prompt and output of a left-to-right decoder, with the model's keys and values.

A prompt that the model has read before is not read again: its keys, values and next logits are
those of the first pass, to the last bit.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import DynamicCache

from analysis.decoding import cache as caches
from analysis.decoding.cache import Tail
from analysis.decoding.meter import TraceMeter
from analysis.model import Model
from analysis.model.read_prompts import ReadPrompt


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
        if not self.read and not self.output:
            return self._prompt_logits()
        unread = self.ids[self.read :]
        written = len(unread) - max(0, len(self.prompt) - self.read)
        with self.meter.forward(written):
            logits = forward(self.model, self.cache, [unread])
        self.read = len(self.prompt) + len(self.output)
        self.meter.hold(caches.held_bytes(self.cache))
        return logits

    def _prompt_logits(self) -> torch.Tensor:
        """Logits after the prompt; the pass on it is counted even if another trace made it."""
        found = self.model.prompts.get(self.prompt)
        if found is None:
            found = self._read_prompt()
            self.model.prompts.keep(self.prompt, found)
        else:
            self.meter.read_before(found.seconds)
        self.cache, self.read = caches.share(found.cache), len(self.prompt)
        self.meter.hold(found.bytes)
        return found.logits_1V

    def _read_prompt(self) -> ReadPrompt:
        before = self.meter.model_seconds
        with self.meter.forward(0):
            logits_1V = forward(self.model, self.cache, [self.prompt])
        size, seconds = caches.held_bytes(self.cache), self.meter.model_seconds - before
        return ReadPrompt(self.cache, logits_1V.clone(), size, seconds)

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
