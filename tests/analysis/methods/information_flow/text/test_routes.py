"""Routes: the parts of a block add up, and importances are those of the definition."""

import numpy as np
import pytest
import torch

from analysis.methods.information_flow.text import routes
from analysis.methods.information_flow.text.block_parts import block_parts
from analysis.methods.information_flow.text.case import FlowCase
from analysis.methods.information_flow.text.matrix import MatrixRow
from analysis.methods.information_flow.text.routes import (
    LayerShares,
    Shares,
    agreements,
    layer_shares,
    reach,
    routes_event,
    shares,
)
from analysis.model import Model
from tests.analysis.methods.information_flow.text.make_case import make_case
from tests.drain import drain


def layers_of(case: FlowCase) -> list[LayerShares]:
    layers = case.model.info.layers
    parts = block_parts(case.model, case.ids_1N, range(layers))
    return [drain(layer_shares(part, layer, layers))[1] for layer, part in parts]


def shares_of(case: FlowCase) -> Shares:
    return drain(shares(case))[1]


@torch.inference_mode()
def test_the_parts_of_a_block_are_those_that_hooks_show(model: Model) -> None:
    case = make_case(model)
    _, cache = model.bridge.run_with_cache(case.ids_1N)
    for layer, parts in block_parts(model, case.ids_1N, range(model.info.layers)):
        states = {
            name: cache[f"blocks.{layer}.{name}"][0]
            for name in ("hook_resid_pre", "hook_resid_mid", "hook_resid_post", "attn.hook_pattern")
        }
        near = {"rtol": 0, "atol": 1e-5}
        torch.testing.assert_close(parts.before_ND, states["hook_resid_pre"], **near)
        torch.testing.assert_close(parts.middle_ND, states["hook_resid_mid"], **near)
        torch.testing.assert_close(parts.after_ND, states["hook_resid_post"], **near)
        torch.testing.assert_close(parts.weights_HQK, states["attn.hook_pattern"], **near)


def test_shares_add_to_one(model: Model) -> None:
    for found in layers_of(make_case(model)):
        attention = found.edges_HQK.sum((0, 2)) + found.bias_N + found.attention_residual_N
        np.testing.assert_allclose(attention, 1, atol=1e-5)
        np.testing.assert_allclose(found.mlp_N + found.mlp_residual_N, 1, atol=1e-5)
        assert not np.triu(found.edges_HQK, 1).any()


def test_blocks_of_queries_and_of_layers_change_nothing(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = make_case(model)
    whole = shares_of(case)
    monkeypatch.setattr(routes, "PARTS_BYTES", 1)
    monkeypatch.setattr(routes, "WEIGHTS_BYTES", 1)
    progress, found = drain(shares(case))
    assert len(progress) == case.positions * model.info.layers
    np.testing.assert_allclose(found.total_NN, whole.total_NN, atol=1e-6)
    np.testing.assert_allclose(found.mlp_LN, whole.mlp_LN, atol=1e-6)


@torch.inference_mode()
def test_an_edges_share_is_that_of_the_definition(model: Model) -> None:
    """One query, part by part, with W_O split into heads explicitly."""
    case = make_case(model)
    found = layers_of(case)
    _, cache = model.bridge.run_with_cache(case.ids_1N)
    layer, query, heads = 1, 6, model.info.heads
    whole = cache[f"blocks.{layer}.hook_resid_mid"][0, query].double()
    before = cache[f"blocks.{layer}.hook_resid_pre"][0, query].double()
    values = cache[f"blocks.{layer}.attn.hook_v"][0].double()
    pattern = cache[f"blocks.{layer}.attn.hook_pattern"][0].double()
    plain = model.plain
    if model.info.architecture == "GPT2LMHeadModel":
        projection = plain.transformer.h[layer].attn.c_proj
        out, bias = projection.weight.double(), projection.bias.double()
    else:
        out = plain.model.layers[layer].self_attn.o_proj.weight.double().T
        bias = torch.zeros_like(whole)
    size = out.shape[0] // heads
    group = heads // values.shape[1]

    def counts(part: torch.Tensor) -> float:
        return max(float(whole.abs().sum() - (whole - part).abs().sum()), 0.0)

    parts = np.array([
        [
            counts(pattern[head, query, key] * values[key, head // group]
                   @ out[head * size : (head + 1) * size])
            for key in range(query + 1)
        ]
        for head in range(heads)
    ])  # fmt: skip
    total = parts.sum() + counts(before) + (counts(bias) if bias.any() else 0)
    expected = parts / total
    np.testing.assert_allclose(found[layer].edges_HQK[:, query, : query + 1], expected, atol=1e-5)


def test_routes_are_followed_from_the_target_by_steps_of_at_least_tau(model: Model) -> None:
    case = make_case(model, tau=0.1)
    found, layers = shares_of(case), layers_of(case)
    seen: set[tuple[int, int]] = set()

    def follow(layer: int, position: int) -> None:
        if (layer, position) in seen:
            return
        seen.add((layer, position))
        if layer == 0:
            return
        below = layer - 1
        if max(found.mlp_LN[below, position], found.mlp_residual_LN[below, position]) < 0.1:
            return
        if found.attention_residual_LN[below, position] >= 0.1:
            follow(below, position)
        for key in range(position + 1):
            if layers[below].edges_HQK[:, position, key].sum() >= 0.1:
                follow(below, key)

    for query in case.queries:
        follow(model.info.layers, query)
    states, _ = reach(case, found, 0.1)
    assert {(int(layer), int(at)) for layer, at in np.argwhere(states)} == seen
    event = routes_event(case, found)
    assert event.kept.sum() == sum(
        1
        for layer, query, share in zip(event.layer, event.query, event.importance, strict=True)
        if share >= 0.1 and (int(layer) + 1, int(query)) in seen
    )
    assert event.importance.min() >= event.floor


def test_agreement_is_a_rank_correlation(model: Model) -> None:
    case = make_case(model)
    found, last = shares_of(case), len(case.groups) - 1
    edges = sum(layer.edges_HQK.sum(0) for layer in layers_of(case))
    into = [
        float(edges[list(case.groups[last])][:, list(group)].sum()) for group in case.groups[:last]
    ]
    same = {last: MatrixRow([-value for value in into], into)}
    target = agreements(case, found, same)[0]
    assert target.spearman == pytest.approx(1)
    other = agreements(case, found, {last: MatrixRow(into, into)})[0]
    assert other.spearman == pytest.approx(-1)
    constant = agreements(case, found, {last: MatrixRow([0.0] * last, into)})[0]
    assert constant.spearman is None
