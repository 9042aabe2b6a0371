"""The cost of a trace, counted while it runs."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from analysis.decoding.events import TraceCost


@dataclass
class TraceMeter:
    """Forward passes, tokens, bytes and seconds of one trace; see `events.Cost`."""

    main_forwards: int = 0
    trial_forwards: int = 0
    tokens_computed: int = 0
    tokens_wasted: int = 0
    nodes: int = 0
    cache_bytes: int = 0
    model_seconds: float = 0.0
    began: float = field(default_factory=time.perf_counter)

    @property
    def forwards(self) -> int:
        return self.main_forwards + self.trial_forwards

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.began

    @contextmanager
    def forward(self, tokens: int, *, trial: bool = False) -> Iterator[None]:
        """Around a forward pass on `tokens` tokens after the prompt, all rows together."""
        started = time.perf_counter()
        yield
        self.model_seconds += time.perf_counter() - started
        self.tokens_computed += tokens
        if trial:
            self.trial_forwards += 1
        else:
            self.main_forwards += 1

    def snapshot(self) -> "TraceMeter":
        """A snapshot of the cost, its clock stopped."""
        return replace(self, began=self.seconds)

    def read_before(self, seconds: float) -> None:
        """Add the pass on the prompt that another trace made, as if it were this one's own."""
        self.main_forwards += 1
        self.model_seconds += seconds
        self.began -= seconds

    def repeat(self, spent: "TraceMeter") -> None:
        """Add the cost in a snapshot of another trace."""
        self.main_forwards, self.trial_forwards = spent.main_forwards, spent.trial_forwards
        self.tokens_computed, self.cache_bytes = spent.tokens_computed, spent.cache_bytes
        self.model_seconds = spent.model_seconds
        self.began -= spent.began

    def hold(self, size: int) -> None:
        """Record the bytes of keys and values in memory."""
        self.cache_bytes = max(self.cache_bytes, size)

    def cost(self, *, kept: int) -> TraceCost:
        return TraceCost(
            main_forwards=self.main_forwards,
            trial_forwards=self.trial_forwards,
            tokens_computed=self.tokens_computed,
            tokens_kept=kept,
            tokens_wasted=self.tokens_wasted,
            nodes=self.nodes,
            cache_bytes=self.cache_bytes,
            model_seconds=self.model_seconds,
            seconds=self.seconds,
        )
