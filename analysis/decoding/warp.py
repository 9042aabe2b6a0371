"""Sampling warpers of transformers, and what is left of a distribution after them.

Shape legend: R rows, V vocabulary.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)


@dataclass(frozen=True)
class Warp:
    """How a distribution is bent before a token is drawn; the defaults leave it as it is."""

    temperature: float = 1.0  # 0: all on the likeliest token
    top_k: int = 0  # 0: all
    top_p: float = 1.0
    min_p: float = 0.0

    def __call__(self, logits_RV: Float[torch.Tensor, "R V"]) -> Float[torch.Tensor, "R V"]:
        """Warped logits, float32; −∞ where a token is cut off."""
        if self.temperature == 0:
            return _likeliest(logits_RV.float())
        ids: Any = torch.empty(len(logits_RV), 0, dtype=torch.long, device=logits_RV.device)
        warped: torch.Tensor = self._processors()(ids, logits_RV.float())
        return warped

    def _processors(self) -> LogitsProcessorList:
        """In the order in which transformers' `generate` applies them."""
        chosen = LogitsProcessorList()
        if self.temperature != 1:
            chosen.append(TemperatureLogitsWarper(self.temperature))
        if self.top_k:
            chosen.append(TopKLogitsWarper(self.top_k))
        if self.top_p < 1:
            chosen.append(TopPLogitsWarper(self.top_p))
        if self.min_p:
            chosen.append(MinPLogitsWarper(self.min_p))
        return chosen


def _likeliest(logits_RV: Float[torch.Tensor, "R V"]) -> Float[torch.Tensor, "R V"]:
    """All of the distribution on the first of the likeliest tokens."""
    best_R1 = logits_RV.argmax(-1, keepdim=True)
    return torch.full_like(logits_RV, -torch.inf).scatter(1, best_R1, 0.0)
