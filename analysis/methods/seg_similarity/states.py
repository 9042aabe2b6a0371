"""A picture, a question, the answer, and its states.

Shape legend: L layers and one more (0: what enters the first block; last: after the final norm),
N positions, P patches row by row, S scores, M measures, Q queries of the mask decoder, T points,
H, W pixel rows and columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from analysis.errors import InvalidParams
from analysis.methods.seg_similarity import similarity
from analysis.methods.seg_similarity.answer import GreedyAnswer, Read
from analysis.methods.seg_similarity.events import AnswerToken, AnswerTokens
from analysis.methods.seg_similarity.params import Params
from analysis.methods.seg_similarity.patch_frame import PatchFrame
from analysis.methods.seg_similarity.picture_grid import PictureGrid
from analysis.methods.seg_similarity.similarity import Patches
from analysis.model import VisionLanguageModel
from analysis.worlds.scene_questions import SEG

SEG_TOKENS = (SEG, "[SEG]")  # the token of the bundled model, and that of READ, SESAME and LISA


@dataclass(frozen=True)
class PictureQuestion:
    """A picture and the question about it, with `expected` and `truth_HW` if known."""

    picture: np.ndarray
    question: str
    description: str = ""
    expected: str | None = None
    truth_HW: torch.Tensor | None = None

    @property
    def size(self) -> tuple[int, int]:
        return self.picture.shape[0], self.picture.shape[1]

    @property
    def measured_HW(self) -> torch.Tensor | None:
        """The truth, unless it is empty."""
        return self.truth_HW if self.truth_HW is not None and self.truth_HW.any() else None


@dataclass(frozen=True)
class AnswerStates:
    """An answer with its states and its picture's patches."""

    model: VisionLanguageModel
    params: Params
    asked: PictureQuestion
    answer: GreedyAnswer
    picture: PictureGrid
    tokens: AnswerTokens
    first: Read

    @property
    def grid(self) -> tuple[int, int]:
        return self.picture.size

    @property
    def frame(self) -> PatchFrame:
        return self.picture.frame

    @property
    def position(self) -> int:
        """The token whose state the first map uses."""
        return max(0, self.tokens.query - (self.params.reads == "predicts"))

    @property
    def neutral(self) -> int:
        """Position of the neutral token."""
        if not self.params.neutral.strip():
            return self.tokens.tokens[0].position
        found, known = find_query(self.tokens.tokens, self.params.neutral)
        if not known:
            raise InvalidParams(
                f"neutral is {self.params.neutral!a}, which is not a token of the question or the "
                "answer.",
                remedy="Copy a token from the question or the answer, or leave neutral empty.",
                field="neutral",
            )
        return found

    def patches(self, states_LND: torch.Tensor) -> Patches:
        return Patches.prepare(states_LND[:, list(self.picture.positions_P)])

    def chosen_map(self, states_LND: torch.Tensor) -> torch.Tensor:
        """The map of the params: query, layer and score, [P]."""
        query_L1D = states_LND[:, [self.position]]
        maps = similarity.similarity(
            self.patches(states_LND), query_L1D, states_LND[:, self.neutral]
        )
        return maps[0, similarity.SCORES.index(self.params.score), self.params.layer]


def find_query(tokens: Sequence[AnswerToken], query: str) -> tuple[int, bool]:
    """Position of the query, searched in the answer first; else that of the answer's last word."""
    ordered = sorted(tokens, key=lambda token: not token.answer)
    meant = SEG_TOKENS if query.strip() in SEG_TOKENS else (query.strip(),)
    for token in ordered:
        if token.text.strip() in meant or token.piece in meant:
            return token.position, True
    words = [token for token in tokens if token.answer and not token.special]
    return (words or tokens)[-1].position, False


def measures_of(
    scores_SLP: torch.Tensor, asked: PictureQuestion, grid: tuple[int, int], frame: PatchFrame
) -> np.ndarray | None:
    if asked.measured_HW is None:
        return None
    found: np.ndarray = similarity.measures(scores_SLP, asked.measured_HW, grid, frame).numpy()
    return found
