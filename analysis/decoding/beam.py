"""Beam search on the model's raw probabilities, as in transformers' `generate`.

A finished hypothesis is kept with the score (Σ ln p) / length; higher is better. The search ends
when the best running hypothesis, at its current length, can no longer beat the worst of `beams`
kept ones, or when the output is full.

Shape legend: R running hypotheses, V vocabulary.
"""

from collections.abc import Generator
from dataclasses import dataclass, field

import numpy as np
from transformers import DynamicCache

from analysis.decoding import cache as caches
from analysis.decoding import trie
from analysis.decoding.best_of_n import STOPS, fork_step
from analysis.decoding.branch_events import TrialChoice, fork_events
from analysis.decoding.distributions import NextTokenStats, next_token_stats, ranks
from analysis.decoding.events import TraceStop, TrialEnd
from analysis.decoding.prefix import Prefix, forward
from analysis.decoding.stops import TextStop
from analysis.decoding.task import DecodingTask
from analysis.decoding.trials import Path
from analysis.events import Event, Progress
from analysis.text.sampling import Sampling


@dataclass(frozen=True)
class Hypothesis:
    """A beam: its tokens with ln p, entropy and rank of each."""

    ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    entropies: tuple[float, ...] = ()
    ranks: tuple[int, ...] = ()
    end: TrialEnd | None = None

    @property
    def total(self) -> float:
        return sum(self.logprobs, 0.0)

    @property
    def score(self) -> float:
        return self.total / len(self.ids)


@dataclass
class Beam:
    """A search at work on one trace."""

    task: DecodingTask
    trace: int
    label: str
    prefix: Prefix
    beams: int
    text: TextStop
    finished: list[Hypothesis] = field(default_factory=list)
    steps: int = 1

    def run(self) -> Generator[Event, None, TraceStop]:
        stats = next_token_stats(self.prefix.next_logits(), Sampling())
        yield fork_step(self.task, self.trace, self.prefix, stats, self.beams)
        running, forwards = [Hypothesis()], 0
        cache: DynamicCache | None = None
        while True:
            running, parents = self._grow(running, stats)
            if not running or self._settled(running):
                break
            if cache is None:
                cache = caches.spread(self.prefix.cache, len(running))
            else:
                caches.select(cache, parents, self.task.model.device)
            stats = self._read(cache, running)
            forwards += 1
            yield self._progress(len(running[0].ids))
        paths = [_as_path(number, found) for number, found in enumerate(self.finished)]
        yield from fork_events(
            self.task.model.tokenizer,
            trace=self.trace,
            index=0,
            context=self.prefix.ids,
            seed=self.task.seed,
            position=0,
            paths=paths,
            outcome=self._outcome(paths),
            forwards=forwards,
        )
        winner = paths[0]
        meter = self.prefix.meter
        meter.nodes = trie.count([path.ids for path in paths])
        meter.tokens_wasted = max(0, meter.tokens_computed - (len(winner.ids) - 1))
        self.prefix.append(winner.ids)
        return STOPS.get(winner.end, "length")

    def _grow(
        self, running: list[Hypothesis], stats: NextTokenStats
    ) -> tuple[list[Hypothesis], list[int]]:
        """The next running hypotheses and their parent rows; finished ones are kept."""
        candidates = self._candidates(running, stats)
        ended = [found for found, _ in candidates[: self.beams] if found.end is not None]
        kept = sorted([*self.finished, *ended], key=lambda found: -found.score)
        self.finished = kept[: self.beams]
        going = [(found, row) for found, row in candidates if found.end is None][: self.beams]
        return [found for found, _ in going], [row for _, row in going]

    def _candidates(
        self, running: list[Hypothesis], stats: NextTokenStats
    ) -> list[tuple[Hypothesis, int]]:
        """The most probable continuations with their rows, enough for `beams` unfinished ones."""
        totals_R1 = stats.raw_RV.new_tensor([found.total for found in running])[:, None]
        scores_RV = totals_R1 + stats.raw_RV
        wanted = max(2, 1 + len(self.task.eos)) * self.beams
        best = scores_RV.flatten().topk(min(wanted, scores_RV.numel()))
        vocabulary = scores_RV.shape[1]
        rows, tokens = best.indices // vocabulary, best.indices % vocabulary
        columns = (
            rows.tolist(),
            tokens.tolist(),
            stats.raw_RV[rows, tokens].tolist(),
            stats.raw.entropy_R[rows].tolist(),
            ranks(stats, rows, tokens),
        )
        return [
            (self._child(running[row], *rest), row) for row, *rest in zip(*columns, strict=True)
        ]

    def _child(
        self, parent: Hypothesis, token: int, logprob: float, entropy: float, rank: int
    ) -> Hypothesis:
        ids = (*parent.ids, token)
        return Hypothesis(
            ids=ids,
            logprobs=(*parent.logprobs, logprob),
            entropies=(*parent.entropies, entropy),
            ranks=(*parent.ranks, rank),
            end=self._ending(ids),
        )

    def _ending(self, ids: tuple[int, ...]) -> TrialEnd | None:
        if ids[-1] in self.task.eos:
            return "eos"
        if self.text([*self.prefix.output, *ids]):
            return "stop_string"
        return "length" if len(ids) == self.task.length else None

    def _settled(self, running: list[Hypothesis]) -> bool:
        """Whether no running hypothesis can beat the worst kept one."""
        if len(self.finished) < self.beams:
            return False
        return running[0].score <= self.finished[-1].score

    def _read(self, cache: DynamicCache, running: list[Hypothesis]) -> NextTokenStats:
        meter = self.prefix.meter
        with meter.forward(len(running), trial=True):
            rows = [[found.ids[-1]] for found in running]
            logits = forward(self.task.model, cache, rows)
        meter.hold(caches.held_bytes(self.prefix.cache) + caches.held_bytes(cache))
        return next_token_stats(logits, Sampling())

    def _outcome(self, paths: list[Path]) -> TrialChoice:
        return TrialChoice(
            by="beam",
            scores=[-found.score for found in self.finished],
            winner=0,
            kept=len(paths[0].ids),
            answers=[self.task.read_answer(path.ids) for path in paths],
            votes=[],
        )

    def _progress(self, done: int) -> Progress:
        stage = f"decoding: {self.label}"
        return Progress(stage=stage, done=done, total=self.task.length, unit="tokens")


def _as_path(number: int, found: Hypothesis) -> Path:
    return Path(
        number=number,
        uniforms=np.empty(0),
        ids=list(found.ids),
        logprobs=list(found.logprobs),
        logprobs_raw=list(found.logprobs),
        entropies=list(found.entropies),
        ranks=list(found.ranks),
        end=found.end,
    )
