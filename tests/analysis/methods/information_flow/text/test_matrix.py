"""Cuts in batches behind a shared beginning against each cut in a forward pass of its own."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from analysis.attention.decoder_masks import of_cuts, size_of
from analysis.attention.edges import Cut
from analysis.methods.information_flow.text.case import FlowCase
from analysis.methods.information_flow.text.cutting import control_masks, run_variants, trunk_of
from analysis.methods.information_flow.text.events import Flow, FlowRow
from analysis.methods.information_flow.text.matrix import (
    MatrixRow,
    fill_matrix,
    flow_event,
    target_row,
)
from analysis.model import Model
from tests.analysis.attention.hooked import hooked
from tests.analysis.methods.information_flow.text.make_case import make_case, one_cut


def matrix(case: FlowCase) -> dict[int, MatrixRow]:
    rows: dict[int, MatrixRow] = {}
    list(fill_matrix(trunk_of(case), rows))
    return rows


def largest_state_change(case: FlowCase, query: int, key: int, found: float) -> float:
    """Difference between a state change and the same by the hooked route."""
    states: list[torch.Tensor] = []
    for cuts in ([], [cut_of(case, query, key)]):
        hook = [("ln_final.hook_out", lambda state, hook: states.append(state[0]))]
        with torch.inference_mode(), case.model.hooks(hook):
            hooked(case.model, case.ids_1N, of_cuts(cuts, size_of(case.model, case.ids_1N)))
    at = list(case.groups[query])
    cosine = torch.cosine_similarity(states[0][at].double(), states[1][at].double(), dim=-1)
    return abs(float((1 - cosine).mean()) - found)


def cut_of(case: FlowCase, query: int, key: int) -> Cut:
    reads, read = tuple(case.groups[query]), tuple(case.groups[key])
    return Cut(reads, read, case.layers, case.heads)


CASES: list[dict[str, Any]] = [
    {},
    {"grouping": "token", "target_start": 1, "target_length": 2},
    {"grouping": "sentence", "target_start": 2},  # in the middle of its sentence
    {"layers": "1", "heads": "0,2-3", "grouping": "sentence"},
    {"grouping": "sentence", "ablation": "zero"},
]


def test_one_layers_matrix_cuts_in_that_layer_alone(model: Model) -> None:
    case = make_case(model, grouping="sentence")
    for layer in range(model.info.layers):
        rows: dict[int, MatrixRow] = {}
        events = list(fill_matrix(trunk_of(case), rows, layer=layer))
        assert {event.layer for event in events if isinstance(event, FlowRow)} == {layer}
        for query, row in rows.items():
            for key, delta in enumerate(row.delta):
                cut = replace(cut_of(case, query, key), layers=(layer,))
                assert abs(delta - one_cut(case, cut, zero=False)) <= 1e-5


@pytest.mark.parametrize("params", CASES)
def test_every_entry_is_that_of_its_cut_alone(model: Model, params: dict[str, Any]) -> None:
    case = make_case(model, **params)
    rows = matrix(case)
    assert sorted(rows) == list(range(1, len(case.groups)))
    pairs = [(query, key) for query in rows for key in range(query)]
    for query, key in pairs[:: len(pairs) // 9 or 1]:
        expected = one_cut(case, cut_of(case, query, key), zero=case.zero)
        assert abs(rows[query].delta[key] - expected) <= 1e-5
        if not case.zero:
            change = rows[query].change[key]
            assert largest_state_change(case, query, key, change) <= 1e-5


def test_the_part_of_the_targets_sentence_before_it_is_a_group(model: Model) -> None:
    case = make_case(model, grouping="sentence", target_start=2)
    number = case.context.sentences
    before, target = case.groups[-2:]
    assert number[before[-1]] == number[target[0]]
    assert before.stop == target.start == case.queries.start


def test_the_targets_row_alone_is_that_of_the_matrix(model: Model) -> None:
    case = make_case(model)
    rows = matrix(case)
    alone = target_row(trunk_of(case))
    np.testing.assert_allclose(alone.delta, rows[len(case.groups) - 1].delta, atol=1e-5)


def test_a_model_whose_keys_cannot_be_shared_gives_the_same(model: Model) -> None:
    case = make_case(model)
    shared, whole = trunk_of(case), replace(trunk_of(case), layers=[])
    variants = [[Cut((5,), (1,))], [Cut((7, 8), (2,), layers=(0,))]]
    one, other = run_variants(shared, variants), run_variants(whole, variants)
    assert (one.first, other.first) == (5, 0)
    torch.testing.assert_close(one.logprob_B, other.logprob_B, rtol=0, atol=1e-5)
    torch.testing.assert_close(one.states_BSD, other.states_BSD[:, 5:], rtol=0, atol=1e-4)


def test_the_target_no_longer_depends_on_what_is_cut_from_all_that_follows(model: Model) -> None:
    case = make_case(model)
    ids = case.ids_1N.clone()
    ids[0, 3] = (ids[0, 3] + 17) % 250 + 5
    other = replace(case, ids_1N=ids)
    paths = [Cut(tuple(range(4, case.positions)), (3,))]
    before, after = (run_variants(trunk_of(one), [paths, []]).logprob_B for one in (case, other))
    assert abs(before[0] - after[0]) <= 1e-6
    assert abs(before[1] - after[1]) > 1e-4


def test_rows_come_from_the_last_to_the_first_and_the_strongest_cut_has_a_control(
    model: Model,
) -> None:
    case = make_case(model)
    trunk, rows = trunk_of(case), dict[int, MatrixRow]()
    events = [event for event in fill_matrix(trunk, rows) if isinstance(event, FlowRow)]
    assert [event.row for event in events] == list(range(len(case.groups) - 1, 0, -1))
    assert [len(event.delta_logprob) for event in events] == [event.row for event in events]
    found: Flow = flow_event(trunk, rows)
    every = [delta for row in rows.values() for delta in row.delta]
    assert found.strongest[0].delta_logprob == min(every)
    first = found.strongest[0]
    sizes = [len(case.groups[n]) for n in (first.query, first.key)]
    assert found.control_edges == sizes[0] * sizes[1]
    assert len(found.control.draws) == 5


def test_random_cuts_are_as_many_and_leave_each_token_itself(model: Model) -> None:
    case = make_case(model)
    where = [Cut((), (), layers=(1,), heads=(2,)), Cut((), (), layers=(1,))]
    masks = control_masks(case, [4, 3], where, 6, "test")
    assert masks[0] is None
    mask = masks[1]
    assert mask is not None
    cut = ~mask
    assert cut[:, 0].sum((-2, -1)).tolist() == [3] * 6
    assert set(cut[:, 2].sum((-2, -1)).tolist()) <= {4, 5, 6, 7}
    assert not cut.triu().any()


def test_the_blocks_change_nothing(model: Model) -> None:
    small, large = (matrix(make_case(model, rows_per_forward=rows)) for rows in (3, 256))
    for query, row in large.items():
        np.testing.assert_allclose(row.delta, small[query].delta, atol=1e-5)
