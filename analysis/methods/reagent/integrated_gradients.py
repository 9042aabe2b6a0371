"""Integrated gradients with a completeness check: Captum on pieces of the path, refined adaptively.

Scores along a path sum to f(input) − f(baseline) (completeness), and the same holds for each piece
of it. The difference for a piece is its remainder, which errors of other pieces cannot cancel.

Shape legend: N positions, D width.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from captum.attr import IntegratedGradients
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field

from analysis.model.stepping import by_pass
from analysis.precision import exact
from analysis.steps import follow

FIRST_PIECES = 4
PIECE_STEPS = 16  # Gauss-Legendre nodes of one piece
MOST_STEPS = 4096
LARGEST_REMAINDER = 0.01  # of f(input) − f(baseline)
SMALLEST_TOLERANCE = 1e-3  # nats: where the difference itself is about 0

Result = TypeVar("Result")
Explain = Callable[[torch.Tensor], torch.Tensor]


class Completeness(BaseModel):
    """Completeness of the scores: whether they sum to the difference, in the unit of the scores."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    steps: int = Field(description="Number of gradients along the path.")
    difference: float = Field(description="f(input) − f(baseline): the expected sum of the scores.")
    remainder: float = Field(
        description="Sum of all scores, including protected positions, minus the difference."
    )
    tolerance: float = Field(
        description="Steps are added until the remainder is within this tolerance."
    )
    reached: bool = Field(
        description="Whether the tolerance was reached; false: the maximum number of steps was "
        "reached, and the scores are coarse."
    )


@dataclass(frozen=True)
class Integrated:
    """Scores of all positions, and their completeness."""

    scores_N: Float[np.ndarray, "N"]
    completeness: Completeness


@dataclass(frozen=True)
class _Piece:
    """The path from `start` to `stop`, 0 at the baseline and 1 at the input."""

    start: float
    stop: float
    scores_N: Float[np.ndarray, "N"]
    remainder: float


def integrate(
    explain: Explain,
    inputs_1ND: torch.Tensor,
    baseline_1ND: torch.Tensor,
    rows: int,
    *,
    rounding: float = 0.0,
) -> Iterator[int | Integrated]:
    """Yield the number of steps before each pass, then the result; at most `rows` rows per pass.

    `rounding`: differences of f up to this value are ignored, so that no steps are spent on them.

    The absolute remainders of the pieces sum to at most 1 % of the difference (or 0.001 nats, or
    `rounding`), unless `MOST_STEPS` is reached first.
    """
    path = _Path(explain, inputs_1ND, baseline_1ND, rows)
    difference = yield from path.told(lambda: path.difference(0.0, 1.0))
    tolerance = max(LARGEST_REMAINDER * abs(difference), SMALLEST_TOLERANCE, rounding)
    pieces = []
    for number in range(FIRST_PIECES):
        pieces.append((yield from path.piece(number / FIRST_PIECES, (number + 1) / FIRST_PIECES)))
        yield path.steps
    while _apart(pieces) > tolerance and path.steps + 2 * PIECE_STEPS <= MOST_STEPS:
        worst = pieces.pop(max(range(len(pieces)), key=lambda n: abs(pieces[n].remainder)))
        middle = (worst.start + worst.stop) / 2
        for start, stop in ((worst.start, middle), (middle, worst.stop)):
            pieces.append((yield from path.piece(start, stop)))
        yield path.steps
    scores_N = np.sum([piece.scores_N for piece in pieces], 0)
    yield Integrated(
        scores_N,
        Completeness(
            steps=path.steps,
            difference=difference,
            remainder=float(scores_N.sum()) - difference,
            tolerance=tolerance,
            reached=_apart(pieces) <= tolerance,
        ),
    )


def _apart(pieces: list[_Piece]) -> float:
    return sum(abs(piece.remainder) for piece in pieces)


class _Path:
    """The straight line from the baseline to the input, and its number of gradients so far."""

    def __init__(
        self, explain: Explain, inputs_1ND: torch.Tensor, baseline_1ND: torch.Tensor, rows: int
    ) -> None:
        self.explain, self.inputs, self.baseline, self.rows = (
            explain, inputs_1ND, baseline_1ND, rows,
        )  # fmt: skip
        self.steps = 0

    def at(self, share: float) -> torch.Tensor:
        return self.baseline + share * (self.inputs - self.baseline)

    @torch.no_grad()
    def difference(self, start: float, stop: float) -> float:
        low, high = (float(self.explain(self.at(share))) for share in (start, stop))
        return high - low

    def piece(self, start: float, stop: float) -> Generator[int, None, _Piece]:
        return (yield from self.told(lambda: self._piece(start, stop)))

    def told(self, work: Callable[[], Result]) -> Generator[int, None, Result]:
        """Yield the number of steps before each forward pass of `work`."""
        return (yield from follow(by_pass(work), lambda _: self.steps))

    def _piece(self, start: float, stop: float) -> _Piece:
        with torch.enable_grad():
            product_1ND = IntegratedGradients(self.explain).attribute(
                self.at(stop), baselines=self.at(start), n_steps=PIECE_STEPS,
                internal_batch_size=self.rows,
            )  # fmt: skip
        self.steps += PIECE_STEPS
        scores_N = exact(product_1ND[0]).sum(-1).detach().cpu().numpy()
        remainder = float(scores_N.sum()) - self.difference(start, stop)
        return _Piece(start, stop, scores_N, remainder)
