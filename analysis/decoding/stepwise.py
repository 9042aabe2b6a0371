"""Decoders that evaluate the next token, then append one token or the best of several trials.

CNTP, greedy decoding and sampling differ only in the number of trials per step, and in the token
appended if it is one.
"""

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, fields, replace
from typing import Literal

from analysis.decoding import random_streams, trie
from analysis.decoding.branch_events import TrialChoice, fork_events
from analysis.decoding.distributions import NextTokenStats, next_token_stats
from analysis.decoding.events import (
    Forced,
    ForcedToken,
    ForcedTrial,
    TokenStep,
    TraceStop,
)
from analysis.decoding.prefix import Prefix
from analysis.decoding.rounded import ENTROPY_DIGITS
from analysis.decoding.task import DecodingTask
from analysis.decoding.trials import DrawnTrials, Rules, draw_trials
from analysis.errors import InvalidParams
from analysis.events import Event, Progress
from analysis.steps import follow

Mode = Literal["entropy", "fixed", "negative"]
Formula = Literal["code", "paper"]


@dataclass(frozen=True)
class Caution:
    """Mapping from entropy in nats to the number of trials."""

    low: float
    high: float
    most: int
    formula: Formula
    mode: Mode

    def __call__(self, entropy: float) -> int:
        """N for one entropy."""
        if self.mode == "fixed":
            return self.most
        u = min(1.0, max(0.0, (entropy - self.low) / (self.high - self.low)))
        if self.formula == "code" and self.mode == "negative":
            return math.floor(self.most - (self.most - 1) * u)  # rounded as in the authors' code
        if self.formula == "code":
            trials = math.floor(1 + (self.most - 1) * u)
        else:
            trials = min(self.most, max(1, math.floor(self.most * u)))
        return self.most + 1 - trials if self.mode == "negative" else trials


def one_trial(entropy: float) -> int:
    """The caution of decoders without branch points."""
    del entropy
    return 1


@dataclass
class Stepwise:
    """State of a decoder on one trace."""

    task: DecodingTask
    trace: int
    label: str
    prefix: Prefix
    rules: Rules
    caution: Callable[[float], int]
    single: Literal["draw", "likeliest"]
    forced: tuple[Forced, ...] = ()
    steps: int = 0
    starts: set[int] = field(default_factory=set)  # positions at which a step began

    def run(self) -> Generator[Event, None, TraceStop]:
        """Yield steps, branch points and progress until the text ends; return the reason."""
        while len(self.prefix.output) < self.task.length:
            yield self._progress()
            stats = next_token_stats(
                self.prefix.next_logits(), self.rules.sampling, [self.prefix.ids]
            )
            # Uses the rounded number of the trace, so that other thresholds can be evaluated from
            # the trace.
            trials = self.caution(round(float(stats.warped.entropy_R[0]), ENTROPY_DIGITS))
            by_hand = self._by_hand()
            if isinstance(by_hand, ForcedToken) and (
                trials == 1 or not (yield from self._begins_with(stats, trials, by_hand.token))
            ):
                yield self._single(stats, trials, by_hand.token)
            elif trials == 1 and by_hand is None:
                yield self._single(stats, trials, None)
            else:
                trial = by_hand if isinstance(by_hand, ForcedTrial) else None
                yield from self._fork(stats, trials, trial)
            self.steps += 1
            stop = self._stop()
            if stop is not None:
                self._refuse_left_over()
                return stop
        self._refuse_left_over()
        return "length"

    @property
    def position(self) -> int:
        return len(self.prefix.output)

    def _progress(self) -> Progress:
        done, total = self.position, self.task.length
        return Progress(stage=f"decoding: {self.label}", done=done, total=total, unit="tokens")

    def _stop(self) -> TraceStop | None:
        output = self.prefix.output
        if output[-1] in self.rules.eos:
            return "eos"
        return "stop_string" if self.rules.text(output) else None

    def _by_hand(self) -> Forced | None:
        """The forced choice for this position. Raises InvalidParams if it was skipped."""
        for forced in self.forced:
            if isinstance(forced, ForcedTrial) and self._inside_last_step(forced.position):
                raise _no_step(forced.position)
        return next((f for f in self.forced if f.position == self.position), None)

    def _inside_last_step(self, position: int) -> bool:
        return position < self.position and position not in self.starts

    def _step(
        self, stats: NextTokenStats, trials: int, token: int | None, reason: str
    ) -> TokenStep:
        tokenizer = self.task.model.tokenizer
        self.starts.add(self.position)
        return TokenStep(
            trace=self.trace,
            index=self.steps,
            position=self.position,
            entropy=float(stats.warped.entropy_R[0]),
            entropy_raw=float(stats.raw.entropy_R[0]),
            varentropy=stats.varentropy,
            candidates=stats.candidates(tokenizer),
            trials=trials,
            decision="fork" if token is None else "single",
            reason=reason,
            chosen=None if token is None else stats.candidate(tokenizer, token),
            forwards=self.prefix.meter.forwards,
            seconds=self.prefix.meter.seconds,
        )

    def _single(self, stats: NextTokenStats, trials: int, by_hand: int | None) -> TokenStep:
        if by_hand is not None:
            token, reason = self._in_vocabulary(by_hand, stats), "forced"
        elif self.single == "likeliest":
            token, reason = int(stats.warped.argmax_R[0]), "likeliest"
        else:
            u = random_streams.uniforms(self.rules.seed, self.position, 0, 1)
            token, reason = int(random_streams.pick(stats.warped_RV[:1], u.tolist())[0]), "drawn"
        step = self._step(stats, trials, token, reason)
        self.prefix.append([token])
        return step

    def _in_vocabulary(self, token: int, stats: NextTokenStats) -> int:
        vocabulary = stats.raw_RV.shape[1]
        if token >= vocabulary:
            raise InvalidParams(
                f"forced names token {token}; this model has {vocabulary} tokens.",
                remedy=f"Choose a token from 0 to {vocabulary - 1}.",
                field="forced",
            )
        return token

    def _fork(
        self, stats: NextTokenStats, trials: int, by_hand: ForcedTrial | None
    ) -> Generator[Event, None, None]:
        position = self.position
        wanted = None if by_hand is None else by_hand.trial
        if wanted is not None and wanted >= trials:
            raise InvalidParams(
                f"Trial {wanted} was forced at position {position}, where {trials} trials are "
                "sampled.",
                remedy=f"Choose a trial from 0 to {trials - 1}.",
                field="forced",
            )
        yield self._step(stats, trials, None, "trials" if wanted is None else "forced")
        drawing = draw_trials(
            self.prefix, stats, trials, self.rules, room=self.task.length - position, wanted=wanted
        )
        drawn: DrawnTrials = yield from self._advanced(drawing)
        winner = drawn.best(self.rules.scoring) if wanted is None else wanted
        kept = self._kept(position, drawn.paths[winner].ids)
        yield from fork_events(
            self.task.model.tokenizer,
            trace=self.trace,
            index=self.steps,
            context=self.prefix.ids,
            seed=self.rules.seed,
            position=position,
            paths=drawn.paths,
            outcome=self._outcome(drawn, winner, kept, by_hand=wanted is not None),
            forwards=drawn.forwards,
        )
        self._book(drawn, kept)
        self.prefix.append(drawn.paths[winner].ids[:kept], drawn.tails.get(winner))

    def _begins_with(
        self, stats: NextTokenStats, trials: int, token: int
    ) -> Generator[Event, None, bool]:
        """Whether the branch point would append this token first, so that forcing it changes
        nothing.

        Its cost is not part of decoding and is not counted.
        """
        meter = self.prefix.meter
        spent = replace(meter)
        room = self.task.length - self.position
        drawn = yield from self._advanced(
            draw_trials(self.prefix, stats, trials, self.rules, room=room)
        )
        for part in fields(meter):
            setattr(meter, part.name, getattr(spent, part.name))
        return drawn.paths[drawn.best(self.rules.scoring)].ids[0] == token

    def _advanced(
        self, drawing: Generator[None, None, DrawnTrials]
    ) -> Generator[Event, None, DrawnTrials]:
        return follow(drawing, lambda _: self._progress())

    def _kept(self, position: int, ids: list[int]) -> int:
        """Tokens of the winner up to the next one that is forced to differ."""
        inside = (
            forced.position - position
            for forced in self.forced
            if isinstance(forced, ForcedToken)
            and position < forced.position < position + len(ids)
            and forced.token != ids[forced.position - position]
        )
        return min(inside, default=len(ids))

    def _outcome(self, drawn: DrawnTrials, winner: int, kept: int, *, by_hand: bool) -> TrialChoice:
        scoring = self.rules.scoring
        by = "perplexity" if scoring == "warped" else "perplexity_raw"
        return TrialChoice(
            by="forced" if by_hand else by,
            scores=[path.perplexity(scoring) for path in drawn.paths],
            winner=winner,
            kept=kept,
            answers=[None] * len(drawn.paths),
            votes=[],
        )

    def _book(self, drawn: DrawnTrials, kept: int) -> None:
        meter = self.prefix.meter
        nodes = trie.count([path.ids for path in drawn.paths])
        meter.nodes += nodes
        meter.tokens_wasted += nodes - kept

    def _refuse_left_over(self) -> None:
        """Raise InvalidParams for a forced choice whose position was never reached."""
        for forced in self.forced:
            if forced.position >= self.position or (
                isinstance(forced, ForcedTrial) and forced.position not in self.starts
            ):
                raise _no_step(forced.position)


def _no_step(position: int) -> InvalidParams:
    return InvalidParams(
        f"forced names position {position}, where no step begins.",
        remedy="Take the position from the trace that the decision branches off.",
        field="forced",
    )
