"""Propose κ, τ and W for a model, from the early predictions of a vanilla run.

LocalLeap commits anchors (confidence ≥ κ) and predictions with confidence ≥ τ at 1 to W tokens from
one. For each W, τ decreases through `TAUS` as long as each added bin of confidence has
`LEAST_IN_BIN` evaluations, of which at least `SHARE` predict the final token; the same share of the
anchors must do so. A pair needs `LEAST_LOOKS` evaluations at `LEAST_POSITIONS` positions in total.
Of several such pairs the one that covers the most evaluations is proposed; ties go to the most
conservative (largest τ, smallest W). κ is the run's own, or the next of `KAPPAS` above it for which
such a pair exists.

Each bin is tested separately, because many confident predictions would hide the few that change.
On 88 number stories of demo-diffusion, values proposed from the previous story answer 87.5 %
correctly in 8.8 steps; the published values 80.7 % in 7.2, threshold 0.95 90.9 % in 8.5, and one
token per step 92.0 % in 64.

It is an estimate from one prompt. Evaluations of one position are correlated, so that the interval
is too narrow; final means final in that run, not correct.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from analysis.decoding.delay_events import Proposal

SHARE = 0.99
LEAST_IN_BIN = 10
LEAST_LOOKS = 30
LEAST_POSITIONS = 5
KAPPAS = (0.9, 0.95, 0.99, 0.999)
TAUS = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
WIDTHS = range(1, 8)


@dataclass(frozen=True, slots=True)
class EarlyLooks:
    """N evaluations of masked positions; distances to the nearest anchor (0: an anchor), −1:
    none.
    """

    position_N: np.ndarray
    confidence_N: np.ndarray
    distance_N: np.ndarray
    final_N: np.ndarray


def kappas(kappa: float) -> tuple[float, ...]:
    """The run's κ, then the values to try next, in ascending order."""
    return (kappa, *(one for one in KAPPAS if one > kappa))


def propose(looks: Mapping[float, EarlyLooks]) -> Proposal | None:
    """The proposal from evaluations by κ, the run's own first; None if no τ is below κ."""
    tried = [_best(found, kappa) for kappa, found in looks.items()]
    judged = [one for one in tried if one is not None]
    proposed = (one for one in judged if one.verdict == "proposed")
    return next(proposed, judged[0] if judged else None)


def _best(looks: EarlyLooks, kappa: float) -> Proposal | None:
    taus = [tau for tau in TAUS if tau < kappa]
    pairs = [_pair(looks, kappa, tau, width) for tau in taus for width in WIDTHS]
    enough = [one for one in pairs if one.looks >= LEAST_LOOKS and one.positions >= LEAST_POSITIONS]
    reached = {(tau, width) for width in WIDTHS for tau in _reached(looks, kappa, width)}
    kept = [one for one in enough if (one.tau, one.width) in reached]
    if kept and _hold(looks.final_N[looks.distance_N == 0]):
        return _judged(max(kept, key=_covering), "proposed")
    if enough:
        return _judged(max(enough, key=lambda one: (_share(one), *_covering(one))), "unreliable")
    return _judged(max(pairs, key=_covering), "too_few") if pairs else None


def _reached(looks: EarlyLooks, kappa: float, width: int) -> Iterator[float]:
    """Values of τ in descending order until a bin has too few evaluations or too many changes."""
    near_N, above = _near(looks, width), kappa
    for tau in sorted((tau for tau in TAUS if tau < kappa), reverse=True):
        bin_N = near_N & (looks.confidence_N >= tau) & (looks.confidence_N < above)
        if bin_N.sum() < LEAST_IN_BIN or not _hold(looks.final_N[bin_N]):
            return
        yield tau
        above = tau


def _near(looks: EarlyLooks, width: int) -> np.ndarray:
    return (looks.distance_N >= 1) & (looks.distance_N <= width)


def _hold(final_M: np.ndarray) -> bool:
    return bool(final_M.sum() >= SHARE * len(final_M))


def _share(one: Proposal) -> float:
    return one.consistent / one.looks


def _covering(one: Proposal) -> tuple[int, float, int]:
    return one.looks, one.tau, -one.width


def _pair(looks: EarlyLooks, kappa: float, tau: float, width: int) -> Proposal:
    leaps_N = _near(looks, width) & (looks.confidence_N >= tau)
    anchors_N = looks.distance_N == 0
    return Proposal(
        kappa=kappa,
        tau=tau,
        width=width,
        consistent=int(looks.final_N[leaps_N].sum()),
        looks=int(leaps_N.sum()),
        positions=len(np.unique(looks.position_N[leaps_N])),
        anchors=int(anchors_N.sum()),
        anchors_consistent=int(looks.final_N[anchors_N].sum()),
    )


def _judged(one: Proposal, verdict: str) -> Proposal:
    """Add the verdict and the 95 % Wilson interval; 0 to 1 if there are no evaluations."""
    low, high = 0.0, 1.0
    if one.looks:
        found = binomtest(one.consistent, one.looks).proportion_ci(0.95, method="wilson")
        low, high = float(found.low), float(found.high)
    values = {**one.model_dump(), "verdict": verdict, "low": low, "high": high}
    judged = Proposal.model_validate(values)
    return judged.model_copy(update={"sentence": _sentence(judged)})


def _sentence(one: Proposal) -> str:
    pair = f"κ = {one.kappa:g}, τ = {one.tau:g}, W = {one.width}"
    seen = f"final in {one.consistent} of {one.looks} evaluations at {one.positions} positions"
    anchors = f"anchors in {one.anchors_consistent} of {one.anchors}"
    match one.verdict:
        case "proposed":
            interval = f"95 % interval {100 * one.low:.3g} to {100 * one.high:.3g} %"
            return (
                f"Proposed for this model: {pair} (early predictions {seen}, {interval}; "
                f"{anchors})."
            )
        case "unreliable":
            return (
                f"No values proposed: {pair} comes closest, with early predictions {seen} and "
                f"{anchors}. Required are {100 * SHARE:g} %, of the anchors and in each bin of "
                f"confidence down to τ, and {LEAST_IN_BIN} evaluations per bin."
            )
        case _:
            return (
                f"Too few cases to propose τ and W at κ = {one.kappa:g}: {one.looks} early "
                f"predictions at {one.positions} positions; {LEAST_LOOKS} at {LEAST_POSITIONS} "
                "positions are required."
            )
