"""Attribution maps of other methods for the same target: Captum's, and attention rollout.

Each returns one score per position, [N]; 0 where the target has no score.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from captum.attr import FeatureAblation, InputXGradient
from jaxtyping import Float
from pydantic import Field
from scipy.stats import spearmanr

from analysis.attention.weights import attention_weights
from analysis.errors import ModelIncompatible, OutOfMemory
from analysis.events import Array, Event, Omitted, Progress
from analysis.methods.reagent.estimators import top_set
from analysis.methods.reagent.integrated_gradients import Completeness, Integrated, integrate
from analysis.methods.reagent.probing import ProbeCase
from analysis.model.stepping import told_passes
from analysis.precision import exact
from analysis.text.embedding_table import embedding_mean

GRADIENT, INTEGRATED = "input_x_gradient", "integrated_gradients"
OCCLUSION, ROLLOUT = "occlusion", "attention_rollout"
ALL = frozenset({GRADIENT, INTEGRATED, OCCLUSION, ROLLOUT})


@dataclass(frozen=True)
class OtherMap:
    """A baseline's map."""

    name: str
    label: str
    unit: str
    source: str
    scores_N: Float[np.ndarray, "N"]
    completeness: Completeness | None = None


class Baseline(Event):
    """The map of another method for the target."""

    kind: Literal["baseline"] = "baseline"
    name: str
    label: str
    unit: str
    source: str = Field(description="The library that computed it.")
    scores: Array = Field(description="[N]; 0 where the target's row has no score.")
    spearman: float | None = Field(description="Rank correlation with ReAGent's map, −1..1.")
    top_overlap: float = Field(description="Share of the top_n set in common, 0..1.")
    completeness: Completeness | None = Field(
        default=None, description="Integrated gradients only: completeness of the scores."
    )


def compare(
    case: ProbeCase, scores_N: np.ndarray, wanted: frozenset[str] = ALL
) -> Generator[Event, None, list[OtherMap]]:
    """Yield each wanted baseline with its agreement with a map; return all of them."""
    allowed, found = case.allowed(0), []
    top = top_set(scores_N, allowed, case.top_n)
    for other in maps(case, wanted):
        if not isinstance(other, OtherMap):
            yield other
            continue
        found.append(other)
        shared = top & top_set(other.scores_N, allowed, case.top_n)
        yield Baseline(
            name=other.name,
            label=other.label,
            unit=other.unit,
            source=other.source,
            scores=other.scores_N,
            spearman=agreement(case, scores_N, other.scores_N),
            top_overlap=len(shared) / max(1, len(top)),
            completeness=other.completeness,
        )
    return found


def maps(case: ProbeCase, wanted: frozenset[str] = ALL) -> Iterator[OtherMap | Event]:
    """Yield the wanted baselines one by one, and progress; what cannot be made is an Omitted.

    An absent token is the mean embedding of the vocabulary, as returned by the embedding module. It
    is not zero, because a model that begins with RMSNorm is discontinuous there, and a path from
    zero misses the jump.
    """
    explain = _explainer(case)
    inputs = case.model.embeddings(_inputs(case)).detach()
    absent = embedding_mean(case.model).expand_as(inputs)
    nats = "nats (log-probability)"
    if GRADIENT in wanted:
        found = yield from told_passes("input × gradient", lambda: _gradient(explain, inputs))
        yield _map(case, GRADIENT, "Input × gradient", nats, found)
    if INTEGRATED in wanted:
        yield from _integrated(case, explain, inputs, absent, nats)
    if OCCLUSION in wanted:
        occlude = partial(_occlusion, case, explain, inputs, absent)
        found = yield from told_passes("occluding", occlude)
        yield _map(case, OCCLUSION, "Occlusion", nats, found)
    if ROLLOUT in wanted:
        yield (yield from told_passes("attention rollout", lambda: _rolled_out(case)))


def _integrated(
    case: ProbeCase,
    explain: Callable[[torch.Tensor], torch.Tensor],
    inputs: torch.Tensor,
    absent: torch.Tensor,
    unit: str,
) -> Iterator[OtherMap | Progress]:
    check = case.model.info.self_check
    rounding = (check.rounding_nats if check else None) or 0.0
    for found in integrate(explain, inputs, absent, case.chunk(), rounding=rounding):
        if isinstance(found, Integrated):
            scores = np.zeros(case.length)
            scores[:-1] = found.scores_N
            yield OtherMap(
                INTEGRATED,
                "Integrated gradients",
                unit,
                "Captum",
                _where_allowed(case, scores),
                found.completeness,
            )
        else:
            yield Progress(stage="integrating gradients", done=found, total=0, unit="steps")


def rollout(case: ProbeCase) -> Float[np.ndarray, "N"]:
    """Attention rollout (Abnar & Zuidema 2020): Π_l (½ A_l + ½ I), heads averaged, [N].

    Raises ModelIncompatible if a layer has no attention weights.
    """
    case.model.require("weights")
    ids = _inputs(case)
    flow = torch.eye(ids.shape[1], dtype=torch.float64)

    def multiply(layer: int, weights_1HNN: torch.Tensor) -> None:
        nonlocal flow
        del layer  # they come in their order
        flow = (exact(weights_1HNN[0]).mean(0).cpu() + torch.eye(len(flow))) / 2 @ flow

    with torch.no_grad(), attention_weights(case.model.plain, case.model.info.layers, multiply):
        case.model.logits(ids, torch.tensor([0]))
    rows = [case.prompt_length + t - 1 for t in case.span]
    found = np.zeros(case.length)
    found[: len(flow)] = flow[rows].mean(0).numpy()
    return found


def _rolled_out(case: ProbeCase) -> OtherMap | Omitted:
    label = "Attention rollout"
    try:
        scores_N = _where_allowed(case, rollout(case))
    except (ModelIncompatible, OutOfMemory) as error:
        return Omitted(analysis=label, reason=str(error))
    source = "softmax of each layer"
    return OtherMap(ROLLOUT, label, "share of attention", source, scores_N)


def agreement(case: ProbeCase, one_N: np.ndarray, other_N: np.ndarray) -> float | None:
    """Spearman's rank correlation over scored positions; None if undefined."""
    allowed = case.allowed(0)
    if allowed.sum() < 2 or np.ptp(one_N[allowed]) == 0 or np.ptp(other_N[allowed]) == 0:
        return None
    return float(spearmanr(one_N[allowed], other_N[allowed]).statistic)


def _inputs(case: ProbeCase) -> torch.Tensor:
    return torch.from_numpy(case.ids_N[None, :-1]).to(case.model.device)


def _explainer(case: ProbeCase) -> Callable[[torch.Tensor], torch.Tensor]:
    """Embeddings [B, N, D] to the target's log-probability [B], minus the contrast token's if
    given.
    """
    at = torch.tensor([case.prompt_length + t for t in case.span])
    targets = torch.from_numpy(case.ids_N)[at]

    def explain(embeddings: torch.Tensor) -> torch.Tensor:
        logits = case.model.logits(None, at - 1, embeddings_BND=embeddings)
        logprobs = exact(logits).log_softmax(-1)
        if case.contrast_token is not None:
            return logprobs[:, 0, targets[0]] - logprobs[:, 0, case.contrast_token]
        return logprobs.gather(
            -1, targets.to(logprobs.device).expand(len(logprobs), -1)[..., None]
        ).sum((1, 2))

    return explain


@torch.enable_grad()
def _gradient(
    explain: Callable[[torch.Tensor], torch.Tensor], inputs: torch.Tensor
) -> torch.Tensor:
    found: torch.Tensor = InputXGradient(explain).attribute(inputs.clone().requires_grad_())
    return found


@torch.no_grad()
def _occlusion(
    case: ProbeCase,
    explain: Callable[[torch.Tensor], torch.Tensor],
    inputs: torch.Tensor,
    absent: torch.Tensor,
) -> torch.Tensor:
    """Occlusion: the decrease when one token's embedding is replaced by the absent one."""
    tokens = torch.arange(inputs.shape[1], device=inputs.device)[None, :, None]
    found: torch.Tensor = FeatureAblation(explain).attribute(
        inputs,
        baselines=absent,
        feature_mask=tokens.expand_as(inputs),
        perturbations_per_eval=case.chunk(),
    )
    return found / inputs.shape[2]  # Captum repeats a token's score in each of its elements


def _map(case: ProbeCase, name: str, label: str, unit: str, product: torch.Tensor) -> OtherMap:
    scores = np.zeros(case.length)
    scores[:-1] = exact(product[0]).sum(-1).detach().cpu().numpy()
    return OtherMap(name, label, unit, "Captum", _where_allowed(case, scores))


def _where_allowed(case: ProbeCase, scores_N: np.ndarray) -> np.ndarray:
    return np.where(case.allowed(0), scores_N, 0.0)
