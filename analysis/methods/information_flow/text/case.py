"""Shared by all analyses of a run: the input, its groups, the target and the limits."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from analysis.costs.information_flow.text import MOST_GROUPS
from analysis.errors import InvalidParams, PromptTooLong
from analysis.methods.information_flow.text.events import Group, Groups
from analysis.methods.information_flow.text.params import FlowParams, Grouping
from analysis.methods.information_flow.text.positions import numbers
from analysis.model import Model
from analysis.precision import exact
from analysis.text import generation
from analysis.text.context import Context, target_span
from analysis.text.grouping import parts_of

MOST_POSITIONS = 4096


@dataclass(frozen=True)
class FlowCase:
    """An input of N positions whose last ones predict the target.

    `ids_1N` are the input ids; `target_T` the ids predicted at the positions `queries`, which form
    the last group. `grouping` is the requested one or the next coarser one with at most MOST_GROUPS
    groups. `layers` and `heads` are those in which matrix and curves cut.
    """

    model: Model
    context: Context
    params: FlowParams
    ids_1N: torch.Tensor
    target_T: torch.Tensor
    queries: range
    grouping: Grouping
    groups: list[range]
    logprob: float
    layers: tuple[int, ...] | None
    heads: tuple[int, ...] | None

    @property
    def positions(self) -> int:
        return self.ids_1N.shape[1]

    @property
    def zero(self) -> bool:
        return self.params.ablation == "zero"

    def random(self, name: str) -> np.random.Generator:
        """Random numbers of one analysis, independent of the other analyses."""
        return np.random.default_rng([self.params.seed, *name.encode()])

    def logprobs(self, logits_BTV: torch.Tensor) -> torch.Tensor:
        """Log-probability of the target per row, nats, float64 on the CPU."""
        logprobs_BTV = exact(logits_BTV).log_softmax(-1)
        target_BT = self.target_T.to(logprobs_BTV.device).expand(len(logits_BTV), -1)
        return logprobs_BTV.gather(-1, target_BT[..., None])[..., 0].sum(-1).cpu()

    def blocks(self, rows: int, length: int) -> Iterator[range]:
        """Indices of `rows` rows of `length` tokens, in blocks limited by time and memory."""
        limit = self.params.rows_per_forward
        size = self.model.rows_per_pass(length, len(self.queries), limit)
        for at in range(0, rows, size):
            yield range(at, min(at + size, rows))


def read_case(model: Model, params: FlowParams, context: Context) -> FlowCase:
    """Raises TargetOutOfRange, InvalidParams, PromptTooLong."""
    span = target_span(context, params.target_start, params.target_length)
    target = range(context.prompt_length + span.start, context.prompt_length + span.stop)
    ids = context.ids[: target.stop - 1]
    queries = range(target.start - 1, target.stop - 1)
    grouping, groups = groups_of(context, params, queries)
    scored = generation.score(model, context.ids, context.prompt_length)
    return FlowCase(
        model=model,
        context=context,
        params=params,
        ids_1N=torch.tensor([ids], device=model.device),
        target_T=torch.tensor(context.ids[target.start : target.stop], device=model.device),
        queries=queries,
        grouping=grouping,
        groups=groups,
        logprob=float(scored.logprob_T[span.start : span.stop].sum()),
        layers=numbers(params.layers, count=model.info.layers, field="layers"),
        heads=numbers(params.heads, count=model.info.heads, field="heads"),
    )


def refuse_layers(model: Model, params: FlowParams) -> None:
    """Raise InvalidParams for layers or heads that the model does not have."""
    numbers(params.layers, count=model.info.layers, field="layers")
    numbers(params.heads, count=model.info.heads, field="heads")


def refuse_long(positions: int) -> None:
    """Raise PromptTooLong for more positions than are analysed."""
    if positions > MOST_POSITIONS:
        raise _too_long(positions, "positions", MOST_POSITIONS)


def groups_event(case: FlowCase) -> Groups:
    texts = case.context.texts
    target = range(case.queries.start + 1, case.queries.stop + 1)
    return Groups(
        grouping=case.grouping,
        ablation=case.params.ablation,
        groups=[
            Group(start=group.start, end=group.stop, text=label_of(case, group))
            for group in case.groups
        ],
        positions=case.positions,
        target_queries=list(case.queries),
        target_text="".join(texts[n] for n in target),
        logprob=case.logprob,
        layers=list(case.layers or range(case.model.info.layers)),
        heads=list(case.heads or range(case.model.info.heads)),
    )


def label_of(case: FlowCase, positions: range | list[int]) -> str:
    """The text at some positions, in one line."""
    joined = "".join(case.context.texts[n] for n in positions)
    return " ".join(joined.split()) or joined


def groups_of(context: Context, params: FlowParams, queries: range) -> tuple[Grouping, list[range]]:
    """Tokens, words or sentences before the target's positions, which are the last group."""
    refuse_long(queries.stop)
    if not queries.start:
        raise InvalidParams(
            "No token precedes the position that predicts the target, so nothing can be cut.",
            remedy="Give a prompt of at least two tokens.",
            field="prompt",
        )
    names: dict[Grouping, list[int]] = {
        "token": list(range(queries.stop)),
        "word": context.words,
        "sentence": context.sentences,
    }
    asked = list(names).index(params.grouping)
    groups: list[range] = []
    for grouping in list(names)[asked:]:
        groups = parts_of(names[grouping], queries)
        if len(groups) <= MOST_GROUPS:
            return grouping, groups
    raise _too_long(len(groups), "sentences", MOST_GROUPS)


def _too_long(count: int, what: str, limit: int) -> PromptTooLong:
    return PromptTooLong(
        f"The prompt with the output has {count} {what}; the limit is {limit}.",
        remedy="Shorten the prompt.",
        field="prompt",
    )
