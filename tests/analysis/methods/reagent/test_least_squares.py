"""Least squares on masks against numpy and against its definition."""

import numpy as np
import pytest
from scipy import stats

from analysis.methods.reagent import least_squares as module
from analysis.methods.reagent.least_squares import Fit, NotFitted, interval_factor
from tests.drain import drain


def fitted(masks: np.ndarray, falls: np.ndarray, replaceable_N: np.ndarray) -> Fit:
    """A fit to which the probes were added in parts of different sizes."""
    fit = Fit(replaceable_N, falls.shape[1])
    for part in np.array_split(np.arange(len(masks)), 7):
        fit.add(masks[part], falls[part])
    return fit


def least_squares(
    masks: np.ndarray, falls: np.ndarray, replaceable_N: np.ndarray, starts: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, np.ndarray]:
    return drain(fitted(masks, falls, replaceable_N).effects(masks, falls, starts))[1]


def is_fitted(masks: np.ndarray, replaceable_N: np.ndarray) -> bool:
    return fitted(masks, np.zeros((len(masks), 1)), replaceable_N).is_ready


def drawn(probes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    replaceable_N = np.array([False, True, True, True, False, True])
    masks = (rng.random((probes, 6)) < 0.3) & replaceable_N
    effects = np.array([[0, 1, -2, 0, 0, 3], [0, 0.5, 0, 0, 0, 0]])
    noise = rng.normal(size=(probes, 2)) * (0.2 + masks[:, 5:])
    return masks, masks @ effects.T + 7 + noise, replaceable_N


def test_effects_are_those_of_lstsq_and_sum_over_groups() -> None:
    masks, falls, replaceable_N = drawn(200)
    starts = (np.arange(6), np.array([0, 2, 4]))
    effect, error = least_squares(masks, falls, replaceable_N, starts)
    design = np.column_stack([np.ones(200), masks[:, replaceable_N]])
    slope = np.linalg.lstsq(design, falls, rcond=None)[0][1:].T
    np.testing.assert_allclose(effect[:, :6][:, replaceable_N], slope, atol=1e-12)
    assert not effect[:, :6][:, ~replaceable_N].any()
    assert not error[:, :6][:, ~replaceable_N].any()
    expected = [effect[:, 0:2].sum(1), effect[:, 2:4].sum(1), effect[:, 4:6].sum(1)]
    np.testing.assert_allclose(effect[:, 6:], np.transpose(expected), atol=1e-12)


@pytest.mark.parametrize("probes", [40, 5000])  # one block of rows, and more than one
def test_errors_are_hc3(probes: int) -> None:
    masks, falls, replaceable_N = drawn(probes, seed=3)
    starts = (np.arange(6), np.array([0]))
    _, error = least_squares(masks, falls, replaceable_N, starts)
    design = np.column_stack([np.ones(probes), masks[:, replaceable_N]]).astype(float)
    bread = np.linalg.inv(design.T @ design)
    left = falls - design @ (bread @ design.T @ falls)
    hat = np.einsum("ki,ij,kj->k", design, bread, design)
    for row in range(2):
        meat = design.T @ (design * (left[:, row] / (1 - hat))[:, None] ** 2)
        covariance = bread @ meat @ bread
        np.testing.assert_allclose(
            error[row, :6][replaceable_N] ** 2, np.diag(covariance)[1:], rtol=1e-9
        )
        assert error[row, 6] ** 2 == pytest.approx(covariance[1:, 1:].sum())


def test_a_fit_needs_probes_of_both_kinds() -> None:
    masks, _, replaceable_N = drawn(200)
    assert is_fitted(masks, replaceable_N)
    assert not is_fitted(masks[:14], replaceable_N)
    masks[:, 1] = np.arange(200) < 4
    assert not is_fitted(masks, replaceable_N)
    masks[:, 1] = np.arange(200) >= 5
    assert is_fitted(masks, replaceable_N)


def test_bands_of_one_token_are_students_and_wider_for_many() -> None:
    assert interval_factor(104, 3) == pytest.approx(stats.t.ppf(0.975, 100))
    assert interval_factor(10**7, 3) == pytest.approx(1.959964, abs=1e-5)
    many = interval_factor(10**7, 3, 20)
    assert (2 * stats.norm.cdf(many) - 1) ** 20 == pytest.approx(0.95, abs=1e-5)


def test_many_probes_in_blocks_give_what_lstsq_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OPERATIONS", 2e5)
    monkeypatch.setattr(module, "PANEL", 16)
    rng = np.random.default_rng(5)
    replaceable_N = rng.random(70) < 0.9
    masks = (rng.random((3000, 70)) < 0.3) & replaceable_N
    falls = masks @ rng.normal(size=(70, 3)) + rng.normal(size=(3000, 3)) - 1e6
    fit = fitted(masks, falls, replaceable_N)
    steps, (effect, _) = drain(fit.effects(masks, falls, (np.arange(70),)))
    assert set(steps) == {3000}
    assert len(steps) > 100  # between any two of them a cancel is heard
    design = np.column_stack([np.ones(3000), masks[:, replaceable_N]])
    slope = np.linalg.lstsq(design, falls + 1e6, rcond=None)[0][1:].T
    np.testing.assert_allclose(effect[:, replaceable_N], slope, atol=1e-9)


def test_positions_always_replaced_together_are_not_told_apart() -> None:
    masks, falls, replaceable_N = drawn(200)
    masks[:, 2] = masks[:, 3]
    fit = fitted(masks, falls, replaceable_N)
    assert fit.is_ready
    with pytest.raises(NotFitted):
        next(fit.effects(masks, falls, (np.arange(6),)))


def test_a_fit_of_too_many_positions_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_POSITIONS", 3)
    masks, falls, replaceable_N = drawn(200)
    fit = fitted(masks, falls, replaceable_N)
    assert not fit.is_ready
    with pytest.raises(NotFitted):
        next(fit.effects(masks, falls, (np.arange(6),)))


@pytest.mark.parametrize(("positions", "rows"), [(1, 1), (600, 60), (2048, 1), (2048, 200)])
def test_a_block_of_rows_is_short_work(positions: int, rows: int) -> None:
    fit = Fit(np.ones(positions, bool), rows)
    fit.count = 65_536
    blocks = list(fit._blocks())
    assert [block.start for block in blocks[1:]] == [block.stop for block in blocks[:-1]]
    assert (blocks[0].start, blocks[-1].stop) == (0, 65_536)
    longest = max(block.stop - block.start for block in blocks)
    assert longest * positions * (2 * positions + 4 * rows) <= module.OPERATIONS
