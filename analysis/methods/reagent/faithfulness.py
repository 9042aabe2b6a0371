"""Faithfulness of a map: deletion and insertion curves, Soft-NS and Soft-NC.

Shape legend: N positions, M scored positions, F points of a curve, B draws, V vocabulary,
D width.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field
from scipy.optimize import brentq

from analysis.events import Event, Progress
from analysis.methods.reagent.estimators import importance
from analysis.methods.reagent.probing import ProbeCase, batches, logprobs, row_logprobs
from analysis.precision import exact
from analysis.steps import follow

CURVE, SOFT = 10, 11  # random streams, separate from those of the probes
Direction = Literal["deletion", "insertion"]
DIRECTIONS: tuple[Direction, ...] = ("deletion", "insertion")
Result = TypeVar("Result", "CurvePoints", "SoftScores")
SOFT_DRAWS = 32  # with fewer, Soft-NS is too noisy
POINTS = 11  # points of a curve, from no replacement to all


class Curve(Event):
    """A faithfulness curve of the target: p as ranked tokens are replaced or kept."""

    kind: Literal["curve"] = "curve"
    direction: Direction
    order: str = Field(description="reagent, reversed, random, or a baseline's name.")
    label: str
    fraction: list[float] = Field(
        description="Share of the scored tokens that are replaced (or kept)."
    )
    mean: list[float] = Field(
        description="Probability of the target, mean over random replacements."
    )
    standard_error: list[float]
    area: float = Field(description="Area under the curve, 0..1, by the trapezoidal rule.")
    draws: int


class Soft(Event):
    """Soft-NS and Soft-NC of a map, as the paper defines them, and at matched entropy."""

    kind: Literal["soft"] = "soft"
    order: str
    label: str
    soft_ns: float = Field(description="ln(soft-NS / soft-NS of random scores).")
    soft_nc: float = Field(description="ln(soft-NC / soft-NC of random scores).")
    soft_ns_matched: float = Field(description="The same at the entropy of the random scores.")
    soft_nc_matched: float = Field(description="The same at the entropy of the random scores.")
    draws: int


@dataclass(frozen=True)
class CurvePoints:
    """Probability of the target at each share of replaced (or kept) positions."""

    fraction: Float[np.ndarray, "F"]
    mean: Float[np.ndarray, "F"]
    error: Float[np.ndarray, "F"]

    @property
    def area(self) -> float:
        return float(np.trapezoid(self.mean, self.fraction))


Maps = dict[tuple[str, str], np.ndarray]  # (name, label) to scores [N]


def judge(case: ProbeCase, maps: Maps, draws: int, *, soft: bool = True) -> Iterator[Event]:
    """Yield curves of each map and of the reversed and random orders, then soft scores.

    No curves where `draws` is 0.
    """
    if case.allowed(0).any():
        if draws:
            yield from _every_curve(case, maps, draws)
        if soft:
            yield from _softs(case, maps)


def _every_curve(case: ProbeCase, maps: Maps, draws: int) -> Iterator[Event]:
    allowed = case.allowed(0)
    orders = {key: order_of(scores, allowed) for key, scores in maps.items()}
    orders["reversed", "Reversed order"] = next(iter(orders.values()))[::-1]
    drawn = {key: np.stack([order] * draws) for key, order in orders.items()}
    drawn["random", "Random order"] = random_orders(case, allowed, draws)
    points = len(shares(int(allowed.sum())))
    counter = _Counter("drawing faithfulness curves", len(drawn) * 2 * draws * points)
    for (name, label), rows in drawn.items():
        yield from _curves(case, counter, name, label, rows)


def shares(scored: int) -> np.ndarray:
    """Numbers of positions at which a curve is taken, 0 to all."""
    return np.unique(np.linspace(0, scored, min(POINTS, scored + 1)).round().astype(int))


def curve(
    case: ProbeCase, orders_BM: np.ndarray, *, insertion: bool
) -> Generator[int, None, CurvePoints]:
    """Yield rows run, return the curve: one order of positions per random replacement.

    Deletion replaces the first positions of the order, insertion all but the first. All orders use
    the same random replacements, so that they are comparable.
    """
    counts = shares(orders_BM.shape[1])
    draws = len(orders_BM)
    uniform = case.stream(CURVE).random((draws, 1, case.length))
    masks = np.zeros((draws, len(counts), case.length), dtype=bool)
    for point, count in enumerate(counts):
        chosen = orders_BM[:, count:] if insertion else orders_BM[:, :count]
        np.put_along_axis(masks[:, point], chosen, values=True, axis=-1)
    ids = case.replaced(masks, np.broadcast_to(uniform, masks.shape)).reshape(-1, case.length)
    found = []
    for part in batches(case, ids):
        found.append(np.exp(row_logprobs(case, logprobs(case, part)[0])[:, 0]))
        yield len(part)
    p_BF = np.concatenate(found).reshape(draws, -1)
    error = p_BF.std(0, ddof=1) / np.sqrt(draws) if draws > 1 else np.zeros(len(counts))
    return CurvePoints(counts / orders_BM.shape[1], p_BF.mean(0), error)


def order_of(
    scores_N: Float[np.ndarray, "N"], allowed_N: Bool[np.ndarray, "N"]
) -> Int[np.ndarray, "M"]:
    """Allowed positions by descending score, [M]."""
    places = np.flatnonzero(allowed_N)
    ranked: np.ndarray = places[np.argsort(-scores_N[places], kind="stable")]
    return ranked


def random_orders(
    case: ProbeCase, allowed_N: Bool[np.ndarray, "N"], draws: int
) -> Int[np.ndarray, "B M"]:
    """B random orders of the allowed positions, [B, M]."""
    places = np.flatnonzero(allowed_N)
    stream = case.stream(CURVE, 1)
    return np.stack([stream.permutation(places) for _ in range(draws)])


@dataclass(frozen=True)
class SoftScores:
    """Soft-NS and Soft-NC of one map; an uninformative map has the values 1 and 0."""

    sufficiency: float
    comprehensiveness: float


def soft_weights(
    scores_N: Float[np.ndarray, "N"], allowed_N: Bool[np.ndarray, "N"]
) -> Float[np.ndarray, "N"]:
    """Scores as shares of importance: negative scores are set to 0, and the sum over allowed
    positions is 1.
    """
    weights = np.where(allowed_N, np.maximum(scores_N, 0), 0.0)
    chosen = weights if weights.any() else allowed_N.astype(float)
    shares: np.ndarray = chosen / chosen.sum()
    return shares


def entropy(weights_N: Float[np.ndarray, "N"]) -> float:
    """In nats."""
    used = weights_N[weights_N > 0]
    return float(-(used * np.log(used)).sum())


def at_entropy(
    weights_N: Float[np.ndarray, "N"], allowed_N: Bool[np.ndarray, "N"], target: float
) -> Float[np.ndarray, "N"]:
    """Weights with the same ranking, sharpened or flattened to an entropy (nats).

    They are a softmax of the ranks with the temperature as the only parameter.
    """
    places = np.flatnonzero(allowed_N)
    ranks = weights_N[places].argsort(kind="stable").argsort(kind="stable").astype(float)

    def spread(slope: float) -> np.ndarray:
        shifted = np.exp(slope * (ranks - ranks.max()))
        return np.asarray(shifted / shifted.sum())

    top = float(np.log(len(places)))
    wanted = min(max(target, 1e-6), top - 1e-9)
    slope = brentq(lambda s: entropy(spread(s)) - wanted, 1e-12, 60.0) if len(places) > 1 else 0.0
    result = np.zeros(len(weights_N))
    result[places] = spread(slope)
    return result


def soft_scores(case: ProbeCase, weights_N: np.ndarray) -> Generator[int, None, SoftScores]:
    """Soft-NS and Soft-NC as in arXiv 2402.00794: embedding elements dropped at random.

    An element of token i is kept with probability w_i (sufficiency) or 1 − w_i (comprehensiveness);
    H(p, q) = (1/√2) Σ(√p − √q)² between next-token distributions, over that of all-zero embeddings.
    Tokens without a score are kept unchanged.
    """
    scored = case.allowed(0)
    keeps = [np.ones(case.length), np.where(scored, 0.0, 1.0)]
    base, zero = (_dropped(case, keep, 1)[0] for keep in keeps)
    whole = max(distance(base, zero), np.finfo(float).tiny)
    ratios = []
    for weights in (weights_N, 1 - weights_N):
        found = _dropped(case, np.where(scored, weights, 1.0), SOFT_DRAWS)
        ratios.append(float(np.mean([distance(base, row) for row in found])) / whole)
        yield SOFT_DRAWS
    return SoftScores(max(0.0, 1 - ratios[0]), ratios[1])


def distance(p_V: Float[np.ndarray, "V"], q_V: Float[np.ndarray, "V"]) -> float:
    """(1/√2) Σ(√p − √q)², the paper's form of the Hellinger distance."""
    return float(((np.sqrt(p_V) - np.sqrt(q_V)) ** 2).sum() / np.sqrt(2))


def log_ratio(value: float, reference: float) -> float:
    """ln(value / reference), both clamped to at least 1e-9 so that the result is finite."""
    return float(np.log(max(value, 1e-9) / max(reference, 1e-9)))


@torch.no_grad()
def _dropped(
    case: ProbeCase, keep_N: Float[np.ndarray, "N"], draws: int
) -> Float[np.ndarray, "B V"]:
    """Next-token distributions at the target, embedding elements kept at a rate, [B, V]."""
    end = case.prompt_length + case.span[0]
    ids = torch.from_numpy(case.ids_N[None, :end]).to(case.model.device)
    embeddings = case.model.embeddings(ids).expand(draws, -1, -1)
    generator = torch.Generator().manual_seed(case.seed)
    uniform = torch.rand(embeddings.shape, generator=generator).to(embeddings.device)
    rate = torch.from_numpy(keep_N[:end]).to(embeddings)[None, :, None]
    kept = embeddings * (uniform < rate)
    last = torch.tensor([end - 1])
    logits = [case.model.logits(None, last, embeddings_BND=k) for k in kept.split(case.chunk())]
    found: np.ndarray = exact(torch.cat(logits)[:, 0]).softmax(-1).cpu().numpy()
    return found


def _curves(
    case: ProbeCase, counter: "_Counter", name: str, label: str, orders_BM: np.ndarray
) -> Iterator[Event]:
    for direction in DIRECTIONS:
        points = yield from counter.follow(
            curve(case, orders_BM, insertion=direction == "insertion")
        )
        yield Curve(
            direction=direction,
            order=name,
            label=label,
            fraction=points.fraction.tolist(),
            mean=points.mean.tolist(),
            standard_error=points.error.tolist(),
            area=points.area,
            draws=len(orders_BM),
        )


def _softs(case: ProbeCase, maps: Maps) -> Iterator[Event]:
    """Soft scores of each map relative to those of random scores, a softmax of U[0, 1)."""
    allowed = case.allowed(0)
    drawn = importance(case.stream(SOFT).random(case.length), allowed)
    counter = _Counter("measuring Soft-NS and Soft-NC", (1 + 2 * len(maps)) * 2 * SOFT_DRAWS)
    reference = yield from counter.follow(soft_scores(case, drawn))
    for (name, label), scores in maps.items():
        own = soft_weights(scores, allowed)
        matched = at_entropy(own, allowed, entropy(drawn))
        one = yield from counter.follow(soft_scores(case, own))
        two = yield from counter.follow(soft_scores(case, matched))
        yield Soft(
            order=name,
            label=label,
            soft_ns=log_ratio(one.sufficiency, reference.sufficiency),
            soft_nc=log_ratio(one.comprehensiveness, reference.comprehensiveness),
            soft_ns_matched=log_ratio(two.sufficiency, reference.sufficiency),
            soft_nc_matched=log_ratio(two.comprehensiveness, reference.comprehensiveness),
            draws=SOFT_DRAWS,
        )


class _Counter:
    """Progress in rows over several generators that count rows and return a result."""

    def __init__(self, stage: str, total: int) -> None:
        self.stage, self.total, self.done = stage, total, 0

    def follow(self, steps: Generator[int, None, Result]) -> Generator[Event, None, Result]:
        return follow(steps, self._progress)

    def _progress(self, rows: int) -> Progress:
        self.done += rows
        return Progress(stage=self.stage, done=self.done, total=self.total, unit="rows")
