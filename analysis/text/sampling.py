"""Processors and truncations of a distribution before sampling, and the result.

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
class Sampling:
    """Logit processors and warpers; the defaults change nothing.

    `processors` depend on the preceding tokens and may change which token is most probable;
    `warpers` are temperature and truncations. `greedy`: the most probable token gets all of the
    probability.
    """

    processors: LogitsProcessorList = field(default_factory=LogitsProcessorList)
    warpers: LogitsProcessorList = field(default_factory=LogitsProcessorList)
    greedy: bool = False

    def __call__(
        self, logits_RV: Float[torch.Tensor, "R V"], rows: Sequence[Sequence[int]] = ()
    ) -> Float[torch.Tensor, "R V"]:
        """Warped logits, float32; −∞ for a truncated token. `rows` are the preceding ids."""
        ids: Any = None
        bent_RV = logits_RV.float()
        if self.processors:
            ids = torch.tensor(rows, device=logits_RV.device)
            bent_RV = bent(self.processors, ids, bent_RV)
        if self.greedy:
            return _likeliest(bent_RV)
        warped: torch.Tensor = self.warpers(ids, bent_RV)
        return warped


def make_sampling(values: Mapping[str, Any], start: Start) -> Sampling:
    """Build from values by GenerationConfig's names; temperature 0 is greedy."""
    greedy = values.get("temperature") == 0
    return Sampling(
        processors=make(PROCESSORS, values, start),
        warpers=LogitsProcessorList() if greedy else make(WARPERS, values, start),
        greedy=greedy,
    )


def _likeliest(logits_RV: Float[torch.Tensor, "R V"]) -> Float[torch.Tensor, "R V"]:
    """Put all of the probability on the first of the most probable tokens."""
    best_R1 = logits_RV.argmax(-1, keepdim=True)
    return torch.full_like(logits_RV, -torch.inf).scatter(1, best_R1, 0.0)
