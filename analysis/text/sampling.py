"""How a distribution is bent before a token is drawn, and what is left of it after that.

Shape legend: R rows, V vocabulary.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from transformers import LogitsProcessorList

from analysis.model.logit_processors import PROCESSORS, WARPERS, Start, bent, make


@dataclass(frozen=True)
class Warp:
    """The defaults leave a distribution as it is.

    `processors` also change which token is the likeliest, by what stands before; `warpers` are
    temperature and truncations. `likeliest`: all of the probability goes to the likeliest token.
    """

    processors: LogitsProcessorList = field(default_factory=LogitsProcessorList)
    warpers: LogitsProcessorList = field(default_factory=LogitsProcessorList)
    likeliest: bool = False

    def __call__(
        self, logits_RV: Float[torch.Tensor, "R V"], rows: Sequence[Sequence[int]] = ()
    ) -> Float[torch.Tensor, "R V"]:
        """Warped logits, float32; −∞ where a token is cut off. `rows` are the ids before them."""
        ids: Any = None
        bent_RV = logits_RV.float()
        if self.processors:
            ids = torch.tensor(rows, device=logits_RV.device)
            bent_RV = bent(self.processors, ids, bent_RV)
        if self.likeliest:
            return _likeliest(bent_RV)
        warped: torch.Tensor = self.warpers(ids, bent_RV)
        return warped


def make_warp(values: Mapping[str, Any], start: Start) -> Warp:
    """From values under GenerationConfig's names; temperature 0 takes the likeliest."""
    likeliest = values.get("temperature") == 0
    return Warp(
        processors=make(PROCESSORS, values, start),
        warpers=LogitsProcessorList() if likeliest else make(WARPERS, values, start),
        likeliest=likeliest,
    )


def _likeliest(logits_RV: Float[torch.Tensor, "R V"]) -> Float[torch.Tensor, "R V"]:
    """All of the distribution on the first of the likeliest tokens."""
    best_R1 = logits_RV.argmax(-1, keepdim=True)
    return torch.full_like(logits_RV, -torch.inf).scatter(1, best_R1, 0.0)
