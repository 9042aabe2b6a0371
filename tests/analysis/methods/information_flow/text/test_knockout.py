"""Curves, and edges cut by the user, against complete forward passes through hooks."""

from typing import Any

import pytest
import torch

from analysis.attention.decoder_masks import of_cuts, size_of
from analysis.attention.edges import Cut
from analysis.errors import CutOutOfRange, InvalidParams
from analysis.methods.information_flow.text.cutting import trunk_of
from analysis.methods.information_flow.text.edge_edits import edit
from analysis.methods.information_flow.text.events import Edit, Knockout
from analysis.methods.information_flow.text.knockout import curves, percent, sources_of, windows_of
from analysis.methods.information_flow.text.matrix import target_row
from analysis.methods.information_flow.text.positions import numbers
from analysis.model import Model
from tests.analysis.attention.hooked import hooked
from tests.analysis.methods.information_flow.text.make_case import make_case, one_cut


@pytest.mark.parametrize("ablation", ["knockout", "zero"])
def test_each_point_cuts_its_window(model: Model, ablation: str) -> None:
    case = make_case(model, sources="Anna; @3-4", ablation=ablation, window=1)
    trunk = trunk_of(case)
    found = [event for event in curves(trunk, sources_of(case, None))
             if isinstance(event, Knockout)]  # fmt: skip
    assert [curve.label for curve in found] == ["Anna", "@3-4"]
    for curve in found:
        keys = tuple(curve.positions)
        for (first, last), delta in zip(curve.windows, curve.delta_logprob, strict=True):
            cut = Cut(tuple(case.queries), keys, tuple(range(first, last + 1)))
            assert abs(one_cut(case, cut, zero=case.zero) - delta) <= 1e-5
        whole = Cut(tuple(case.queries), keys)
        assert abs(one_cut(case, whole, zero=case.zero) - curve.all_layers) <= 1e-5
        assert curve.percent == [percent(delta) for delta in curve.delta_logprob]
        assert len(curve.control_mean) == len(curve.windows)


def test_percent_is_that_of_the_probability() -> None:
    before, after = 0.4, 0.1
    assert percent(-1.3862943611198906) == pytest.approx(100 * (after - before) / before)
    assert percent(800.0) is None


@pytest.mark.parametrize(
    ("layers", "asked", "expected"),
    [
        (5, 0, [(n, n) for n in range(5)]),
        (12, 0, [(0, 1), (0, 2)]),
        (4, 3, [(0, 1), (0, 2), (1, 3), (2, 3)]),
        (2, 255, [(0, 1), (0, 1)]),
        (5, 2, [(0, 0), (0, 1), (1, 2), (2, 3), (3, 4)]),
        (24, 10, [(0, 4), (0, 5), (0, 6), (0, 7), (0, 8), (0, 9), (1, 10)]),
        (3, 10, [(0, 2), (0, 2), (0, 2)]),
    ],
)
def test_windows_lie_around_each_layer(
    layers: int, asked: int, expected: list[tuple[int, int]]
) -> None:
    assert windows_of(layers, asked)[: len(expected)] == expected


def test_without_names_the_sources_are_those_that_matter_most(model: Model) -> None:
    case = make_case(model, curves=3)
    row = target_row(trunk_of(case))
    found = sources_of(case, row)
    deltas = [row.delta[case.groups.index(range(s.positions[0], s.positions[-1] + 1))]
              for s in found]  # fmt: skip
    assert deltas == sorted(row.delta)[:3]


def edited(model: Model, **params: Any) -> Edit:
    *_, last = edit(trunk_of(make_case(model, **params)))
    assert isinstance(last, Edit)
    return last


EDGES = [
    {"queries": [9, 10, 11], "keys": [3, 10], "layers": [1]},
    {"queries": [11], "keys": [2], "heads": [0, 3]},
]


@torch.inference_mode()
def test_an_edit_scores_the_output_and_writes_anew_under_its_cuts(model: Model) -> None:
    found = edited(model, edges=EDGES)
    case = make_case(model)
    ids = torch.tensor([case.context.ids[:-1]])
    cuts = [Cut((9, 10, 11), (3, 10), (1,)), Cut((11,), (2,), None, (0, 3))]
    out = hooked(model, ids, of_cuts(cuts, size_of(model, ids)))[0]
    logprobs = out.double().log_softmax(-1)
    for token in found.output:
        expected = float(logprobs[token.position - 1, case.context.ids[token.position]])
        assert abs(token.cut_logprob - expected) <= 1e-5
    first = logprobs[case.context.prompt_length - 1]
    assert found.continuation[0].id == found.first[0].id == int(first.argmax())
    edges = 3 + 2  # keys before or at their query, per layer and head
    assert found.count == edges * case.model.info.heads + case.model.info.layers * 2
    assert found.delta_logprob == pytest.approx(
        found.output[0].cut_logprob - found.output[0].logprob
    )


def test_edges_that_touch_no_output_change_nothing_they_cannot_reach(model: Model) -> None:
    case = make_case(model)
    last = len(case.context.ids) - 2
    found = edited(model, edges=[{"queries": [last], "keys": [1]}])
    assert [t.cut_logprob for t in found.output[:-1]] == pytest.approx(
        [t.logprob for t in found.output[:-1]], abs=1e-5
    )
    assert found.output[-1].cut_logprob != pytest.approx(found.output[-1].logprob, abs=1e-6)


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ({"queries": [500], "keys": [1]}, "names query 500"),
        ({"queries": [4], "keys": [1], "layers": [2]}, "layer 2; there are 2"),
        ({"queries": [4], "keys": [1], "heads": [4]}, "head 4; there are 4"),
        ({"queries": [2], "keys": [5]}, "no edge to cut"),
        ({"queries": [3], "keys": [0, 1, 2, 3]}, "leave token 3 nothing"),
    ],
)
def test_edges_that_are_not_there_and_whole_rows_are_refused(
    model: Model, edges: dict[str, Any], message: str
) -> None:
    with pytest.raises(CutOutOfRange, match=message):
        edited(model, edges=[edges])


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("Bob", "does not occur in the prompt"),
        ("An", "does not occur in the prompt"),
        ("@3-2", "names 3-2"),
        ("@900", "names 900"),
        ("@a", "neither a number"),
        ("@", "does not occur in the prompt"),
    ],
)
def test_sources_that_are_not_there_are_refused(model: Model, named: str, message: str) -> None:
    with pytest.raises(InvalidParams, match=message):
        sources_of(make_case(model, sources=named), None)


def test_a_source_may_not_be_where_the_target_is_foretold(model: Model) -> None:
    case = make_case(model)
    with pytest.raises(InvalidParams, match="cannot be cut from itself"):
        sources_of(make_case(model, sources=f"@{case.queries.start}"), None)


def test_numbers_are_read_as_ranges() -> None:
    assert numbers(" 0-2, 4,1 ", count=5, field="layers") == (0, 1, 2, 4)
    assert numbers(" ", count=5, field="layers") is None
    with pytest.raises(InvalidParams, match="layers names 3-5; there are 5"):
        numbers("3-5", count=5, field="layers")
