"""Information flow routes: the contribution of each part to each state, in one forward pass.

Source: "Information Flow Routes: Automatically Interpreting Language Models at Scale" (arXiv
2403.00824). A block's output y is the sum of its parts z: for attention, each head's contribution
from each position (values through W_O), the bias, and the previous state. A part's importance is
max(‖y‖₁ − ‖y − z‖₁, ε), divided by the sum over all parts; an edge's is the sum over heads.

Shapes: L layers, N positions, H heads, D width, E edges; Q reads, K is read.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from analysis.events import Event, Progress
from analysis.methods.information_flow.text.block_parts import BlockParts, block_parts
from analysis.methods.information_flow.text.case import FlowCase
from analysis.methods.information_flow.text.events import Agreement, Routes
from analysis.methods.information_flow.text.matrix import MatrixRow

FLOOR = 0.01
EPSILON = 1e-9  # of ‖y‖₁, so that the shares are defined even if no part contributes
WEIGHTS_BYTES = 2**28  # of attention weights that are kept at a time
PARTS_BYTES = 2**24  # of the parts of some queries: they stay in the cache of a CPU


@dataclass(frozen=True)
class LayerShares:
    """Importances in one layer, float32. `edges_HQK` per head; edges, bias and
    `attention_residual_N` add to 1 for each query, and so do `mlp_N` and `mlp_residual_N`.
    """

    edges_HQK: np.ndarray
    bias_N: np.ndarray
    attention_residual_N: np.ndarray
    mlp_N: np.ndarray
    mlp_residual_N: np.ndarray


@dataclass(frozen=True)
class Edges:
    """Edges of one layer with importances summed over heads, and each one's largest head."""

    query_E: np.ndarray
    key_E: np.ndarray
    importance_E: np.ndarray
    head_E: np.ndarray


@dataclass(frozen=True)
class Shares:
    """Importances of all layers; edges of at least FLOOR or τ, and their sum over layers."""

    edges: list[Edges]
    total_NN: np.ndarray
    attention_residual_LN: np.ndarray
    mlp_LN: np.ndarray
    mlp_residual_LN: np.ndarray


def shares(case: FlowCase) -> Generator[Event, None, Shares]:
    """Yield progress; return the shares. Raises ModelIncompatible if blocks are not such sums."""
    layers, size = case.model.info.layers, case.model.info.heads * case.positions**2 * 4
    at_once = max(1, WEIGHTS_BYTES // size)
    edges, rest = list[Edges](), list[tuple[np.ndarray, ...]]()
    total_NN = np.zeros((case.positions, case.positions), np.float32)
    for first in range(0, layers, at_once):
        asked = range(first, min(first + at_once, layers))
        for layer, parts in block_parts(case.model, case.ids_1N, asked):
            found = yield from layer_shares(parts, layer, layers)
            summed_NN = found.edges_HQK.sum(0)
            total_NN += summed_NN
            edges.append(_edges(found.edges_HQK, summed_NN, min(FLOOR, case.params.tau)))
            rest.append((found.attention_residual_N, found.mlp_N, found.mlp_residual_N))
    return Shares(edges, total_NN, *(np.stack(part) for part in zip(*rest, strict=True)))


@torch.no_grad()
def layer_shares(parts: BlockParts, layer: int, layers: int) -> Generator[Event, None, LayerShares]:
    """Yield progress by queries; return the shares of one layer."""
    middle_ND, after_ND = parts.middle_ND, parts.after_ND
    edges_HQK = torch.zeros_like(parts.weights_HQK)
    for at in _blocks(parts):
        block_HQK = _edge_importances(parts, at)
        edges_HQK[:, at.start : at.stop, : at.stop] = block_HQK
        done = layer * len(middle_ND) + at.stop
        yield Progress(
            stage="dividing states into contributions",
            done=done,
            total=layers * len(middle_ND),
            unit="states",
        )
    bias_ND = parts.scale_ND * parts.bias_D
    bias_N = importance(middle_ND, bias_ND) * float(bool(parts.bias_D.any()))
    residual_N = importance(middle_ND, parts.before_ND)
    total_N = edges_HQK.sum((0, 2)) + bias_N + residual_N
    mlp_N = importance(after_ND, after_ND - middle_ND)
    mlp_residual_N = importance(after_ND, middle_ND)
    sum_N = mlp_N + mlp_residual_N
    edges_HQK /= total_N[None, :, None]
    found = (bias_N / total_N, residual_N / total_N, mlp_N / sum_N, mlp_residual_N / sum_N)
    return LayerShares(edges_HQK.cpu().numpy(), *(part.cpu().numpy() for part in found))


def _blocks(parts: BlockParts) -> Iterator[range]:
    """Queries whose parts are computed at once."""
    positions, heads, width = parts.written_KHD.shape
    start = 0
    while start < positions:
        size = max(1, PARTS_BYTES // (4 * (start + 1) * heads * width))
        stop = min(positions, start + min(size, start + 1))
        yield range(start, stop)
        start = stop


def _edge_importances(parts: BlockParts, at: range) -> torch.Tensor:
    """Of the keys up to each query and its block's end, [H, Q, K]; later keys have weight 0."""
    queries = slice(at.start, at.stop)
    weights_QKH = parts.weights_HQK[:, queries, : at.stop].permute(1, 2, 0)
    middle_QD = parts.middle_ND[queries]
    part_QKHD = weights_QKH[..., None] * parts.written_KHD[: at.stop]
    if not parts.is_plain:
        part_QKHD *= parts.scale_ND[queries][:, None, None]
    whole_Q11D = middle_QD[:, None, None]
    found_QKH = _importance(whole_Q11D, part_QKHD.sub_(whole_Q11D))
    reads_QK = torch.ones(len(at), at.stop, device=found_QKH.device).tril(at.start)
    return (found_QKH * reads_QK[..., None]).permute(2, 0, 1)


def _edges(edges_HQK: np.ndarray, summed_NN: np.ndarray, lowest: float) -> Edges:
    query_E, key_E = (part.astype(np.int32) for part in np.nonzero(summed_NN >= lowest))
    head_E = edges_HQK[:, query_E, key_E].argmax(0).astype(np.int32)
    return Edges(query_E, key_E, summed_NN[query_E, key_E], head_E)


def importance(whole_ND: torch.Tensor, part: torch.Tensor) -> torch.Tensor:
    """max(‖y‖₁ − ‖y − z‖₁, ε) over the last axis."""
    return _importance(whole_ND, part - whole_ND)


def _importance(whole_ND: torch.Tensor, apart: torch.Tensor) -> torch.Tensor:
    """From z − y, which is overwritten."""
    norm_N = whole_ND.abs().sum(-1)
    return (norm_N - apart.abs_().sum(-1)).maximum(EPSILON * norm_N)


def routes_event(case: FlowCase, found: Shares) -> Routes:
    """All edges of at least FLOOR, and those on a route from the target."""
    states, middles = reach(case, found, case.params.tau)
    shown = [edges.importance_E >= FLOOR for edges in found.edges]

    def joined(name: str) -> np.ndarray:
        pairs = zip(found.edges, shown, strict=True)
        return np.concatenate([getattr(edges, name)[keep] for edges, keep in pairs])

    layer_E = np.repeat(np.arange(len(shown), dtype=np.int32), [keep.sum() for keep in shown])
    query_E, importance_E = joined("query_E"), joined("importance_E")
    kept_E = middles[layer_E, query_E] & (importance_E >= case.params.tau)
    return Routes(
        tau=case.params.tau,
        floor=FLOOR,
        layer=layer_E,
        query=query_E,
        key=joined("key_E"),
        importance=importance_E,
        head=joined("head_E"),
        kept=kept_E.astype(np.uint8),
        attention_residual=found.attention_residual_LN,
        mlp=found.mlp_LN,
        mlp_residual=found.mlp_residual_LN,
        reached=states.astype(np.uint8),
    )


def reach(case: FlowCase, found: Shares, tau: float) -> tuple[np.ndarray, np.ndarray]:
    """States on a route from the target, [L + 1, N] before and after each block, and [L, N]
    between its attention and its MLP; every step is at least τ."""
    layers, positions = found.mlp_LN.shape
    states = np.zeros((layers + 1, positions), bool)
    middles = np.zeros((layers, positions), bool)
    states[layers, list(case.queries)] = True
    for layer in reversed(range(layers)):
        open_N = (found.mlp_LN[layer] >= tau) | (found.mlp_residual_LN[layer] >= tau)
        middles[layer] = states[layer + 1] & open_N
        states[layer] = middles[layer] & (found.attention_residual_LN[layer] >= tau)
        edges = found.edges[layer]
        followed_E = middles[layer, edges.query_E] & (edges.importance_E >= tau)
        states[layer, edges.key_E[followed_E]] = True
    return states, middles


def agreements(case: FlowCase, found: Shares, rows: dict[int, MatrixRow]) -> list[Agreement]:
    """Agreement of routes with the cuts: into the target, and on all edges that were cut."""
    edges_NN = found.total_NN
    last = len(case.groups) - 1
    into = [_between(case, edges_NN, last, key) for key in range(last)]
    cuts = [-delta for delta in rows[last].delta]
    events = [_agreement("target", into, cuts)]
    if len(rows) == last:
        pairs = [
            (query, key)
            for query, row in rows.items()
            for key, is_cut in enumerate(row.is_cut)
            if is_cut
        ]
        among = [_between(case, edges_NN, query, key) for query, key in pairs]
        changes = [rows[query].change[key] or 0.0 for query, key in pairs]
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
