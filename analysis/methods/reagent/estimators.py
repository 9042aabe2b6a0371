"""The estimators of ReAGent (arXiv 2402.00794), on arrays only.

Shape legend: K probes, N positions, C columns (positions or groups of them), R rows (targets),
P parallel probes, S steps.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

# The float64 number closest to 1: with this clamp atanh and the logit remain finite.
LARGEST_DIFFERENCE = 1 - 2.0**-53
LARGEST_PROBABILITY = 1 - 2.0**-53
Z_95 = 1.959963984540054


def measured(logprob: Float[np.ndarray, "*rows"], measure: str) -> Float[np.ndarray, "*rows"]:
    """A log-probability as `probability`, `log_probability` or `log_odds` (both nats).

    Log-odds are clamped at the probability 1 − 2⁻⁵³.
    """
    if measure == "probability":
        probability: np.ndarray = np.exp(logprob)
        return probability
    if measure == "log_odds":
        log_rest = np.log(-np.expm1(np.minimum(logprob, np.log(LARGEST_PROBABILITY))))
        odds: np.ndarray = logprob - log_rest
        return odds
    return logprob


class Moments:
    """Sums over probes from which effects and their standard errors follow at any time.

    A column c of a probe is Σ_{i in column} (m_i − r): one position, or a group of them.
    """

    def __init__(self, columns: int, rows: int, rate: float) -> None:
        self.rate = rate
        self.probes = 0
        self.origin = np.zeros(
            rows
        )  # D is stored relative to its first value, to avoid cancellation
        self.d = np.zeros(rows)
        self.c = np.zeros(columns)
        self.cc = np.zeros(columns)
        self.cd = np.zeros((rows, columns))
        self.ccd = np.zeros((rows, columns))
        self.ccdd = np.zeros((rows, columns))

    def add(self, c_KC: Float[np.ndarray, "K C"], d_KR: Float[np.ndarray, "K R"]) -> None:
        """Add probes: column values and decreases D of each row's measure."""
        if not self.probes:
            self.origin = d_KR[0].copy()
        d = d_KR - self.origin
        self.probes += len(d)
        self.d += d.sum(0)
        self.c += c_KC.sum(0)
        self.cc += (c_KC**2).sum(0)
        self.cd += d.T @ c_KC
        self.ccd += d.T @ c_KC**2
        self.ccdd += (d.T**2) @ c_KC**2

    def effects(self) -> tuple[Float[np.ndarray, "R C"], Float[np.ndarray, "R C"]]:
        """e = Σ c (D − D̄) / (K r (1 − r)) and its standard error, both [R, C].

        The standard error is that of a mean of K independent terms.
        """
        count, scale = self.probes, self.rate * (1 - self.rate)
        mean_d = (self.d / count)[:, None]
        total = self.cd - mean_d * self.c
        squares = self.ccdd - 2 * mean_d * self.ccd + mean_d**2 * self.cc
        effect = total / (count * scale)
        variance = np.maximum(squares / (count * scale**2) - effect**2, 0)
        return effect, np.sqrt(variance / max(count - 1, 1))


def group_starts(groups_N: Int[np.ndarray, "N"]) -> Int[np.ndarray, "G"]:
    """First position of each group of a non-decreasing numbering."""
    return np.flatnonzero(np.diff(groups_N, prepend=-1))


def summed(
    values_KN: Float[np.ndarray, "*K N"], starts: tuple[np.ndarray, ...]
) -> Float[np.ndarray, "*K C"]:
    """Sums over the groups of each numbering, concatenated, [K, C]."""
    return np.concatenate([np.add.reduceat(values_KN, s, axis=-1) for s in starts], axis=-1)


def top_set(
    scores_N: Float[np.ndarray, "N"], allowed_N: Bool[np.ndarray, "N"], n: int
) -> frozenset[int]:
    """The n allowed positions with the highest scores; ties go to the earlier position."""
    places = np.flatnonzero(allowed_N)
    order = places[np.argsort(-scores_N[places], kind="stable")]
    return frozenset(int(place) for place in order[:n])


def is_separated(
    mean_N: Float[np.ndarray, "N"],
    error_N: Float[np.ndarray, "N"],
    allowed_N: Bool[np.ndarray, "N"],
    n: int,
    factor: float = Z_95,
) -> bool:
    """Whether intervals of ± `factor` errors separate the n highest allowed positions from the
    rest.
    """
    top = top_set(mean_N, allowed_N, n)
    rest = [place for place in np.flatnonzero(allowed_N) if place not in top]
    if not rest:
        return True
    inside = list(top)
    low = (mean_N[inside] - factor * error_N[inside]).min()
    high = (mean_N[rest] + factor * error_N[rest]).max()
    return bool(low > high)


def is_precise(
    mean_N: Float[np.ndarray, "N"], error_N: Float[np.ndarray, "N"], factor: float, share: float
) -> bool:
    """Whether every band of ± `factor` errors is within a share of the largest score."""
    return bool(factor * error_N.max() <= share * np.abs(mean_N).max())


def step_changes(
    masks_SN: Bool[np.ndarray, "S N"], difference_S: Float[np.ndarray, "S"]
) -> Float[np.ndarray, "S N"]:
    """Update of the logit-scale scores in each step: ±logit((1 + D)/2) = ±2·atanh(D), [S, N]."""
    clamped = np.clip(difference_S, -LARGEST_DIFFERENCE, LARGEST_DIFFERENCE)
    changes: np.ndarray = np.where(masks_SN, 1.0, -1.0) * (2 * np.arctanh(clamped))[:, None]
    return changes


def importance(
    scores_N: Float[np.ndarray, "N"], allowed_N: Bool[np.ndarray, "N"]
) -> Float[np.ndarray, "N"]:
    """Softmax over the allowed positions, 0 elsewhere."""
    masked = np.where(allowed_N, scores_N, -np.inf)
    weights = np.exp(masked - masked.max())
    result: np.ndarray = weights / weights.sum()
    return result


@dataclass
class Probe:
    """One probe of the paper's estimator for one row: running scores, and whether it stopped."""

    scores_N: Float[np.ndarray, "N"]
    steps: int = 0
    converged: bool = False


def paper_mean(
    probes: list[Probe], allowed_N: Bool[np.ndarray, "N"], starts: tuple[np.ndarray, ...]
) -> tuple[Float[np.ndarray, "C"], Float[np.ndarray, "C"]]:
    """Mean importance over converged probes (none: over all), and its standard error, [C]."""
    used = [probe for probe in probes if probe.converged] or probes
    maps = summed(np.stack([importance(p.scores_N, allowed_N) for p in used]), starts)
    spread = maps.std(0, ddof=1) if len(used) > 1 else np.zeros(maps.shape[1])
    return maps.mean(0), spread / np.sqrt(len(used))
