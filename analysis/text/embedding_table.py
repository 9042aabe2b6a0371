"""Mean and standard deviation of the input embeddings over a whole vocabulary.

The values are those passed to the layers as `inputs_embeds`. Gemma scales them by √width within the
embedding module, which is included; OPT's projection and BLOOM's layer norm follow it and are not
included.

Shape legend: V rows of the table, C of them at a time, D width.
"""

from collections.abc import Iterator
from math import sqrt
from typing import cast

import torch

from analysis.model import Model
from analysis.precision import exact

ROWS_AT_ONCE = 4096  # avoids a second copy of a large table


@torch.no_grad()
def embedding_mean(model: Model) -> torch.Tensor:
    """Mean input embedding of the vocabulary, [D], in the model's own dtype."""
    total_D, count = _sums(model)
    return (total_D / count).to(_weight(model))


@torch.no_grad()
def embedding_deviation(model: Model) -> float:
    """Standard deviation of the numbers in the embeddings of the whole vocabulary."""
    total_D, count = _sums(model)
    numbers = count * len(total_D)
    mean = float(total_D.sum()) / numbers
    squares = sum(float(((rows - mean) ** 2).sum()) for rows in _rows(model))
    return sqrt(squares / (numbers - 1))


def _sums(model: Model) -> tuple[torch.Tensor, int]:
    total_D = torch.stack([rows_CD.sum(0) for rows_CD in _rows(model)]).sum(0)
    return total_D, len(_weight(model))


def _rows(model: Model) -> Iterator[torch.Tensor]:
    """The table as the module returns it, float64, [C, D] at a time."""
    for ids_C in torch.arange(len(_weight(model)), device=model.device).split(ROWS_AT_ONCE):
        yield exact(model.embeddings(ids_C[None])[0])


def _weight(model: Model) -> torch.Tensor:
    return cast(torch.nn.Embedding, model.plain.get_input_embeddings()).weight
