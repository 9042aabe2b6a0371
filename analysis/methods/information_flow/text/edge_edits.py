"""Selected edges cut together: the effect on the output, compared with random cuts."""

from collections.abc import Generator, Iterator, Sequence

import torch

from analysis.attention import decoder_masks
from analysis.attention.decoder_masks import of_cuts, size_of
from analysis.attention.edges import Cut, Size, refuse_out_of_range
from analysis.errors import CutOutOfRange
from analysis.events import Event, Progress
from analysis.methods.information_flow.text.cutting import Trunk
from analysis.methods.information_flow.text.events import Edit, EditedToken
from analysis.methods.information_flow.text.matrix import control
from analysis.methods.information_flow.text.params import EdgeSet
from analysis.model import Model
from analysis.precision import exact
from analysis.text.context import Alternative
from analysis.text.generation import stop_ids

SHOWN = 5


def refuse_edges(model: Model, sets: Sequence[EdgeSet], tokens: int) -> None:
    """Raise CutOutOfRange for edges that a text of so many tokens does not have."""
    cuts = [Cut(own.queries, own.keys, own.layers, own.heads) for own in sets]
    refuse_out_of_range(cuts, Size(1, tokens, model.info.layers, model.info.heads))
    for own in sets:
        _pairs(own, tokens)


def edit(trunk: Trunk) -> Iterator[Event]:
    """Progress, then the edit. Raises CutOutOfRange."""
    case = trunk.case
    sets, context = case.params.edges, case.context
    cuts = [Cut(own.queries, own.keys, own.layers, own.heads) for own in sets]
    pairs = [_pairs(own, len(context.ids) - 1) for own in sets]
    plain_TV = _logprobs(trunk, context.ids[:-1], (), context.prompt_length)
    cut_TV = _logprobs(trunk, context.ids[:-1], cuts, context.prompt_length)
    output = context.ids[context.prompt_length :]
    each = torch.tensor(output)[:, None]
    before_T, after_T = (found.gather(1, each)[:, 0].tolist() for found in (plain_TV, cut_TV))
    first = case.queries.start + 1 - context.prompt_length
    target = slice(first, first + len(case.queries))
    written = yield from _written(trunk, cuts, len(output))
    yield Edit(
        edges=list(sets),
        count=_count(trunk, sets, pairs),
        output=[
            EditedToken(
                position=context.prompt_length + t,
                text=context.texts[context.prompt_length + t],
                logprob=before_T[t],
                cut_logprob=after_T[t],
            )
            for t in range(len(output))
        ],
        delta_logprob=sum(after_T[target]) - sum(before_T[target]),
        first=_likeliest(trunk, cut_TV[0], SHOWN),
        continuation=written,
        control=control(trunk, pairs, cuts, "edges"),
    )


def _pairs(own: EdgeSet, tokens: int) -> int:
    """Existing edges per layer and head: a token does not attend to later ones."""
    found = sum(1 for query in set(own.queries) for key in set(own.keys) if key <= query)
    if not found:
        raise CutOutOfRange(
            f"No token of the queries {list(own.queries)[:8]} follows one of the keys "
            f"{list(own.keys)[:8]}: there is no edge to cut.",
            remedy="A token attends to itself and to earlier tokens; positions are 0 to "
            f"{tokens - 1}.",
            field="edges",
        )
    return found


def _count(trunk: Trunk, sets: Sequence[EdgeSet], pairs: Sequence[int]) -> int:
    info = trunk.case.model.info
    return sum(
        count
        * len(set(own.layers) if own.layers is not None else range(info.layers))
        * len(set(own.heads) if own.heads is not None else range(info.heads))
        for own, count in zip(sets, pairs, strict=True)
    )


@torch.no_grad()
def _logprobs(trunk: Trunk, ids: list[int], cuts: Sequence[Cut], first: int) -> torch.Tensor:
    """Log-probabilities of the next token at each position from `first` − 1 on, float64, on the
    CPU.
    """
    model = trunk.case.model
    ids_1N = torch.tensor([ids], device=model.device)
    masks = of_cuts(cuts, size_of(model, ids_1N))
    keep_T = torch.arange(first - 1, len(ids))
    if trunk.case.zero:
        logits_TV = decoder_masks.eager(model, ids_1N, masks, keep_T=keep_T, zero=True)[0]
    else:
        logits_TV = decoder_masks.logits(model, ids_1N, masks, keep_T=keep_T)[0]
    return exact(logits_TV).log_softmax(-1).cpu()


def _written(
    trunk: Trunk, cuts: Sequence[Cut], length: int
) -> Generator[Event, None, list[Alternative]]:
    """Generate greedily with the cuts; cuts of later tokens apply once these exist."""
    context = trunk.case.context
    ids, written = context.ids[: context.prompt_length], list[Alternative]()
    stops = stop_ids(trunk.case.model)
    for _ in range(length):
        now = [_standing(cut, len(ids)) for cut in cuts]
        logprobs_V = _logprobs(trunk, ids, [cut for cut in now if cut], len(ids))[0]
        written += _likeliest(trunk, logprobs_V, 1)
        ids = [*ids, written[-1].id]
        yield Progress(
            stage="generating with the edges cut", done=len(written), total=length, unit="tokens"
        )
        if written[-1].id in stops:
            break
    return written


def _standing(cut: Cut, tokens: int) -> Cut | None:
    """The part of a cut within the first `tokens` tokens."""
    queries, keys = (tuple(n for n in own if n < tokens) for own in (cut.queries, cut.keys))
    return Cut(queries, keys, cut.layers, cut.heads) if queries and keys else None


def _likeliest(trunk: Trunk, logprobs_V: torch.Tensor, count: int) -> list[Alternative]:
    top = logprobs_V.topk(min(count, len(logprobs_V)))
    decode = trunk.case.model.tokenizer.decode
    return [
        Alternative(id=token, text=decode([token]), logprob=logprob)
        for token, logprob in zip(top.indices.tolist(), top.values.tolist(), strict=True)
    ]
