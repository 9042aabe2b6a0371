"""Information flow between the words of a prompt inside a text encoder, without pictures.

F(B→A; W) = 1 − cos(h_A, h_A with the edges A←B cut in the layers W), the mean over A's tokens
("Follow the Flow", arXiv 2504.01137; cuts as in attention knockout, Geva et al., EMNLP 2023).

Shape legend: G groups of tokens, L layers, N positions, D state width, A query groups, B key
groups, W windows: all layers, then each layer separately.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from transformers import PreTrainedModel

from analysis.attention.edges import Cut
from analysis.attention.encoder_masks import encoder_parts, run_with_cuts
from analysis.events import Event, Progress
from analysis.precision import exact

Group = tuple[int, ...]  # positions
MAX_ROWS = 64  # maximum per forward pass


@dataclass(frozen=True)
class Encoded:
    """A text as input to its encoder: padded ids, and a mask if the pipeline gives one."""

    ids_N: Sequence[int]
    mask_N: Sequence[int] | None


@dataclass(frozen=True)
class WordFlow:
    """`flow_WAB`: 0 on the diagonal. `total_WA`: attention to all of the prompt's other groups cut.

    `alone_A`: the shift from the group's words encoded in isolation. `blocks_A`: the shift from the
    same prompt at the same positions without attention between groups.
    """

    flow_WAB: torch.Tensor
    total_WA: torch.Tensor
    alone_A: torch.Tensor
    blocks_A: torch.Tensor


def encoder_flow(
    encoder: PreTrainedModel,
    text: Encoded,
    groups: Sequence[Group],
    *,
    pad: int,
    by_layer: bool,
    rows: int = MAX_ROWS,
) -> Generator[Event, None, WordFlow]:
    """The flow among groups, `rows` cuts per batch; yields progress. `pad` pads shorter texts."""
    layers = len(encoder_parts(encoder).blocks)
    windows: list[tuple[int, ...] | None] = [None]
    windows += [(layer,) for layer in range(layers)] if by_layer else []
    others = [tuple(n for other in groups if other != own for n in other) for own in groups]
    plans = [
        ((w, a, b), Cut(own, source, window))
        for w, window in enumerate(windows)
        for a, own in enumerate(groups)
        for b, source in enumerate((*groups, others[a]))
        if a != b and source
    ]
    uncut_ND = _states(encoder, text, [])[0]
    table_WAG = torch.zeros(len(windows), len(groups), len(groups) + 1)
    for at in range(0, len(plans), rows):
        yield Progress(stage="cutting", done=at, total=len(plans), unit="cuts")
        places, cuts = zip(*plans[at : at + rows], strict=True)
        for place, shift in zip(places, _shifts(encoder, text, cuts, uncut_ND), strict=True):
            table_WAG[place] = shift
    all_cut = [Cut(own, rest) for own, rest in zip(groups, others, strict=True) if rest]
    apart_ND = _states(encoder, text, all_cut)[0]
    return WordFlow(
        table_WAG[..., :-1],
        table_WAG[..., -1],
        torch.tensor([_alone(encoder, text, own, groups, pad, uncut_ND) for own in groups]),
        torch.tensor([_shift(uncut_ND, apart_ND, group, group) for group in groups]),
    )


def _alone(
    encoder: PreTrainedModel,
    text: Encoded,
    own: Group,
    groups: Sequence[Group],
    pad: int,
    uncut_ND: torch.Tensor,
) -> float:
    """The shift from the group's tokens alone between the text's begin and end tokens."""
    words = [n for group in groups for n in group]
    between = range(min(words), max(words) + 1)
    kept = [n for n in range(len(text.ids_N)) if n in own or n not in between]
    missing = len(text.ids_N) - len(kept)
    ids = [*(text.ids_N[n] for n in kept), *[pad] * missing]
    mask = text.mask_N and [*(text.mask_N[n] for n in kept), *[0] * missing]
    there = tuple(kept.index(n) for n in own)
    states_ND = _states(encoder, Encoded(ids, mask), [])[0]
    return _shift(uncut_ND, states_ND, own, there)


def _shifts(
    encoder: PreTrainedModel,
    text: Encoded,
    cuts: Sequence[Cut],
    uncut_ND: torch.Tensor,
) -> list[float]:
    """The effect of each cut, one per row, on its query group."""
    own_rows = [replace(cut, rows=(row,)) for row, cut in enumerate(cuts)]
    states_BND = _states(encoder, text, own_rows, rows=len(cuts))
    return [
        _shift(uncut_ND, states_ND, cut.queries, cut.queries)
        for states_ND, cut in zip(states_BND, cuts, strict=True)
    ]


@torch.no_grad()
def _states(
    encoder: PreTrainedModel, text: Encoded, cuts: Sequence[Cut], *, rows: int = 1
) -> torch.Tensor:
    """The states that condition the pipeline, [B, N, D]."""
    ids_BN = torch.tensor([list(text.ids_N)] * rows, device=encoder.device)
    mask_BN: Any = None
    if text.mask_N is not None:
        mask_BN = torch.tensor([list(text.mask_N)] * rows, device=encoder.device)
    return run_with_cuts(encoder, ids_BN, cuts, attention_mask_BN=mask_BN).final_BND.float().cpu()


def _shift(one_ND: torch.Tensor, other_ND: torch.Tensor, own: Group, there: Group) -> float:
    """1 − cosine of the group's states, the mean over its tokens."""
    cosines = torch.nn.functional.cosine_similarity(
        exact(one_ND[list(own)]), exact(other_ND[list(there)]), dim=-1
    )
    return float((1 - cosines).clamp_min(0).mean())
