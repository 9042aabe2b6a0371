"""Trials of a branch point: several continuations sampled together in batched forward passes.

Trials with equal tokens so far share a row; a row whose trials have all ended is dropped. With a
cap of M tokens, a trial of negative log-likelihood S can at best reach the perplexity exp(S / M),
since later tokens only add to S. If that exceeds the best finished perplexity, the trial is pruned,
which is exact.

Shape legend: R rows of the batch, V vocabulary.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from transformers import DynamicCache

from analysis.decoding import cache as caches
from analysis.decoding import random_streams, trie
from analysis.decoding.cache import Tail
from analysis.decoding.distributions import NextTokenStats, next_token_stats, ranks
from analysis.decoding.events import TrialEnd
from analysis.decoding.prefix import Prefix, forward
from analysis.decoding.stops import ClauseStop, TextStop
from analysis.text.sampling import Sampling


@dataclass(frozen=True)
class Rules:
    """How trials are sampled, scored and ended; `cap` is the maximum length in tokens."""

    sampling: Sampling
    seed: int
    scoring: Literal["warped", "raw"]
    clause: ClauseStop | None  # None: only the end of the text ends a trial
    text: TextStop
    eos: tuple[int, ...]
    cap: int
    prune: bool


@dataclass
class Path:
    """A trial: its tokens, and per token the natural logs of q (warped) and p (raw)."""

    number: int
    uniforms: np.ndarray = field(repr=False)
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    logprobs_raw: list[float] = field(default_factory=list)
    entropies: list[float] = field(default_factory=list)
    ranks: list[int] = field(default_factory=list)
    end: TrialEnd | None = None

    def nll(self, scoring: Literal["warped", "raw"]) -> float:
        """Negative log-likelihood, nats."""
        return -sum(self.logprobs if scoring == "warped" else self.logprobs_raw)

    def perplexity(self, scoring: Literal["warped", "raw"]) -> float:
        return float(np.exp(self.nll(scoring) / len(self.ids)))


@dataclass
class DrawnTrials:
    """All trials of a branch point; `tails` has the keys and values of those that may be
    appended.
    """

    paths: list[Path]
    tails: dict[int, Tail] = field(default_factory=dict)
    forwards: int = 0

    def best(self, scoring: Literal["warped", "raw"]) -> int:
        """The trial of lowest perplexity, ties to the first; pruned trials cannot win."""
        ended = [path for path in self.paths if path.end not in (None, "pruned")]
        return min(ended, key=lambda path: path.perplexity(scoring)).number


def draw_trials(
    prefix: Prefix,
    first: NextTokenStats,
    count: int,
    rules: Rules,
    *,
    room: int,
    wanted: int | None = None,
) -> Generator[None, None, DrawnTrials]:
    """Sample `count` trials after the prefix; yields after each forward pass.

    `first` has the statistics of the next token, `room` is the remaining length of the output, and
    `wanted` a trial that must not be pruned.
    """
    most = min(rules.cap, room)
    position = len(prefix.output)
    drawn = DrawnTrials(
        [Path(k, random_streams.uniforms(rules.seed, position, k, most)) for k in range(count)]
    )
    batch = _Batch(prefix, first, [0] * count)
    live = drawn.paths
    while live:
        _extend(live, batch)
        for path in live:
            path.end = _ending(path, prefix.output, rules, room)
        _keep_tails(drawn, live, batch, rules, wanted)
        if rules.prune:
            _prune(drawn, live, rules, most, wanted)
        going = [place for place, path in enumerate(live) if path.end is None]
        if going:
            batch.advance([live[place] for place in going], going, rules.sampling)
            drawn.forwards += 1
            yield
        live = [live[place] for place in going]
    return drawn


@dataclass
class _Batch:
    """The rows of the live trials: `rows[i]` is the row of live trial i."""

    prefix: Prefix
    stats: NextTokenStats
    rows: list[int]
    cache: DynamicCache | None = None  # None: no token after the prefix was evaluated

    def advance(self, paths: Sequence[Path], places: Sequence[int], sampling: Sampling) -> None:
        """Evaluate the newest token of each path, equal ones in one row. `places` are indices of
        `rows`.
        """
        parents = [self.rows[place] for place in places]
        children, self.rows = trie.merge(parents, [path.ids[-1] for path in paths])
        model, meter = self.prefix.model, self.prefix.meter
        if self.cache is None:
            self.cache = caches.spread(self.prefix.cache, len(children))
        else:
            caches.select(self.cache, [parent for parent, _ in children], model.device)
        with meter.forward(len(children), trial=True):
            logits = forward(model, self.cache, [[token] for _, token in children])
        meter.hold(caches.held_bytes(self.prefix.cache) + caches.held_bytes(self.cache))
        self.stats = next_token_stats(
            logits, sampling, self._texts(paths) if sampling.processors else ()
        )

    def _texts(self, paths: Sequence[Path]) -> list[list[int]]:
        """The ids of each row: prompt, output and the trial's tokens."""
        before, written = self.prefix.ids, dict(zip(self.rows, paths, strict=True))
        return [[*before, *written[row].ids] for row in sorted(written)]

    def tail(self, place: int) -> Tail | None:
        """Keys and values of a live trial after the prefix."""
        if self.cache is None or not caches.can_cut(self.cache):
            return None
        return caches.cut(self.cache, self.rows[place], self.prefix.read)


def _extend(live: Sequence[Path], batch: _Batch) -> None:
    """Sample one token for each live trial."""
    stats = batch.stats
    rows = torch.tensor(batch.rows, device=stats.warped_RV.device)
    u = [float(path.uniforms[len(path.ids)]) for path in live]
    tokens = random_streams.pick(stats.warped_RV[rows], u)
    warped = stats.warped_RV[rows, tokens].tolist()
    raw = stats.raw_RV[rows, tokens].tolist()
    entropies = stats.warped.entropy_R[rows].tolist()
    columns = (tokens.tolist(), warped, raw, entropies, ranks(stats, rows, tokens))
    for path, (token, q, p, entropy, rank) in zip(live, zip(*columns, strict=True), strict=True):
        path.ids.append(token)
        path.logprobs.append(q)
        path.logprobs_raw.append(p)
        path.entropies.append(entropy)
        path.ranks.append(rank)


def _ending(path: Path, output: list[int], rules: Rules, room: int) -> TrialEnd | None:
    """The reason for which the trial ends with its newest token, or None."""
    if path.ids[-1] in rules.eos:
        return "eos"
    if rules.text([*output, *path.ids]):
        return "stop_string"
    if rules.clause is not None and rules.clause(path.ids[-1]):
        return "stop"
    if len(path.ids) == room:
        return "length"
    return "cap" if len(path.ids) == rules.cap else None


def _keep_tails(
    drawn: DrawnTrials, live: Sequence[Path], batch: _Batch, rules: Rules, wanted: int | None
) -> None:
    """Keep the keys and values of the best trial so far, and of the forced one."""
    ended = [place for place, path in enumerate(live) if path.end is not None]
    if not ended:
        return
    keep = {drawn.best(rules.scoring), wanted}
    for place in ended:
        tail = batch.tail(place) if live[place].number in keep else None
        if tail is not None:
            drawn.tails[live[place].number] = tail
    drawn.tails = {number: tail for number, tail in drawn.tails.items() if number in keep}


def _prune(
    drawn: DrawnTrials, live: Sequence[Path], rules: Rules, most: int, wanted: int | None
) -> None:
    ended = [path for path in drawn.paths if path.end not in (None, "pruned")]
    if not ended:
        return
    bound = min(path.nll(rules.scoring) / len(path.ids) for path in ended)
    for path in live:
        hopeless = path.nll(rules.scoring) / most > bound
        if path.end is None and path.number != wanted and hopeless:
            path.end = "pruned"
