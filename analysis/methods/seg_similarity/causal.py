"""Causal check: which patches an answer depends on, by masking patches of the picture.

Shape legend: L layers and one more (0: what enters the first block; last: after the final norm),
N positions, P patches row by row, S scores, M measures, Q queries of the mask decoder, T points,
H, W pixel rows and columns.
"""

from collections.abc import Iterator, Sequence
from random import Random

import numpy as np
import torch
from PIL import Image

from analysis.events import Event, Progress
from analysis.methods.seg_similarity import answer as visual_answer
from analysis.methods.seg_similarity.events import Blanked
from analysis.methods.seg_similarity.masking import mask_patches, random_outside
from analysis.methods.seg_similarity.states import AnswerStates
from analysis.precision import exact


def causal_check(looked: AnswerStates, region: Sequence[int], other: np.ndarray) -> Iterator[Event]:
    """The answer's log-probability with the region masked, and with as many other patches
    masked.
    """
    if not region:
        return
    params, patches = looked.params, looked.grid[0] * looked.grid[1]
    rng = Random(params.seed)
    draws = [random_outside(region, patches, rng) for _ in range(params.controls)]
    rounds = [(False, sorted(set(region))), *((True, cells) for cells in draws if cells)]
    for number, (control, cells) in enumerate(rounds):
        yield Progress(stage="blanking", done=number, total=len(rounds), unit="pictures")
        yield _masked(looked, cells, other, control=control)


def _masked(
    looked: AnswerStates, cells: Sequence[int], other: np.ndarray, *, control: bool
) -> Blanked:
    asked, answer = looked.asked, looked.answer
    picture = mask_patches(
        asked.picture, cells, looked.grid, looked.frame, fill=looked.params.fill, other=other
    )
    inputs = visual_answer.inputs_with(
        looked.model, answer, Image.fromarray(picture), asked.question
    )
    again = visual_answer.read(looked.model, answer, inputs)
    changes = [
        after - before for before, after in zip(looked.first.logprobs, again.logprobs, strict=True)
    ]
    at = looked.tokens.query - answer.prompt_length
    return Blanked(
        control=control,
        drawn=bool(looked.params.region),
        cells=np.array(cells, np.int32),
        picture=picture,
        answer_change=sum(changes),
        token_change=changes[at] if at >= 0 else None,
        map_change=_map_change(looked, again.states_LND, cells),
    )


def _map_change(looked: AnswerStates, states_LND: torch.Tensor, cells: Sequence[int]) -> float:
    """1 − cosine of the centred maps over the unmasked patches; 0 if one of them is constant."""
    before_P = exact(looked.chosen_map(looked.first.states_LND))
    after_P = exact(looked.chosen_map(states_LND))
    kept_P = torch.ones(len(before_P), dtype=torch.bool)
    kept_P[list(cells)] = False
    both = torch.stack([before_P[kept_P], after_P[kept_P]])
    own = both - both.mean(-1, keepdim=True)
    lengths = own.norm(dim=-1).prod()
    return max(0.0, float(1 - (own[0] @ own[1]) / lengths)) if lengths > 0 else 0.0
