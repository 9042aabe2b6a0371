"""Decoders that sample complete outputs and select one: best of N and self-consistency.

Each trace is a single branch point at position 0 whose trials are complete outputs.
"""

from collections.abc import Generator
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

from analysis.decoding import trie
from analysis.decoding.branch_events import TrialChoice, fork_events
from analysis.decoding.distributions import NextTokenStats, next_token_stats
from analysis.decoding.events import TokenStep, TraceStop, Vote
from analysis.decoding.meter import TraceMeter
from analysis.decoding.prefix import Prefix
from analysis.decoding.task import DecodingTask
from analysis.decoding.trials import DrawnTrials, Path, Rules, draw_trials
from analysis.events import Event, Progress
from analysis.steps import follow

STOPS: dict[str | None, TraceStop] = {"eos": "eos", "stop_string": "stop_string"}


@dataclass(frozen=True)
class Samples:
    """Complete outputs sampled by `trace`, including its first evaluation and its cost."""

    trace: int
    stats: NextTokenStats
    drawn: DrawnTrials
    spent: TraceMeter


@dataclass
class BestOfN:
    """Sample `samples` outputs; select the lowest perplexity or the most frequent answer.

    `pool` contains the samples of another trace to reuse, or receives those sampled here.
    """

    task: DecodingTask
    trace: int
    label: str
    prefix: Prefix
    rules: Rules
    samples: int
    by: Literal["perplexity", "vote"]
    pool: list[Samples] = field(default_factory=list)
    steps: int = 1

    def run(self) -> Generator[Event, None, TraceStop]:
        drawn = yield from (self._taken(self.pool[0]) if self.pool else self._drawn())
        outcome = self._outcome(drawn)
        yield from fork_events(
            self.task.model.tokenizer,
            trace=self.trace,
            index=0,
            context=self.prefix.ids,
            seed=self.rules.seed,
            position=0,
            paths=drawn.paths,
            outcome=outcome,
            forwards=drawn.forwards,
        )
        winner = drawn.paths[outcome.winner]
        self._book(drawn.paths, winner)
        self.prefix.append(winner.ids)
        return STOPS.get(winner.end, "length")

    def _drawn(self) -> Generator[Event, None, DrawnTrials]:
        stats = next_token_stats(self.prefix.next_logits(), self.rules.sampling, [self.prefix.ids])
        yield fork_step(self.task, self.trace, self.prefix, stats, self.samples)
        drawing = draw_trials(self.prefix, stats, self.samples, self.rules, room=self.task.length)
        drawn: DrawnTrials = yield from self._advanced(drawing)
        self.pool.append(Samples(self.trace, stats, drawn, self.prefix.meter.snapshot()))
        return drawn

    def _taken(self, found: Samples) -> Generator[Event, None, DrawnTrials]:
        """Another trace's samples; their cost is also counted here."""
        self.prefix.meter.main_forwards = 1
        yield fork_step(self.task, self.trace, self.prefix, found.stats, self.samples)
        self.prefix.meter.repeat(found.spent)
        return found.drawn

    def _advanced(
        self, drawing: Generator[None, None, DrawnTrials]
    ) -> Generator[Event, None, DrawnTrials]:
        stage, total, drawn = f"decoding: {self.label}", self.task.length, count(1)
        return follow(
            drawing, lambda _: Progress(stage=stage, done=next(drawn), total=total, unit="tokens")
        )

    def _outcome(self, drawn: DrawnTrials) -> TrialChoice:
        answers = [self.task.read_answer(path.ids) for path in drawn.paths]
        votes = count_votes(answers)
        if self.by == "vote" and votes:
            winner = votes[0].trials[0]
            share = {trial: len(vote.trials) for vote in votes for trial in vote.trials}
            scores = [-float(share.get(path.number, 0)) for path in drawn.paths]
        else:
            winner = drawn.best("warped")
            scores = [path.perplexity("warped") for path in drawn.paths]
        return TrialChoice(
            by="vote" if self.by == "vote" and votes else "perplexity",
            scores=scores,
            winner=winner,
            kept=len(drawn.paths[winner].ids),
            answers=answers,
            votes=votes if self.by == "vote" else [],
        )

    def _book(self, paths: list[Path], winner: Path) -> None:
        meter = self.prefix.meter
        meter.nodes = trie.count([path.ids for path in paths])
        meter.tokens_wasted = meter.nodes - len(winner.ids)


def count_votes(answers: list[str | None]) -> list[Vote]:
    """Answers with their trials, by descending votes; ties in order of occurrence."""
    found: dict[str, list[int]] = {}
    for trial, answer in enumerate(answers):
        if answer is not None:
            found.setdefault(answer, []).append(trial)
    ordered = sorted(found.items(), key=lambda item: -len(item[1]))
    return [Vote(answer=answer, trials=trials) for answer, trials in ordered]


def fork_step(
    task: DecodingTask, trace: int, prefix: Prefix, stats: NextTokenStats, trials: int
) -> TokenStep:
    """The only step of a trace that is a single branch point."""
    return TokenStep(
        trace=trace,
        index=0,
        position=0,
        entropy=float(stats.warped.entropy_R[0]),
        entropy_raw=float(stats.raw.entropy_R[0]),
        varentropy=stats.varentropy,
        candidates=stats.candidates(task.model.tokenizer),
        trials=trials,
        decision="fork",
        reason="trials",
        chosen=None,
        forwards=prefix.meter.forwards,
        seconds=prefix.meter.seconds,
    )
