import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from analysis.methods.reagent import estimators
from analysis.methods.reagent.estimators import (
    Moments,
    Probe,
    importance,
    measured,
    step_changes,
    top_set,
)

RATE = 0.3


def draws(
    seed: int, probes: int = 40, columns: int = 6, rows: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    stream = np.random.default_rng(seed)
    masks = stream.random((probes, columns)) < RATE
    return masks - RATE, stream.normal(size=(probes, rows)) * 0.2 + 5


@given(seed=st.integers(0, 10**6), cut=st.integers(1, 39))
def test_effects_in_blocks_equal_the_definition(seed: int, cut: int) -> None:
    c, d = draws(seed)
    moments = Moments(c.shape[1], d.shape[1], RATE)
    moments.add(c[:cut], d[:cut])
    moments.add(c[cut:], d[cut:])
    effect, error = moments.effects()
    terms = c[:, None] * (d - d.mean(0))[..., None] / (RATE * (1 - RATE))  # [K, R, C]
    np.testing.assert_allclose(effect, terms.mean(0), atol=1e-12)
    expected = np.sqrt(((terms - terms.mean(0)) ** 2).mean(0) / (len(c) - 1))
    np.testing.assert_allclose(error, expected, atol=1e-9)


def test_the_error_of_a_group_counts_the_covariance_of_its_tokens() -> None:
    c, d = draws(3, probes=500)
    starts = (np.arange(6), np.array([0, 2, 5]))
    columns = estimators.summed(c, starts)
    moments = Moments(columns.shape[1], d.shape[1], RATE)
    moments.add(columns, d)
    effect, error = moments.effects()
    np.testing.assert_allclose(effect[:, 6], effect[:, :2].sum(1), atol=1e-12)
    np.testing.assert_allclose(effect[:, 7], effect[:, 2:5].sum(1), atol=1e-12)
    terms = c[:, :2].sum(1)[:, None] * (d - d.mean(0)) / (RATE * (1 - RATE))
    np.testing.assert_allclose(error[:, 6], terms.std(0) / np.sqrt(len(c) - 1), atol=1e-9)


@given(
    start=hnp.arrays(float, 5, elements=st.floats(0, 0.999)),
    masks=hnp.arrays(bool, (8, 5)),
    falls=hnp.arrays(float, 8, elements=st.floats(-0.99, 0.99)),
)
def test_steps_equal_the_papers_update_and_the_closed_form(
    start: np.ndarray, masks: np.ndarray, falls: np.ndarray
) -> None:
    scores = start.copy()
    for mask, fall in zip(masks, falls, strict=True):  # the paper's loop
        signed = np.where(mask, fall, -fall)
        scores += np.log((0.5 + 0.5 * signed) / (1 - (0.5 + 0.5 * signed)))
    ours = start + step_changes(masks, falls).sum(0)
    np.testing.assert_allclose(ours, scores, atol=1e-9)
    closed = np.exp(start + 4 * (masks * np.arctanh(falls)[:, None]).sum(0))
    everywhere = np.ones(5, dtype=bool)
    np.testing.assert_allclose(importance(ours, everywhere), closed / closed.sum(), atol=1e-9)


@given(hnp.arrays(float, 6, elements=st.sampled_from([-1.0, -1 + 1e-16, 0.0, 0.9941, 1.0])))
def test_certain_differences_stay_finite(falls: np.ndarray) -> None:
    masks = np.ones((6, 4), dtype=bool)
    changes = step_changes(masks, falls)
    assert np.isfinite(changes).all()
    allowed = np.array([True, True, False, True])
    weights = importance(changes.cumsum(0)[-1], allowed)
    assert weights[2] == 0
    assert weights.sum() == pytest.approx(1)


@given(st.floats(-700, 0))
def test_measures_are_finite_and_agree(logprob: float) -> None:
    value = np.array([logprob])
    p, odds = measured(value, "probability")[0], measured(value, "log_odds")[0]
    assert 0 <= p <= 1
    assert np.isfinite(odds)
    if 1e-12 < p < 1 - 1e-6:
        assert odds == pytest.approx(np.log(p / (1 - p)), abs=1e-6)
    assert measured(value, "log_probability")[0] == logprob


def test_log_odds_of_a_certain_token_are_the_stated_clamp() -> None:
    top = measured(np.array([0.0, -1e-300]), "log_odds")
    np.testing.assert_allclose(top, 53 * np.log(2), rtol=1e-12)


@given(hnp.arrays(float, 7, elements=st.floats(-1, 1)), hnp.arrays(bool, 7), st.integers(1, 7))
def test_a_top_set_holds_the_highest_allowed(
    scores: np.ndarray, allowed: np.ndarray, n: int
) -> None:
    found = top_set(scores, allowed, n)
    assert len(found) == min(n, allowed.sum())
    rest = [i for i in np.flatnonzero(allowed) if i not in found]
    assert all(scores[i] >= scores[j] for i in found for j in rest)


def test_intervals_separate_only_where_they_do_not_touch() -> None:
    mean, allowed = np.array([1.0, 0.5, 0.0]), np.ones(3, dtype=bool)
    far, near = np.full(3, 0.1), np.full(3, 0.2)
    assert estimators.is_separated(mean, far, allowed, 1)
    assert not estimators.is_separated(mean, near, allowed, 1)
    assert estimators.is_separated(mean, near, allowed, 3)  # nothing is left to part from


def test_intervals_that_touch_in_one_point_do_not_separate() -> None:
    """Halves and quarters, so that both ends are the same number."""
    half = 0.25 / estimators.Z_95
    mean, allowed = np.array([1.0, 0.5]), np.ones(2, dtype=bool)
    assert mean[0] - estimators.Z_95 * half == mean[1] + estimators.Z_95 * half
    assert not estimators.is_separated(mean, np.full(2, half), allowed, 1)
    assert estimators.is_separated(mean, np.array([half, half * 0.99]), allowed, 1)


def test_a_tie_goes_to_the_earlier_position() -> None:
    scores, allowed = np.array([0.0, 2.0, 1.0, 1.0, 1.0]), np.ones(5, dtype=bool)
    assert top_set(scores, allowed, 2) == {1, 2}
    assert top_set(scores, allowed & (np.arange(5) != 2), 2) == {1, 3}
    assert top_set(scores, allowed, 4) == {1, 2, 3, 4}


@settings(max_examples=25)
@given(seed=st.integers(0, 1000), converged=st.integers(0, 4))
def test_the_papers_mean_is_over_converged_probes_or_all(seed: int, converged: int) -> None:
    stream = np.random.default_rng(seed)
    probes = [Probe(stream.random(5), 3, p < converged) for p in range(4)]
    allowed = np.array([False, True, True, True, True])
    mean, error = estimators.paper_mean(probes, allowed, (np.arange(5), np.array([0, 3])))
    used = probes[:converged] or probes
    maps = np.stack([importance(probe.scores_N, allowed) for probe in used])
    np.testing.assert_allclose(mean[:5], maps.mean(0))
    np.testing.assert_allclose(mean[5:], [maps.mean(0)[:3].sum(), maps.mean(0)[3:].sum()])
    expected = maps.std(0, ddof=1) / np.sqrt(len(used)) if len(used) > 1 else np.zeros(5)
    np.testing.assert_allclose(error[:5], expected)
