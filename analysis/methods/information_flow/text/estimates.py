"""Attribution patching: the effect of every cut to first order, from one backward pass.

A cut changes the attention weights of a layer from A to A′: those of the cut keys are 0, and the
others are renormalised (knockout) or stay (zero). To first order it changes the target's
log-probability by Σ (A′ − A) ∂log p/∂A, over the cut layers and heads and the queries. With g the
gradient, ḡ = Σ A g its mean and M the mass of the cut keys K, knockout gives for each query
−(Σ_K A g − M ḡ) / (1 − M), and zero −Σ_K A g. That is the derivative of log p along the straight
way from A to A′, on which the cut keys keep the share 1 − ε of their weights. States and weights of
all layers after the cut are those of the uncut input.

Sources: attribution patching (Nanda 2023, "Attribution Patching: Activation Patching At Industrial
Scale"); AtP* (arXiv 2403.00745), whose softmax is recomputed as here, because a gradient by the
scores misses what saturated attention does; edges, "Attribution Patching Outperforms Automated
Circuit Discovery" (arXiv 2310.10348).

Shapes: L layers, H heads, N positions, S keys (a sink last where there is one), G groups.
"""

from collections.abc import Generator, Sequence

import numpy as np
import torch

from analysis.attention.gradients import weight_gradients
from analysis.errors import ModelIncompatible, OutOfMemory
from analysis.events import Event, Omitted
from analysis.methods.information_flow.text.case import FlowCase
from analysis.model.memory import is_out_of_memory, rows_do_not_fit
from analysis.model.stepping import told_passes
from analysis.precision import exact

LEAST_REST = 1e-12  # of the weights that a cut leaves
ELEMENTS_AT_ONCE = 2**24  # of weights in float64


def estimated(case: FlowCase) -> Generator[Event, None, np.ndarray | None]:
    """Estimates [L, G, G] by layer, query group and key group, nats; 0 in layers that are not cut.

    None, with an Omitted, where the model or its memory does not allow gradients.
    """
    try:
        case.model.require("gradients", "weights")
        found = yield from told_passes("estimating all cuts", lambda: estimate(case))
        if not np.isfinite(found).all():
            raise ModelIncompatible(
                "The gradients of the attention weights are not finite.",
                remedy="Load the model in another dtype.",
            )
    except (ModelIncompatible, OutOfMemory) as error:
        yield Omitted(analysis="Estimated cuts", reason=f"{error} All edges are cut instead.")
        return None
    return found


@torch.enable_grad()
def estimate(case: FlowCase) -> np.ndarray:
    """Likewise. Raises ModelIncompatible, OutOfMemory."""
    model, count = case.model, len(case.groups)
    asked = set(case.layers or range(model.info.layers))
    found = np.zeros((model.info.layers, count, count))

    def receive(layer: int, weights_1HNS: torch.Tensor, gradient_1HNS: torch.Tensor) -> None:
        if layer in asked:
            heads = list(case.heads) if case.heads else slice(None)
            found[layer] = group_effects(
                weights_1HNS[0, heads], gradient_1HNS[0, heads], case.groups, zero=case.zero
            )

    with weight_gradients(model.plain, model.info.layers, receive):
        given = model.embeddings(case.ids_1N).detach().requires_grad_()
        logits = model.logits(None, torch.tensor(case.queries), embeddings_BND=given)
        model.passes.count(1, case.positions)  # blocks run again
        try:
            torch.autograd.grad(case.logprobs(logits).sum(), given)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise rows_do_not_fit(1, case.positions) from error
    return found


@torch.no_grad()
def group_effects(
    weights_HNS: torch.Tensor,
    gradient_HNS: torch.Tensor,
    groups: Sequence[range],
    *,
    zero: bool,
) -> np.ndarray:
    """Estimates of one layer, [G, G] by query and key; only key groups before a query's count."""
    heads, positions, keys = weights_HNS.shape
    found_GG = np.zeros((len(groups), len(groups)))
    size = max(1, ELEMENTS_AT_ONCE // (positions * keys))
    for at in range(0, heads, size):
        weights, gradient = (exact(x[at : at + size]) for x in (weights_HNS, gradient_HNS))
        told_HNG = _effects(weights, weights * gradient, groups, zero=zero)
        found_GG += _summed(told_HNG.sum(0).T, groups).T.cpu().numpy()
    return np.tril(found_GG, -1)


def _effects(
    weights_HNS: torch.Tensor, weighted_HNS: torch.Tensor, groups: Sequence[range], *, zero: bool
) -> torch.Tensor:
    """Of each query and each group of keys, [H, N, G]; `weighted_HNS` is A g."""
    weighted_HNG = _summed(weighted_HNS, groups)
    if zero:
        return -weighted_HNG
    total_HN1, mass_HNG = weights_HNS.sum(-1, keepdim=True), _summed(weights_HNS, groups)
    mean_HN1 = weighted_HNS.sum(-1, keepdim=True) / total_HN1
    rest_HNG = (total_HN1 - mass_HNG).clamp(min=LEAST_REST) / total_HN1
    return -(weighted_HNG - mass_HNG * mean_HN1) / rest_HNG


def _summed(values: torch.Tensor, groups: Sequence[range]) -> torch.Tensor:
    """Sums of the last axis over each group."""
    running = torch.nn.functional.pad(values.cumsum(-1), (1, 0))
    starts, ends = ([getattr(group, end) for group in groups] for end in ("start", "stop"))
    return running[..., ends] - running[..., starts]
