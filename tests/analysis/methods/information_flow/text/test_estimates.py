"""Estimated cuts against small cuts made by changing the weights, and against cuts themselves."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import analysis
from analysis.attention.gradients import weight_gradients
from analysis.attention.weights import attention_weights
from analysis.catalog.entries import folder_entry
from analysis.costs.information_flow import text as costs
from analysis.methods.information_flow.text import estimated_matrix, estimates
from analysis.methods.information_flow.text.case import FlowCase
from analysis.methods.information_flow.text.cutting import trunk_of
from analysis.methods.information_flow.text.estimated_matrix import affordable, strongest
from analysis.methods.information_flow.text.estimates import estimate
from analysis.methods.information_flow.text.matrix import MatrixRow, fill_matrix
from analysis.model import Model
from tests.analysis.methods.information_flow.text.make_case import PROMPT, make_case
from tests.families import TEXT
from tests.load_folder import load_folder
from tests.tiny_models import byte_tokenizer, save, spread

# Parallel blocks, no copy of the mask, a window, soft-capping and norms after, sinks, ALiBi.
FAMILIES = ["GPT-J", "OPT", "Mistral", "Gemma 2", "gpt-oss", "Falcon RW (ALiBi)"]
PAIRS = [(-1, 0), (-1, -2), (3, 1)]


def family(name: str, path: Path) -> Path:
    torch.manual_seed(0)
    return save(spread(TEXT[name]().eval()), byte_tokenizer(), path)


def share_cut(case: FlowCase, query: int, key: int, share: float) -> float:
    """Log p of the target when the edge's weights are (1 − share) of theirs, the rest scaled."""
    reads, read = case.groups[query], case.groups[key]

    def change(layer: int, weights_1HNN: torch.Tensor) -> torch.Tensor | None:
        if case.layers is not None and layer not in case.layers:
            return None
        heads = list(case.heads) if case.heads else list(range(weights_1HNN.shape[1]))
        changed = weights_1HNN.clone()
        rows = changed[:, heads, reads.start : reads.stop]
        mass = rows[..., read.start : read.stop].sum(-1, keepdim=True)
        new = rows if case.zero else rows * (1 + share * mass / (1 - mass))
        new[..., read.start : read.stop] = (1 - share) * changed[
            :, heads, reads.start : reads.stop, read.start : read.stop
        ]
        changed[:, heads, reads.start : reads.stop] = new
        return changed

    with torch.no_grad(), attention_weights(case.model.plain, case.model.info.layers, change):
        logits = case.model.logits(case.ids_1N, torch.tensor(case.queries))
    return float(case.logprobs(logits))


def assert_is_the_slope(case: FlowCase, share: float, tolerance: float) -> None:
    found_GG = estimate(case).sum(0)
    count = len(case.groups)
    for at, (query, key) in enumerate(PAIRS):
        pair = (query % count, key % count)
        below, above = (share_cut(case, *pair, step) for step in (-share, share))
        slope = (above - below) / (2 * share)
        assert abs(found_GG[pair] - slope) <= tolerance, (at, found_GG[pair], slope)
    assert np.abs(found_GG).max() > 100 * tolerance
    assert not np.triu(found_GG).any()


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"layers": "1", "heads": "0,2-3", "grouping": "sentence"},
        {"ablation": "zero", "grouping": "token", "target_length": 2},
    ],
)
def test_an_estimate_is_the_derivative_in_float64(params: dict[str, Any], tmp_path: Path) -> None:
    model = load_folder(family("GPT-2", tmp_path / "model"))
    model.plain.double()
    assert_is_the_slope(make_case(model, **params), share=1e-4, tolerance=1e-7)


@pytest.mark.parametrize("name", FAMILIES)
def test_an_estimate_is_the_effect_of_a_small_cut(name: str, tmp_path: Path) -> None:
    case = make_case(load_folder(family(name, tmp_path / "model")))
    assert_is_the_slope(case, share=0.01, tolerance=5e-4)


def test_half_precision_estimates_what_float32_does(tmp_path: Path) -> None:
    model = load_folder(family("Llama 3", tmp_path / "model"))
    exact_GG = estimate(make_case(model)).sum(0)
    model.plain.bfloat16()
    half_GG = estimate(make_case(model)).sum(0)
    assert np.abs(half_GG - exact_GG).max() <= 0.1 * np.abs(exact_GG).max()


def test_one_layers_weights_are_held_at_a_time(model: Model) -> None:
    seen: list[tuple[int, tuple[int, ...]]] = []
    ids = torch.arange(5, 17)[None]
    layers = model.info.layers

    def receive(layer: int, weights: torch.Tensor, gradient: torch.Tensor) -> None:
        assert weights.shape == gradient.shape
        assert not weights.requires_grad
        seen.append((layer, tuple(weights.shape)))

    saved: list[torch.Tensor] = []
    with (
        torch.enable_grad(),
        torch.autograd.graph.saved_tensors_hooks(lambda one: saved.append(one) or one, lambda x: x),
        weight_gradients(model.plain, layers, receive),
    ):
        given = model.embeddings(ids).requires_grad_()
        logits = model.logits(None, torch.tensor([11]), embeddings_BND=given)
        held = [one for one in saved if one.shape[-2:] == (12, 12)]
        torch.autograd.grad(logits.max(), given)
    assert not [one for one in held if one.ndim == 4 and one.shape[1] == model.info.heads]
    assert seen == [(layer, (1, model.info.heads, 12, 12)) for layer in reversed(range(layers))]
    assert all("forward" not in vars(part) for part in model.plain.modules())


def drained(case: FlowCase, count: int) -> tuple[dict[int, MatrixRow], list[Any]]:
    rows: dict[int, MatrixRow] = {}
    found_GG = estimate(case).sum(0)
    return rows, list(estimated_matrix.fill_estimated(trunk_of(case), rows, found_GG, count))


def test_the_strongest_edges_are_cut_and_the_others_are_told_apart(model: Model) -> None:
    case = make_case(model)
    whole: dict[int, MatrixRow] = {}
    list(fill_matrix(trunk_of(case), whole))
    rows, events = drained(case, 12)
    cut = strongest(estimate(case).sum(0), range(1, len(case.groups)), 12)
    sizes = [abs(rows[query].estimate[key]) for query, key in cut]
    for query, row in rows.items():
        for key, (delta, change) in enumerate(zip(row.delta, row.change, strict=True)):
            is_cut = (query, key) in cut
            assert row.exact[key] is is_cut
            assert (change is None) is not is_cut
            assert is_cut or abs(row.estimate[key]) <= min(sizes)
            expected = whole[query].delta[key] if is_cut else row.estimate[key]
            assert abs(delta - expected) <= 1e-5
    told = [event for event in events if event.kind == "flow_row"]
    assert [event.row for event in told[: len(rows)]] == list(range(len(case.groups) - 1, 0, -1))
    assert not any(any(event.exact) for event in told[: len(rows)])
    last = {event.row: event for event in told}
    assert all(last[query].exact == row.exact for query, row in rows.items())


def test_the_agreement_is_that_of_edges_known_both_ways(model: Model) -> None:
    rows, _ = drained(make_case(model), 12)
    found = estimated_matrix.agreement(rows)
    assert found is not None
    both = [
        (row.delta[key], row.estimate[key])
        for row in rows.values()
        for key, is_cut in enumerate(row.exact)
        if is_cut
    ]
    assert (found.cut, found.edges) == (12, sum(rows))
    assert found.largest_difference == max(abs(one - other) for one, other in both)
    assert estimated_matrix.agreement({1: MatrixRow([0.0], [0.0])}) is None


def run(folder: Path, **params: Any) -> list[Any]:
    given = {"prompt": PROMPT, "max_new_tokens": 2, "knockout": False, "tracing": False, **params}
    return list(analysis.run("information_flow", model=folder_entry(folder), params=given))


def test_a_run_says_how_many_edges_are_cut(tmp_path: Path) -> None:
    folder = family("Llama 3", tmp_path / "model")
    events = run(folder, exact_cuts=5, matrix_layers=True)
    flow = next(event for event in events if event.kind == "flow")
    groups = next(event for event in events if event.kind == "groups").groups
    assert flow.estimates.cut == 5 + len(groups) - 1
    assert {"estimates", "matrix"} <= set(events[-1].rows)
    assert events[-1].rows["estimates"] == 2
    layers = {event.layer for event in events if event.kind == "flow_row"}
    assert layers == {None, 0, 1}
    [states] = [event for event in events if event.kind == "agreement" and event.about == "states"]
    assert states.pairs == flow.estimates.cut


def test_without_gradients_every_edge_is_cut_with_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = family("Llama 3", tmp_path / "model")

    def refused(case: FlowCase) -> np.ndarray:
        return np.full((2, 2, 2), np.nan)

    monkeypatch.setattr(estimates, "estimate", refused)
    events = run(folder, exact_cuts=5)
    note = next(event for event in events if event.kind == "omitted")
    assert note.analysis == "Estimated cuts"
    assert next(event for event in events if event.kind == "flow").estimates is None


def test_short_texts_in_small_models_are_cut_everywhere(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert affordable(trunk_of(make_case(model))) is None
    monkeypatch.setitem(costs.EXACT_OPERATIONS, "cpu", 1.0)
    assert affordable(trunk_of(make_case(model))) == costs.LEAST_EXACT
    assert affordable(trunk_of(make_case(model, exact_cuts=7))) == 7
    assert affordable(trunk_of(make_case(model, exact_cuts=10**5))) is None
