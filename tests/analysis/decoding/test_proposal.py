"""The proposal of κ, τ and W: its rule on hand-written predictions."""

import numpy as np
import pytest

from analysis.decoding.delay_events import Proposal
from analysis.decoding.proposal import EarlyLooks, kappas, propose

Look = tuple[int, float, int, bool]  # position, confidence, distance, final


def looks(*seen: Look) -> EarlyLooks:
    position, confidence, distance, final = zip(*seen, strict=True)
    return EarlyLooks(
        np.array(position), np.array(confidence), np.array(distance), np.array(final, dtype=bool)
    )


def many(count: int, confidence: float, distance: int, *, final: bool = True) -> list[Look]:
    """Looks spread over ten positions."""
    return [(n % 10, confidence, distance, final) for n in range(count)]


def proposed(*seen: Look, kappa: float = 0.9) -> Proposal:
    found = propose({kappa: looks(*seen)})
    assert found is not None
    return found


def test_the_pair_that_covers_most_looks_is_proposed() -> None:
    found = proposed(*many(40, 0.85, 1), *many(40, 0.72, 3), *many(5, 0.65, 1, final=False))
    assert (found.verdict, found.tau, found.width) == ("proposed", 0.7, 3)
    assert (found.consistent, found.looks, found.positions) == (80, 80, 10)
    assert (found.low, found.high) == (pytest.approx(80 / (80 + 1.959964**2)), 1)


def test_far_looks_that_change_bound_the_width() -> None:
    found = proposed(*many(60, 0.85, 2), *many(10, 0.85, 5, final=False))
    assert (found.tau, found.width, found.looks) == (0.8, 2, 60)


def test_one_miss_in_a_hundred_is_borne_and_two_are_not() -> None:
    one = proposed(*many(99, 0.85, 1), (1, 0.85, 1, False))
    two = proposed(*many(98, 0.85, 1), *many(2, 0.85, 1, final=False))
    assert (one.verdict, one.consistent, one.looks) == ("proposed", 99, 100)
    assert (two.verdict, two.consistent, two.looks) == ("unreliable", 98, 100)


def test_few_looks_or_few_positions_are_too_few() -> None:
    assert proposed(*many(29, 0.85, 1)).verdict == "too_few"
    assert proposed(*many(30, 0.85, 1)).verdict == "proposed"
    assert proposed(*[(n % 4, 0.85, 1, True) for n in range(200)]).verdict == "too_few"
    none = proposed((0, 0.95, 0, True), (1, 0.85, -1, True))
    assert (none.verdict, none.looks, none.low, none.high) == ("too_few", 0, 0, 1)


def test_a_bin_that_changes_or_is_thin_is_not_hidden_by_sure_ones() -> None:
    sure = many(500, 0.85, 1)
    assert proposed(*sure, *many(9, 0.75, 1), (0, 0.75, 1, False)).tau == 0.8
    assert proposed(*sure, *many(9, 0.75, 1)).tau == 0.8
    assert proposed(*sure, *many(10, 0.75, 1)).tau == 0.7
    assert proposed(*sure, *many(100, 0.65, 1)).tau == 0.8


def test_kappa_rises_where_its_anchors_change() -> None:
    leaps = [*many(50, 0.97, 1), *many(50, 0.92, 1), *many(50, 0.85, 1)]
    shaken = looks(*leaps[100:], *many(90, 0.99, 0), *many(10, 0.92, 0, final=False))
    found = propose({0.9: shaken})
    assert found is not None
    assert (found.kappa, found.verdict) == (0.9, "unreliable")
    assert (found.anchors_consistent, found.anchors) == (90, 100)
    better = propose({0.9: shaken, 0.99: looks(*leaps, *many(90, 0.995, 0))})
    assert better is not None
    assert (better.kappa, better.tau, better.verdict) == (0.99, 0.8, "proposed")


def test_tau_lies_below_kappa() -> None:
    assert propose({0.3: looks(*many(50, 0.25, 1))}) is None
    assert proposed(*many(50, 0.35, 1), kappa=0.4).tau == 0.3
    assert kappas(0.9) == (0.9, 0.95, 0.99, 0.999)
    assert kappas(0.97) == (0.97, 0.99, 0.999)
