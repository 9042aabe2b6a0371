"""Decode canvases of masks, several rows per batch, each independent of the others.

Each step runs one forward pass on the rows that are not full and computes the vocabulary's logits
only at the masked positions of each row's active block. It transfers the statistics to the CPU at
once and commits the positions that the rule selects.

Shape legend: B rows at work, P masked positions of the row that has most (others repeat their
first), V vocabulary, L prompt tokens, G canvas, K candidates kept.
"""

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from analysis.decoding import random_streams
from analysis.decoding.events import Commit, ForcedCommit
from analysis.decoding.selection import Choice, MaskedState, Pick, Rule
from analysis.errors import InvalidParams
from analysis.precision import exact
from kernels.vocab_stats import vocab_stats

KEPT = 3
Logits = Callable[[Tensor, Tensor], Tensor]  # tokens [B, L + G], positions [B, P] → [B, P, V]


@dataclass(frozen=True)
class CanvasSettings:
    """Layout of a canvas: G tokens in blocks of `block`, none of them `banned` or the mask.

    `divergence` is KLASS's ε; None: distributions of the previous step are not kept.
    """

    length: int
    block: int
    mask_id: int
    eos: tuple[int, ...]
    banned: tuple[int, ...] = ()
    temperature: float = 0.0
    eos_fill: bool = False
    divergence: float | None = None


@dataclass(frozen=True)
class MaskedPredictions:
    """Predictions of one row's step at its M masked positions, before it commits; float64."""

    positions_M: Int[np.ndarray, "M"]
    ids_M: Int[np.ndarray, "M"]
    doubt_M: Float[np.ndarray, "M"]  # ln(1 − confidence)
    entropy_M: Float[np.ndarray, "M"]
    gap_M: Float[np.ndarray, "M"]
    top_ids_MK: Int[np.ndarray, "M K"]
    top_probabilities_MK: Float[np.ndarray, "M K"]

    @property
    def confidence_M(self) -> Float[np.ndarray, "M"]:
        confidence_M: np.ndarray = -np.expm1(self.doubt_M)
        return confidence_M


@dataclass(frozen=True)
class RowStep:
    """One step of one row, without the texts of its commits."""

    row: int
    index: int
    block: int
    looked: MaskedPredictions
    choice: Choice
    commits: list[Commit]
    model_seconds: float
    selection_seconds: float


@dataclass
class _Row:
    """State of a canvas; `stable_G` counts KLASS's stable steps per position."""

    number: int
    seed: int
    forced: tuple[ForcedCommit, ...]
    canvas_G: np.ndarray
    stable_G: np.ndarray
    block: int = 0
    steps: int = 0
    before: "tuple[np.ndarray, Tensor] | None" = None  # positions [M], ln p [M, V] of the last step


@dataclass
class Canvases:
    """Rows of equal prompt length, and their decoding rule."""

    logits: Logits
    prompts_BL: Int[np.ndarray, "B L"]
    frame: CanvasSettings
    rule: Rule
    seeds: Sequence[int]
    device: torch.device
    forced: tuple[ForcedCommit, ...] = ()  # of the first row
    rows: list[_Row] = field(init=False)
    forwards: int = 0

    def __post_init__(self) -> None:
        length = self.frame.length
        self.rows = [
            _Row(
                number=number,
                seed=seed,
                forced=self.forced if number == 0 else (),
                canvas_G=np.full(length, self.frame.mask_id, dtype=np.int64),
                stable_G=np.zeros(length, dtype=np.int64),
            )
            for number, seed in enumerate(self.seeds)
        ]

    @property
    def output_BG(self) -> Int[np.ndarray, "B G"]:
        return np.stack([row.canvas_G for row in self.rows])

    def run(self) -> Generator[list[RowStep], None, None]:
        """Yield the steps, one entry per unfinished row, until all rows are full."""
        while working := [row for row in self.rows if self._masked(row).size]:
            yield self._step(working)
        for row in self.rows:
            _refuse_left_over(row)

    def _masked(self, row: _Row) -> np.ndarray:
        """Masked positions of the active block; advances to the next block if there are none."""
        block, frame = self.frame.block, self.frame
        while row.block * block < frame.length:
            inside = row.canvas_G[row.block * block : (row.block + 1) * block]
            masked = np.flatnonzero(inside == frame.mask_id)
            if masked.size:
                return masked + row.block * block
            row.block, row.before = row.block + 1, None
        return np.empty(0, dtype=np.int64)

    @torch.no_grad()
    def _step(self, working: list[_Row]) -> list[RowStep]:
        began = time.perf_counter()
        masked = [self._masked(row) for row in working]
        positions_BP = _padded(masked)
        logits_BPV = self._logits(working, positions_BP).float()
        logits_BPV[..., [self.frame.mask_id, *self.frame.banned]] = -torch.inf
        looked = self._look(working, masked, positions_BP, logits_BPV)
        model_seconds = time.perf_counter() - began
        return [
            self._row_step(row, seen, model_seconds)
            for row, seen in zip(working, looked, strict=True)
        ]

    def _row_step(self, row: _Row, seen: MaskedPredictions, model_seconds: float) -> RowStep:
        began, index, block = time.perf_counter(), row.steps, row.block
        choice = self._choose(row, seen)
        commits = self._commit(row, seen, choice)
        row.steps += 1
        return RowStep(
            row=row.number,
            index=index,
            block=block,
            looked=seen,
            choice=choice,
            commits=commits,
            model_seconds=model_seconds,
            selection_seconds=time.perf_counter() - began,
        )

    def _logits(self, working: list[_Row], positions_BP: np.ndarray) -> Tensor:
        tokens = [[*self.prompts_BL[row.number], *row.canvas_G] for row in working]
        self.forwards += 1
        return self.logits(
            torch.tensor(np.array(tokens), device=self.device),
            torch.from_numpy(positions_BP + self.prompts_BL.shape[1]).to(self.device),
        )

    def _look(
        self,
        working: list[_Row],
        masked: list[np.ndarray],
        positions_BP: np.ndarray,
        logits_BPV: Tensor,
    ) -> list[MaskedPredictions]:
        """Statistics of all rows in one transfer, and KLASS's divergence from the previous step."""
        rows, width, vocabulary = logits_BPV.shape
        flat_RV = logits_BPV.flatten(0, 1)
        kept = min(KEPT, vocabulary)
        stats = vocab_stats(flat_RV, k=kept)
        ids_R = self._chosen(working, positions_BP, logits_BPV, stats.argmax_R)
        doubt_R, entropy_R = doubts(flat_RV, ids_R)
        lse_R = stats.logsumexp_R
        columns = [
            ids_R,
            doubt_R,
            entropy_R,
            (stats.max_R - lse_R).exp() - (stats.second_R - lse_R).exp(),
            self._divergence(working, masked, logits_BPV, lse_R.view(rows, width)),
        ]
        packed = [
            torch.stack([exact(column) for column in columns], 1),
            exact(stats.top_ids_RK),
            exact((stats.top_values_RK - lse_R[:, None]).exp()),
        ]
        table = torch.cat(packed, 1).view(rows, width, -1).cpu().numpy()
        return [
            self._looked(row, at, table[place, : len(at)], kept)
            for place, (row, at) in enumerate(zip(working, masked, strict=True))
        ]

    def _looked(self, row: _Row, at: np.ndarray, table: np.ndarray, kept: int) -> MaskedPredictions:
        if self.frame.divergence is not None:
            stable = table[:, 4] < self.frame.divergence
            row.stable_G[at] = np.where(stable, row.stable_G[at] + 1, 0)
        return MaskedPredictions(
            positions_M=at,
            ids_M=table[:, 0].astype(np.int64),
            doubt_M=table[:, 1],
            entropy_M=table[:, 2],
            gap_M=table[:, 3],
            top_ids_MK=table[:, 5 : 5 + kept].astype(np.int64),
            top_probabilities_MK=table[:, 5 + kept :],
        )

    def _chosen(
        self, working: list[_Row], positions_BP: np.ndarray, logits_BPV: Tensor, argmax_R: Tensor
    ) -> Tensor:
        """The token of each position, [R]: the most probable, or Gumbel-max at the temperature."""
        if not self.frame.temperature:
            return argmax_R
        vocabulary = logits_BPV.shape[-1]
        noise = [
            random_streams.gumbels(row.seed, row.steps, at.tolist(), vocabulary)
            for row, at in zip(working, positions_BP, strict=True)
        ]
        exact_BPV = exact(logits_BPV)
        noise_BPV = torch.stack(noise).to(exact_BPV.device)
        drawn_BP = (exact_BPV + self.frame.temperature * noise_BPV).argmax(-1)
        return drawn_BP.flatten().to(logits_BPV.device)

    def _divergence(
        self, working: list[_Row], masked: list[np.ndarray], logits_BPV: Tensor, lse_BP: Tensor
    ) -> Tensor:
        """KL(current ‖ previous step) in nats, [R]; ∞ at a block's first step."""
        found_BP = torch.full_like(lse_BP, torch.inf)
        if self.frame.divergence is None:
            return found_BP.flatten()
        for place, (row, at) in enumerate(zip(working, masked, strict=True)):
            logp_MV = logits_BPV[place, : len(at)] - lse_BP[place, : len(at), None]
            if row.before is not None:
                then, logp_then = row.before
                same_MV = logp_then[torch.from_numpy(np.searchsorted(then, at))]
                terms_MV = logp_MV.exp() * (logp_MV - same_MV)
                found_BP[place, : len(at)] = terms_MV.nan_to_num(nan=0.0).sum(-1)
            row.before = at, logp_MV
        return found_BP.flatten()

    def _choose(self, row: _Row, seen: MaskedPredictions) -> Choice:
        """The rule's choice among the positions that are not forced in this step."""
        forced = {one.position: one.token for one in row.forced if one.step == row.steps}
        _refuse_elsewhere(list(forced), seen.positions_M, row.steps)
        whole = self._by_rule(row, seen, ())
        if forced.items() <= _written(seen, whole).items():
            return whole  # forced choices replace the rule
        return self._by_rule(row, seen, tuple(forced))

    def _by_rule(self, row: _Row, seen: MaskedPredictions, by_hand: tuple[int, ...]) -> Choice:
        free = ~np.isin(seen.positions_M, by_hand)
        if not free.any():
            return Choice([])
        places = np.flatnonzero(free)
        choice = self.rule(
            MaskedState(
                positions_M=seen.positions_M[free],
                doubt_M=seen.doubt_M[free],
                entropy_M=seen.entropy_M[free],
                stable_M=row.stable_G[seen.positions_M[free]],
                first=row.block * self.frame.block,
                last=(row.block + 1) * self.frame.block - 1,
            )
        )
        picks = [
            Pick(int(places[p.place]), p.reason, p.anchor, p.distance, p.threshold)
            for p in choice.picks
            if not (by_hand and p.reason == "fallback")
        ]
        return Choice(picks, choice.anchors, choice.neighbourhood, choice.near_misses)

    def _commit(self, row: _Row, seen: MaskedPredictions, choice: Choice) -> list[Commit]:
        commits = [
            Commit(
                position=int(seen.positions_M[pick.place]),
                id=int(seen.ids_M[pick.place]),
                text="",
                confidence=float(seen.confidence_M[pick.place]),
                reason=pick.reason,
                anchor=pick.anchor,
                distance=pick.distance,
                threshold=pick.threshold,
            )
            for pick in choice.picks
        ]
        written = {commit.position for commit in commits}
        commits += [
            Commit(position=f.position, id=f.token, text="", confidence=None, reason="forced")
            for f in row.forced
            if f.step == row.steps and f.position not in written
        ]
        for commit in commits:
            row.canvas_G[commit.position] = commit.id
        return [*commits, *self._fill_after_end(row)]

    def _fill_after_end(self, row: _Row) -> list[Commit]:
        """The rest of the canvas, once the active block is full and contains an end-of-text
        token.
        """
        start, stop = row.block * self.frame.block, (row.block + 1) * self.frame.block
        inside = row.canvas_G[start:stop]
        ended = np.flatnonzero(np.isin(inside, self.frame.eos))
        if not self.frame.eos_fill or not ended.size or (inside == self.frame.mask_id).any():
            return []
        token = int(inside[ended[0]])
        row.canvas_G[stop:] = token
        return [
            Commit(position=at, id=token, text="", confidence=None, reason="eos_fill")
            for at in range(stop, self.frame.length)
        ]


def doubts(
    logits_RV: Float[Tensor, "R V"], ids_R: Int[Tensor, "R"]
) -> tuple[Float[Tensor, "R"], Float[Tensor, "R"]]:
    """ln(1 − p) of one token per row, and the row's entropy in nats, float64.

    Computed from the sum over the other tokens, because 1 − p is rounding noise if p is close to 1.
    """
    exact_RV = exact(logits_RV)
    ids_R1 = ids_R[:, None].to(exact_RV.device)
    chosen_R1 = exact_RV.gather(1, ids_R1)
    others_R = exact_RV.scatter(1, ids_R1, -torch.inf).logsumexp(-1)
    whole_R = torch.logaddexp(others_R, chosen_R1[:, 0])
    doubt_R = others_R - whole_R
    terms_RV = torch.special.entr((exact_RV - whole_R[:, None]).exp())
    logp_R = torch.log1p(-doubt_R.exp())
    terms_RV.scatter_(1, ids_R1, (-logp_R * logp_R.exp())[:, None])
    return doubt_R, terms_RV.sum(-1)


def _written(seen: MaskedPredictions, choice: Choice) -> dict[int, int]:
    """Tokens by position that a choice commits."""
    places = [pick.place for pick in choice.picks]
    return dict(zip(seen.positions_M[places].tolist(), seen.ids_M[places].tolist(), strict=True))


def _padded(masked: Sequence[np.ndarray]) -> Int[np.ndarray, "B P"]:
    width = max(len(at) for at in masked)
    return np.stack([np.pad(at, (0, width - len(at)), constant_values=at[0]) for at in masked])


def _refuse_elsewhere(by_hand: list[int], positions_M: np.ndarray, step: int) -> None:
    for position in by_hand:
        if position not in positions_M:
            raise InvalidParams(
                f"Position {position} was forced in step {step}, where it is not a masked position "
                f"of the active block ({positions_M[0]} to {positions_M[-1]}).",
                remedy="Take step and position from the trace that the decision branches off.",
                field="forced",
            )


def _refuse_left_over(row: _Row) -> None:
    for forced in row.forced:
        if forced.step >= row.steps:
            raise InvalidParams(
                f"forced names step {forced.step}; the canvas was full after {row.steps} steps.",
                remedy="Take step and position from the trace that the decision branches off.",
                field="forced",
            )
