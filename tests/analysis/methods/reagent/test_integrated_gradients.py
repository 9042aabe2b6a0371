"""Completeness on functions whose integrals are known."""

import numpy as np
import pytest
import torch

from analysis.methods.reagent.integrated_gradients import (
    MOST_STEPS,
    PIECE_STEPS,
    Integrated,
    integrate,
)

INPUT = torch.tensor([[[1.0, 2.0], [-1.0, 0.5], [0.5, 0.0]]], dtype=torch.float64)


def integrated(explain: object, **given: object) -> tuple[list[int], Integrated]:
    *steps, found = integrate(explain, INPUT, torch.zeros_like(INPUT), 8, **given)  # type: ignore[arg-type]
    assert isinstance(found, Integrated)
    return [step for step in steps if isinstance(step, int)], found


def test_of_squares_each_position_gets_its_own() -> None:
    steps, found = integrated(lambda x: (x**2).sum((1, 2)))
    np.testing.assert_allclose(found.scores_N, [5, 1.25, 0.25], atol=1e-9)
    assert steps == [16, 32, 48, 64]
    told = found.completeness
    assert (told.steps, told.reached) == (64, True)
    assert told.difference == pytest.approx(6.5)
    assert told.remainder == pytest.approx(0, abs=1e-9)


def test_a_steep_place_gets_more_steps() -> None:
    """A step of width 1/2000 of the path; the sum over 64 even steps misses it."""
    steps, found = integrated(lambda x: torch.sigmoid((x.sum((1, 2)) - 1.234) * 4000) * 3)
    told = found.completeness
    assert told.reached
    assert 64 < told.steps < MOST_STEPS
    assert steps == sorted(steps)
    assert abs(told.remainder) <= told.tolerance == pytest.approx(0.03, rel=1e-3)
    np.testing.assert_allclose(found.scores_N, np.array([3, -0.5, 0.5]), atol=0.04)


def test_a_jump_that_no_step_meets_is_told() -> None:
    _, found = integrated(lambda x: (x.sum((1, 2)) > 1.234).double() + 0 * x.sum((1, 2)))
    told = found.completeness
    assert not told.reached
    assert MOST_STEPS - 2 * PIECE_STEPS < told.steps <= MOST_STEPS
    assert told.remainder == pytest.approx(-1)
    assert np.isfinite(found.scores_N).all()


def test_where_nothing_differs_a_thousandth_of_a_nat_is_enough() -> None:
    _, found = integrated(lambda x: x.sum((1, 2)) * 0 + 0.7)
    assert found.completeness.reached
    assert found.completeness.tolerance == 1e-3


def test_no_steps_are_spent_on_what_is_rounding() -> None:
    steep = lambda x: torch.sigmoid((x.sum((1, 2)) - 1.234) * 4000) * 3  # noqa: E731
    _, coarse = integrated(steep, rounding=3.5)
    assert (coarse.completeness.steps, coarse.completeness.tolerance) == (64, 3.5)
    _, fine = integrated(steep, rounding=1e-6)
    assert fine.completeness.tolerance == pytest.approx(0.03, rel=1e-3)
