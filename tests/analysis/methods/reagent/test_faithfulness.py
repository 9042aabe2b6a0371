from collections.abc import Generator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis.extra import numpy as hnp

from analysis.methods.reagent import faithfulness, replacers
from analysis.methods.reagent.probing import ProbeCase
from analysis.model import Model
from tests.drain import drain

TEXT = "Anna has the ball and Tom has the book. Where is the ball?"


@pytest.fixture
def case(model: Model) -> ProbeCase:
    """One target after a real prompt, on each architecture."""
    ids = np.array([*model.tokenizer(TEXT).input_ids, 50])
    groups = np.arange(len(ids))
    return ProbeCase(
        model=model, ids_N=ids, prompt_length=len(ids) - 1, replaceable_N=ids != 0, words_N=groups,
        sentences_N=groups * 0, span=range(1), contrast_token=None,
        replacer=replacers.uniform(model, ids.tolist()), rate=0.3, measure="probability",
        top_n=5, rows_per_forward=16, seed=3,
    )  # fmt: skip


def result(steps: Generator[Any, None, Any]) -> Any:
    counts, found = drain(steps)
    assert all(isinstance(count, int) for count in counts)
    return found


def probability(case: ProbeCase, ids: np.ndarray) -> float:
    logits = case.model.plain(torch.from_numpy(ids[None, :-1])).logits[0, -1].double()
    return float(logits.softmax(-1)[case.ids_N[-1]])


@torch.inference_mode()
def test_a_curve_replaces_the_first_of_the_order(case: ProbeCase) -> None:
    places = np.flatnonzero(case.allowed(0))
    orders = np.stack([places, places[::-1]])
    counts = faithfulness.shares(len(places))
    uniform = case.stream(faithfulness.CURVE).random((2, 1, case.length))[:, 0]
    for insertion in (False, True):
        found = result(faithfulness.curve(case, orders, insertion=insertion))
        for point, count in enumerate(counts):
            values = []
            for order, u in zip(orders, uniform, strict=True):
                chosen = order[count:] if insertion else order[:count]
                ids = case.ids_N.copy()
                ids[chosen] = case.replacer.draw(u)[chosen]
                values.append(probability(case, ids))
            assert found.mean[point] == pytest.approx(np.mean(values), abs=1e-6)
            expected = np.std(values, ddof=1) / np.sqrt(2)
            assert found.error[point] == pytest.approx(expected, abs=1e-6)


@torch.inference_mode()
def test_both_curves_share_their_ends(case: ProbeCase) -> None:
    order = np.flatnonzero(case.allowed(0))[None]
    deletion = result(faithfulness.curve(case, order, insertion=False))
    insertion = result(faithfulness.curve(case, order, insertion=True))
    clean = probability(case, case.ids_N)
    assert deletion.fraction[[0, -1]].tolist() == [0, 1]
    np.testing.assert_allclose([deletion.mean[0], insertion.mean[-1]], clean, atol=1e-6)
    assert deletion.mean[-1] == pytest.approx(insertion.mean[0], abs=1e-6)
    assert 0 <= deletion.area <= 1


def test_keeping_every_element_suffices_and_dropping_all_does_not(case: ProbeCase) -> None:
    allowed = case.allowed(0)
    ones = result(faithfulness.soft_scores(case, allowed.astype(float)))
    zeros = result(faithfulness.soft_scores(case, np.zeros(case.length)))
    assert ones.sufficiency == pytest.approx(1, abs=1e-6)
    assert ones.comprehensiveness == pytest.approx(1, abs=1e-6)
    assert zeros.sufficiency == pytest.approx(0, abs=1e-6)
    assert zeros.comprehensiveness == pytest.approx(0, abs=1e-6)


def test_distance_is_the_papers() -> None:
    p, q = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    assert faithfulness.distance(p, q) == pytest.approx(np.sqrt(2))
    assert faithfulness.distance(p, p) == 0


@given(hnp.arrays(float, 9, elements={"min_value": -1, "max_value": 1}))
def test_matched_weights_keep_the_order_at_the_entropy_asked_for(scores: np.ndarray) -> None:
    allowed = np.arange(9) > 0
    own = faithfulness.soft_weights(scores, allowed)
    assert own.sum() == pytest.approx(1)
    assert own[0] == 0
    matched = faithfulness.at_entropy(own, allowed, 1.5)
    assert faithfulness.entropy(matched) == pytest.approx(1.5, abs=1e-6)
    order = np.argsort(own[1:], kind="stable")
    assert (np.diff(matched[1:][order]) > 0).all()


@pytest.mark.parametrize("target", [0.0, 0.5, np.log(8), 99.0])
def test_any_entropy_is_met_as_far_as_it_can_be(target: float) -> None:
    allowed = np.ones(8, dtype=bool)
    found = faithfulness.at_entropy(np.arange(8) / 28, allowed, target)
    assert np.isfinite(found).all()
    assert faithfulness.entropy(found) == pytest.approx(min(target, np.log(8)), abs=1e-3)


def test_log_ratios_are_finite() -> None:
    assert faithfulness.log_ratio(0.0, 0.0) == 0
    assert np.isfinite(faithfulness.log_ratio(1.0, 0.0))
    assert faithfulness.log_ratio(2.0, 1.0) == pytest.approx(np.log(2))


def test_a_true_order_beats_random_order_beats_its_reverse(case: ProbeCase) -> None:
    """Effects measured one token at a time must order the curves."""
    allowed = case.allowed(0)
    scores = np.zeros(case.length)
    for place in np.flatnonzero(allowed):
        falls = []
        for u in case.stream(99).random((20, case.length)):
            ids = case.ids_N.copy()
            ids[place] = case.replacer.draw(u)[place]
            falls.append(probability(case, case.ids_N) - probability(case, ids))
        scores[place] = np.mean(falls)
    order = faithfulness.order_of(scores, allowed)
    drawn = [np.stack([o] * 20) for o in (order, order[::-1])]
    drawn.insert(1, faithfulness.random_orders(case, allowed, 20))
    areas = [result(faithfulness.curve(case, rows, insertion=False)).area for rows in drawn]
    assert areas == sorted(areas)
