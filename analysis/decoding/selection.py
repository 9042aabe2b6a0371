"""Rules that select the masked positions to commit, as pure functions: LocalLeap and baselines.

Confidences are stored as ln(1 − c), so that values close to 1 keep their order.

Shape legend: M masked positions of the active block, in ascending order.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from analysis.decoding.events import Reason


@dataclass(frozen=True)
class MaskedState:
    """Input of a rule; `first` and `last` bound the block, `stable_M` counts KLASS's steps."""

    positions_M: Int[np.ndarray, "M"]
    doubt_M: Float[np.ndarray, "M"]  # ln(1 − confidence), float64
    entropy_M: Float[np.ndarray, "M"]
    stable_M: Int[np.ndarray, "M"]
    first: int
    last: int

    def most_confident(self) -> Int[np.ndarray, "M"]:
        """Indices by descending confidence; ties by position."""
        order_M: np.ndarray = np.argsort(self.doubt_M, kind="stable")
        return order_M


@dataclass(frozen=True)
class Pick:
    """One position to commit: its index among the M, and the reason."""

    place: int
    reason: Reason
    anchor: int | None = None
    distance: int | None = None
    threshold: float | None = None


@dataclass(frozen=True)
class Choice:
    """Result of a rule; positions, except that picks have indices."""

    picks: list[Pick]
    anchors: list[int] = field(default_factory=list)
    neighbourhood: list[list[int]] = field(default_factory=list)
    near_misses: list[int] = field(default_factory=list)


Rule = Callable[[MaskedState], Choice]


def local_leap(kappa: float, tau: float, width: int) -> Rule:
    """Anchors c ≥ κ, and c ≥ τ within `width` of an anchor of this step."""

    def choose(view: MaskedState) -> Choice:
        is_anchor_M = view.doubt_M <= doubt(kappa)
        anchors = view.positions_M[is_anchor_M]
        nearest_M, distance_M = nearest(view.positions_M, anchors)
        near_M = distance_M <= width
        leaps_M = near_M & ~is_anchor_M & (view.doubt_M <= doubt(tau))
        picks = [
            Pick(place, "anchor", int(view.positions_M[place]), 0, kappa)
            if is_anchor_M[place]
            else Pick(place, "leap", int(nearest_M[place]), int(distance_M[place]), tau)
            for place in np.flatnonzero(is_anchor_M | leaps_M).tolist()
        ]
        return Choice(
            picks=picks or [_fallback(view)],
            anchors=anchors.tolist(),
            neighbourhood=intervals(anchors, width, view.first, view.last),
            near_misses=view.positions_M[near_M & ~is_anchor_M & ~leaps_M].tolist(),
        )

    return choose


def fixed(k: int) -> Rule:
    """The k most confident; 1: vanilla."""

    def choose(view: MaskedState) -> Choice:
        return Choice(
            [Pick(place, "most_confident") for place in view.most_confident()[:k].tolist()]
        )

    return choose


def threshold(least: float) -> Rule:
    """All positions with c ≥ `least`."""

    def choose(view: MaskedState) -> Choice:
        places = np.flatnonzero(view.doubt_M <= doubt(least)).tolist()
        picks = [Pick(place, "threshold", threshold=least) for place in places]
        return Choice(picks or [_fallback(view)])

    return choose


def factor(bound: float) -> Rule:
    """The n most confident, n the largest with (n + 1)(1 − c_n) < `bound`."""

    def choose(view: MaskedState) -> Choice:
        order = view.most_confident()
        n = np.arange(1, len(order) + 1)
        holds = (n + 1) * np.exp(view.doubt_M[order]) < bound
        count = int(n[holds].max(initial=0))
        picks = [Pick(place, "factor") for place in order[:count].tolist()]
        return Choice(picks or [_fallback(view)])

    return choose


def entropy_bound(nats: float) -> Rule:
    """As many positions in order of entropy as satisfy ΣH − max H ≤ `nats`; at least one."""

    def choose(view: MaskedState) -> Choice:
        order = np.argsort(view.entropy_M, kind="stable")
        rising = view.entropy_M[order]
        holds = np.cumsum(rising) - rising <= nats  # the newest is the largest
        count = int(np.flatnonzero(holds).max()) + 1
        return Choice([Pick(place, "entropy_bound") for place in order[:count].tolist()])

    return choose


def klass(confidence: float, history: int) -> Rule:
    """c > `confidence`, and stable (see `MaskedState.stable_M`) in the last `history` steps."""

    def choose(view: MaskedState) -> Choice:
        sure = (view.doubt_M < doubt(confidence)) & (view.stable_M >= history)
        picks = [
            Pick(place, "stable", threshold=confidence) for place in np.flatnonzero(sure).tolist()
        ]
        return Choice(picks or [_fallback(view)])

    return choose


def doubt(confidence: float) -> float:
    """ln(1 − c); −∞ for 1, which is reached only without any other token."""
    return math.log1p(-confidence) if confidence < 1 else -math.inf


def nearest(
    positions_M: Int[np.ndarray, "M"], anchors: Int[np.ndarray, "A"]
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest anchor of each position and the distance to it, [M] each.

    The first of two equally near anchors; without anchors −1 and a distance above any width.
    """
    if not len(anchors):
        return np.full(len(positions_M), -1), np.full(len(positions_M), np.iinfo(np.int64).max)
    apart_MA = np.abs(positions_M[:, None] - anchors[None, :])
    return anchors[apart_MA.argmin(1)], apart_MA.min(1)


def intervals(anchors: np.ndarray, width: int, first: int, last: int) -> list[list[int]]:
    """Neighbourhoods within `width` of an anchor, as merged intervals [from, to] inside the
    block.
    """
    found: list[list[int]] = []
    for anchor in anchors.tolist():
        start, stop = max(first, anchor - width), min(last, anchor + width)
        if found and start <= found[-1][1] + 1:
            found[-1][1] = max(found[-1][1], stop)
        else:
            found.append([start, stop])
    return found


def _fallback(view: MaskedState) -> Pick:
    return Pick(int(view.doubt_M.argmin()), "fallback")
