"""Information flow routes: the contribution of each part to each state, in one forward pass.

Source: "Information Flow Routes: Automatically Interpreting Language Models at Scale" (arXiv
2403.00824). A block's output y is the sum of its parts z: for attention, each head's contribution
from each position (values through W_O), the bias, and the previous state. A part's importance is
max(‖y‖₁ − ‖y − z‖₁, ε), divided by the sum over all parts; an edge's is the sum over heads.

Shapes: L layers, N positions, H heads, D width, E edges; Q reads, K is read.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from analysis.errors import ModelIncompatible
from analysis.methods.information_flow.text.case import FlowCase
from analysis.methods.information_flow.text.events import Agreement, Routes
from analysis.methods.information_flow.text.matrix import MatrixRow

FLOOR = 0.01
EPSILON = 1e-9  # of ‖y‖₁, so that the shares are defined even if no part contributes
SLACK = 1e-3  # largest share of a state that rounding may leave unexplained
HOOKS = ("hook_resid_pre", "hook_resid_mid", "hook_resid_post", "attn.hook_pattern", "attn.hook_v")


@dataclass(frozen=True)
class Shares:
    """Importances, float32; `edges_LHNN` [query, key] per head, the rest per layer and position.

    In each layer and position edges, bias and `attention_residual_LN` add to 1, and so do
    `mlp_LN` and `mlp_residual_LN`.
    """

    edges_LHNN: np.ndarray
    bias_LN: np.ndarray
    attention_residual_LN: np.ndarray
    mlp_LN: np.ndarray
    mlp_residual_LN: np.ndarray


@torch.no_grad()
def shares(case: FlowCase) -> Shares:
    """Raises ModelIncompatible if a model's blocks are not such sums."""
    captured: dict[str, torch.Tensor] = {}
    layers = range(case.model.info.layers)

    names = [f"blocks.{layer}.{name}" for layer in layers for name in HOOKS]
    case.model.passes.count(1)
    with case.model.hooks([(name, partial(_keep, captured, name)) for name in names]):
        case.model.bridge(case.ids_1N)
    found = [_layer(case, captured, layer) for layer in layers]
    return Shares(*(np.stack(parts) for parts in zip(*found, strict=True)))


def _keep(captured: dict[str, torch.Tensor], name: str, found: torch.Tensor, hook: Any) -> None:
    del hook  # it has another name if hooks are aliases
    captured[name] = found.detach()[0]


def _layer(case: FlowCase, captured: dict[str, torch.Tensor], layer: int) -> tuple[np.ndarray, ...]:
    before_ND, middle_ND, after_ND, pattern_HNN, values = (
        captured[f"blocks.{layer}.{name}"].float() for name in HOOKS
    )
    written_NHD, bias_D = written(case, values, layer)
    sum_ND = before_ND + bias_D + torch.einsum("hqk,khd->qd", pattern_HNN, written_NHD)
    _refuse_unexplained(case, middle_ND, sum_ND, layer)
    edges_HNN, bias_N, residual_N = _attention(
        before_ND, middle_ND, pattern_HNN, written_NHD, bias_D
    )
    mlp_N = importance(after_ND, after_ND - middle_ND)
    mlp_residual_N = importance(after_ND, middle_ND)
    total_N = mlp_N + mlp_residual_N
    parts = (edges_HNN, bias_N, residual_N, mlp_N / total_N, mlp_residual_N / total_N)
    return tuple(part.cpu().numpy() for part in parts)


def written(case: FlowCase, values: torch.Tensor, layer: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Each head's output if it attended only to one position, [N, H, D], and the bias, [D]."""
    heads, positions = case.model.info.heads, values.shape[0]
    values_NHV = values.reshape(positions, -1, values.shape[-1])
    values_NHV = values_NHV.repeat_interleave(heads // values_NHV.shape[1], dim=1)
    apart = torch.zeros(positions, heads, heads, values.shape[-1], device=values.device)
    each = torch.arange(heads)
    apart[:, each, each] = values_NHV
    project = case.model.bridge.blocks[layer].attn.o.original_component
    dtype = case.model.plain.dtype
    bias_D = project(torch.zeros_like(apart[:1, 0].flatten(1)).to(dtype))[0].float()
    return project(apart.flatten(2).to(dtype)).float() - bias_D, bias_D


def importance(whole_ND: torch.Tensor, part: torch.Tensor) -> torch.Tensor:
    """max(‖y‖₁ − ‖y − z‖₁, ε) over the last axis."""
    norm_N = whole_ND.abs().sum(-1)
    return (norm_N - (whole_ND - part).abs().sum(-1)).maximum(EPSILON * norm_N)


def _attention(
    before_ND: torch.Tensor,
    middle_ND: torch.Tensor,
    pattern_HNN: torch.Tensor,
    written_NHD: torch.Tensor,
    bias_D: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    edges_HNN = torch.zeros_like(pattern_HNN)
    for query in range(len(middle_ND)):
        part_KHD = pattern_HNN[:, query, : query + 1].T[..., None] * written_NHD[: query + 1]
        edges_HNN[:, query, : query + 1] = importance(middle_ND[query], part_KHD).T
    has_bias = float(bool(bias_D.any()))
    bias_N = importance(middle_ND, bias_D) * has_bias
    residual_N = importance(middle_ND, before_ND)
    total_N = edges_HNN.sum((0, 2)) + bias_N + residual_N
    return edges_HNN / total_N[None, :, None], bias_N / total_N, residual_N / total_N


def _refuse_unexplained(
    case: FlowCase, middle_ND: torch.Tensor, sum_ND: torch.Tensor, layer: int
) -> None:
    error = float((middle_ND - sum_ND).abs().max() / middle_ND.abs().max())
    if not error <= SLACK:
        raise ModelIncompatible(
            f"Layer {layer} of a {case.model.info.architecture} is not the sum of its heads' "
            f"outputs and the previous state: {error:.0e} of it is unexplained.",
            remedy="Set routes to false.",
            field="routes",
        )


def routes_event(case: FlowCase, found: Shares) -> Routes:
    """All edges of at least FLOOR, and those on a route from the target."""
    edges_LNN = found.edges_LHNN.sum(1)
    layer, query, key = (part.astype(np.int32) for part in np.nonzero(edges_LNN >= FLOOR))
    reached = reach(case, found, case.params.tau)
    importance_E = edges_LNN[layer, query, key]
    middle = reached[1][layer, query]
    return Routes(
        tau=case.params.tau,
        floor=FLOOR,
        layer=layer,
        query=query,
        key=key,
        importance=importance_E.astype(np.float32),
        head=found.edges_LHNN[layer, :, query, key].argmax(-1).astype(np.int32),
        kept=(middle & (importance_E >= case.params.tau)).astype(np.uint8),
        attention_residual=found.attention_residual_LN,
        mlp=found.mlp_LN,
        mlp_residual=found.mlp_residual_LN,
        reached=reached[0].astype(np.uint8),
    )


def reach(case: FlowCase, found: Shares, tau: float) -> tuple[np.ndarray, np.ndarray]:
    """States on a route from the target, [L + 1, N] before and after each block, and [L, N]
    between its attention and its MLP; every step is at least τ."""
    edges_LNN = found.edges_LHNN.sum(1)
    layers, positions = found.mlp_LN.shape
    states = np.zeros((layers + 1, positions), bool)
    middles = np.zeros((layers, positions), bool)
    states[layers, list(case.queries)] = True
    for layer in reversed(range(layers)):
        open_N = (found.mlp_LN[layer] >= tau) | (found.mlp_residual_LN[layer] >= tau)
        middles[layer] = states[layer + 1] & open_N
        stays_N = middles[layer] & (found.attention_residual_LN[layer] >= tau)
        read_N = (middles[layer][:, None] & (edges_LNN[layer] >= tau)).any(0)
        states[layer] = stays_N | read_N
    return states, middles


def agreements(case: FlowCase, found: Shares, rows: dict[int, MatrixRow]) -> list[Agreement]:
    """Agreement of routes with the cuts: into the target, and between all groups."""
    edges_NN = found.edges_LHNN.sum((0, 1))
    last = len(case.groups) - 1
    into = [_between(case, edges_NN, last, key) for key in range(last)]
    cuts = [-delta for delta in rows[last].delta]
    events = [_agreement("target", into, cuts)]
    if len(rows) == last:
        pairs = [(query, key) for query in rows for key in range(query)]
        among = [_between(case, edges_NN, query, key) for query, key in pairs]
        changes = [rows[query].change[key] for query, key in pairs]
        both = _agreement("states", among, changes)
        events.append(both.model_copy(update={"routes": [], "cuts": []}))
    return events


def _between(case: FlowCase, edges_NN: np.ndarray, query: int, key: int) -> float:
    """Importance of a group's edges to another, over all layers, per query token."""
    reads, read = case.groups[query], case.groups[key]
    block = edges_NN[reads.start : reads.stop, read.start : read.stop]
    return float(block.sum()) / len(reads)


def _agreement(about: Any, routes: list[float], cuts: list[float]) -> Agreement:
    constant = len(set(routes)) < 2 or len(set(cuts)) < 2
    rank = None if constant else float(spearmanr(routes, cuts).statistic)
    return Agreement(about=about, spearman=rank, pairs=len(cuts), routes=routes, cuts=cuts)
