"""Run ReAGent's probes on a model: contexts with replaced tokens, for all targets at once.

Shape legend as in `methods/reagent.py`: K probes, N positions, L prompt tokens, T output
tokens, R rows (the target first, then each output token), P parallel probes, S steps.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from analysis.methods.reagent.estimators import (
    Z_95,
    Probe,
    group_starts,
    is_separated,
    measured,
    paper_mean,
    step_changes,
    summed,
    top_set,
)
from analysis.methods.reagent.replacers import Replacer
from analysis.model import Model
from analysis.precision import exact

PROBES, STEPS, START, TEST = range(4)  # kinds of random streams; each has its own seed
SHOWN_STEPS = (
    8,
    16,
    32,
)  # steps of the paper's estimator between two maps; the last value is repeated
BUSY_ROWS = 16  # rows that keep a CPU busy: larger passes take proportionally longer


@dataclass(frozen=True)
class ProbeCase:
    """One context and its targets.

    `replaceable_N` marks positions that may be replaced; `span` is the range of the target's output
    tokens; `contrast_token` is a contrast token at the first position of the span.
    """

    model: Model
    ids_N: Int[np.ndarray, "N"]
    prompt_length: int
    replaceable_N: Bool[np.ndarray, "N"]
    words_N: Int[np.ndarray, "N"]
    sentences_N: Int[np.ndarray, "N"]
    span: range
    contrast_token: int | None
    replacer: Replacer
    rate: float
    measure: str
    top_n: int
    rows_per_forward: int
    seed: int

    @property
    def length(self) -> int:
        return len(self.ids_N)

    @property
    def outputs(self) -> int:
        return self.length - self.prompt_length

    @property
    def valid_R(self) -> Int[np.ndarray, "R"]:
        """Number of scored positions per row: those before the row's last token."""
        rows = [self.span[-1], *range(self.outputs)]
        return np.array([self.prompt_length + last for last in rows])

    def allowed(self, row: int) -> Bool[np.ndarray, "N"]:
        """Positions that have a score in a row, [N] bool."""
        allowed: np.ndarray = self.replaceable_N & (np.arange(self.length) < self.valid_R[row])
        return allowed

    def stream(self, *key: int) -> np.random.Generator:
        """An independent random stream for each key."""
        return np.random.default_rng([self.seed, *key])

    def chunk(self) -> int:
        return self.model.rows_per_pass(self.length, self.outputs, self.rows_per_forward)

    def replaced(
        self, masks_BN: Bool[np.ndarray, "*B N"], uniform_BN: Float[np.ndarray, "*B N"]
    ) -> Int[np.ndarray, "*B N"]:
        """Contexts with the masked positions replaced, [B, N] ids."""
        return np.where(masks_BN, self.replacer.draw(uniform_BN), self.ids_N)


@dataclass(frozen=True)
class Maps:
    """Scores so far, [R, N] with standard errors per position, word and sentence.

    `base` is the measure of each row on the unchanged context, [R]; `single` and `joint_R` are the
    half-widths of 95 % intervals in standard errors, for one token and simultaneous for all tokens
    of a row.
    """

    base: Float[np.ndarray, "R"]
    probes: int
    mean: Float[np.ndarray, "R N"]
    error: Float[np.ndarray, "R N"]
    word_error: Float[np.ndarray, "R W"]
    sentence_error: Float[np.ndarray, "R G"]
    stable_since: list[int]
    separated: list[bool]
    final: bool = False
    estimator: str = "paper"
    single: float | None = None
    joint_R: tuple[float, ...] = ()


@torch.no_grad()
def logprobs(
    case: ProbeCase, ids_BN: Int[np.ndarray, "B N"]
) -> tuple[Float[np.ndarray, "B T"], Float[np.ndarray, "B"]]:
    """Log-probabilities of the output tokens, [B, T], and of the contrast token, [B], float64.

    One teacher-forced pass gives the log-probabilities of all targets.
    """
    first = case.prompt_length - 1
    inputs = torch.from_numpy(ids_BN[:, :-1]).to(case.model.device)
    logits = exact(case.model.logits(inputs, torch.arange(first, case.length - 1)))
    total = logits.logsumexp(-1)
    targets = torch.from_numpy(case.ids_N[case.prompt_length :]).to(logits.device)
    chosen = logits.gather(-1, targets.expand(len(logits), -1)[..., None])[..., 0] - total
    at = case.span[0]
    contrast_token = (
        logits[:, at, case.contrast_token] - total[:, at]
        if case.contrast_token is not None
        else total[:, at] * 0
    )
    return chosen.cpu().numpy(), contrast_token.cpu().numpy()


def row_logprobs(case: ProbeCase, chosen_BT: Float[np.ndarray, "B T"]) -> Float[np.ndarray, "B R"]:
    """Log-probability of each row's target, [B, R]: the sum over the span, then each token."""
    span = chosen_BT[:, case.span.start : case.span.stop].sum(1, keepdims=True)
    return np.concatenate([span, chosen_BT], axis=1)


def row_measures(
    case: ProbeCase, chosen_BT: Float[np.ndarray, "B T"], contrast_B: Float[np.ndarray, "B"]
) -> Float[np.ndarray, "B R"]:
    """The measure of each row, [B, R]; with a contrast token all are log-probabilities."""
    rows = row_logprobs(case, chosen_BT)
    if case.contrast_token is None:
        return measured(rows, case.measure)
    rows[:, 0] = chosen_BT[:, case.span[0]] - contrast_B
    return rows


def batches(case: ProbeCase, ids_BN: np.ndarray) -> Iterator[np.ndarray]:
    """Row ranges of passes that are short enough to keep the run interruptible."""
    size = case.chunk()
    for start in range(0, len(ids_BN), size):
        yield ids_BN[start : start + size]


def paper_maps(case: ProbeCase, probes: int, max_steps: int, top_k: int) -> Iterator["int | Paper"]:
    """Yield the number of stopped probes, and maps after each block of steps.

    The procedure is the paper's, step by step. Since updates do not depend on earlier ones, a block
    of steps is one batch, and the stopping tests of its prefixes are another.
    """
    search = PaperSearch(case, probes, max_steps, top_k)
    snapshots = Snapshots(case, search.base)
    sizes = iter(SHOWN_STEPS)
    shown = next(sizes)
    while search.unfinished():
        yield from search.advance(search.block())
        if search.step >= shown or not search.unfinished():
            yield search.snapshot(snapshots)
            shown = search.step + next(sizes, SHOWN_STEPS[-1])


@dataclass(frozen=True)
class Paper:
    """The maps of the paper's estimator, and how the probes of each row stopped."""

    maps: Maps
    rows: list[list[Probe]]


class PaperSearch:
    """The probes of the paper's estimator for all rows, advanced by blocks of steps."""

    def __init__(self, case: ProbeCase, probes: int, max_steps: int, top_k: int) -> None:
        self.case, self.max_steps, self.top_k, self.step = case, max_steps, top_k, 0
        self.base = np.exp(row_logprobs(case, logprobs(case, case.ids_N[None])[0]))[0]
        self.updates = [case.stream(STEPS, p) for p in range(probes)]
        rows = range(len(self.base))
        self.rows = [
            [Probe(case.stream(START, r, p).random(case.length)) for p in range(probes)]
            for r in rows
        ]
        self.tests = [[case.stream(TEST, r, p) for p in range(probes)] for r in rows]
        self.first = 0
        if len(case.span) == 1:  # the target is a single output token, whose row is reused
            self.rows[0], self.first = self.rows[case.span[0] + 1], 1

    def unfinished(self) -> list[tuple[int, int]]:
        """(row, probe) pairs that have neither converged nor reached the limit."""
        return [
            (r, p)
            for r, probes in enumerate(self.rows)
            if r >= self.first
            for p, probe in enumerate(probes)
            if not probe.converged and probe.steps < self.max_steps
        ]

    def block(self) -> int:
        """Steps to run next as one batch.

        Steps after a probe's stop are discarded, so that blocks are no larger than the device
        needs.
        """
        rows = self.case.chunk()
        if self.case.model.device.type == "cpu":
            rows = min(rows, BUSY_ROWS)
        probes = len({p for _, p in self.unfinished()})
        return max(1, min(rows // probes, self.max_steps - self.step))

    def advance(self, size: int) -> Iterator[int]:
        """Run `size` steps of every unfinished probe; yield the number of stopped ones."""
        pairs = self.unfinished()
        changes = yield from self._updates(pairs, size)
        for r in sorted({r for r, _ in pairs}):
            yield from self._test(r, [p for row, p in pairs if row == r], changes)
        self.step += size

    def snapshot(self, snapshots: "Snapshots") -> Paper:
        """The current maps, over converged probes if there are any."""
        found = [
            paper_mean(probes, self.case.allowed(r), column_starts(self.case))
            for r, probes in enumerate(self.rows)
        ]
        mean, error = (np.stack(part) for part in zip(*found, strict=True))
        final = not self.unfinished()
        return Paper(snapshots.take(mean, error, self.step, final=final), self.rows)

    def _stopped(self) -> int:
        probes = [probe for probes in self.rows for probe in probes]
        return sum(probe.converged or probe.steps >= self.max_steps for probe in probes)

    def _updates(
        self, pairs: list[tuple[int, int]], size: int
    ) -> Generator[int, None, dict[tuple[int, int], np.ndarray]]:
        """Updates of the scores in a block of steps, [S, N] per (row, probe)."""
        case, probes = self.case, sorted({p for _, p in pairs})
        uniform = np.stack([self.updates[p].random((size, 2, case.length)) for p in probes])
        masks = (uniform[:, :, 0] < case.rate) & case.replaceable_N
        ids = case.replaced(masks, uniform[:, :, 1]).reshape(-1, case.length)
        chosen = []
        for part in batches(case, ids):
            chosen.append(logprobs(case, part)[0])
            yield self._stopped()
        falls = self.base - np.exp(row_logprobs(case, np.concatenate(chosen)))
        falls = falls.reshape(len(probes), size, -1)
        at = {p: place for place, p in enumerate(probes)}
        return {(r, p): step_changes(masks[at[p]], falls[at[p], :, r]) for r, p in pairs}

    def _test(
        self, r: int, probes: list[int], changes: dict[tuple[int, int], np.ndarray]
    ) -> Iterator[int]:
        """Stopping test of one row on every prefix of the block; the first success ends a probe."""
        case, allowed = self.case, self.case.allowed(r)
        scores = np.stack([self.rows[r][p].scores_N + changes[r, p].cumsum(0) for p in probes])
        uniform = np.stack([self.tests[r][p].random(scores.shape[1:]) for p in probes])
        masks = _all_but_top(scores, allowed, case.top_n)
        ids = case.replaced(masks, uniform).reshape(-1, case.length)
        hits = []
        for part in batches(case, ids):
            hits.append(self._is_likely(r, part))
            yield self._stopped()
        for p, row, hit in zip(probes, scores, _rows(hits, len(probes)), strict=True):
            taken = int(hit.argmax()) + 1 if hit.any() else len(hit)
            probe = self.rows[r][p]
            probe.scores_N, probe.converged = row[taken - 1], bool(hit.any())
            probe.steps += taken

    @torch.no_grad()
    def _is_likely(self, r: int, ids_BN: np.ndarray) -> np.ndarray:
        """Whether each target token of the row is among the k most probable, [B]."""
        case = self.case
        tokens = list(case.span) if r == 0 else [r - 1]
        positions = torch.tensor([case.prompt_length + t for t in tokens])
        ids = torch.from_numpy(ids_BN[:, : int(positions[-1])]).to(case.model.device)
        logits = case.model.logits(ids, positions - 1)
        targets = torch.from_numpy(case.ids_N[positions.numpy()]).to(logits.device)
        chosen = logits.gather(-1, targets.expand(len(logits), -1)[..., None])
        likely = (logits > chosen).sum(-1) < self.top_k
        return likely.all(-1).cpu().numpy()


class Snapshots:
    """Converts running results to maps, and records since when each row's top set is unchanged."""

    def __init__(self, case: ProbeCase, base_R: np.ndarray) -> None:
        self.case, self.base = case, base_R
        self.allowed = np.stack([case.allowed(row) for row in range(len(base_R))])
        self.sets: list[frozenset[int] | None] = [None] * len(base_R)
        self.since = [0] * len(base_R)

    def take(
        self,
        mean_RC: np.ndarray,
        error_RC: np.ndarray,
        probes: int,
        *,
        final: bool,
        factor_R: tuple[float, ...] | None = None,
    ) -> Maps:
        """Maps of columns; 0 where a row has no score."""
        case = self.case
        cuts = np.cumsum([len(starts) for starts in column_starts(case)])[:-1]
        error, words, sentences = np.split(error_RC, cuts, axis=1)
        mean = np.where(self.allowed, mean_RC[:, : case.length], 0.0)
        error = np.where(self.allowed, error, 0.0)
        self._watch(mean, probes)
        separated = [
            is_separated(m, e, a, case.top_n, factor)
            for m, e, a, factor in zip(
                mean, error, self.allowed, factor_R or (Z_95,) * len(mean), strict=True
            )
        ]
        since = list(self.since)
        return Maps(self.base, probes, mean, error, words, sentences, since, separated, final)

    def _watch(self, mean_RN: np.ndarray, probes: int) -> None:
        for row, (mean, allowed) in enumerate(zip(mean_RN, self.allowed, strict=True)):
            found = top_set(mean, allowed, self.case.top_n)
            if found != self.sets[row]:
                self.sets[row], self.since[row] = found, probes


def base_measures(case: ProbeCase) -> Float[np.ndarray, "R"]:
    """The measure of each row on the unchanged context, [R]."""
    found: np.ndarray = row_measures(case, *logprobs(case, case.ids_N[None]))[0]
    return found


def column_starts(case: ProbeCase) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First position of each column: every position, each word, each sentence."""
    every = np.arange(case.length)
    return every, group_starts(case.words_N), group_starts(case.sentences_N)


def columns(case: ProbeCase, masks_KN: Bool[np.ndarray, "K N"]) -> Float[np.ndarray, "K C"]:
    """Σ (m_i − r) over the open positions of each position, word and sentence, [K, C]."""
    centred = (masks_KN - case.rate) * case.replaceable_N
    return summed(centred, column_starts(case))


def _all_but_top(scores_PSN: np.ndarray, allowed_N: np.ndarray, n: int) -> np.ndarray:
    """The allowed positions outside the n highest; ties go to the earlier position."""
    order = np.argsort(np.where(allowed_N, -scores_PSN, np.inf), axis=-1, kind="stable")
    masks = np.broadcast_to(allowed_N, scores_PSN.shape).copy()
    np.put_along_axis(masks, order[..., :n], values=False, axis=-1)
    return masks


def _rows(parts: list[np.ndarray], count: int) -> np.ndarray:
    return np.concatenate(parts).reshape(count, -1)
