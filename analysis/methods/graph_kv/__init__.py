"""Graph-KV: choose which text segments attend to which, and measure what the answer gains.

Each segment of a prompt is encoded alone, or with the keys and values of the segments that point to
it as its past. The question attends to all segments. Segments of one round share a range of
positions, so that the answer does not depend on their order.

Source: "Graph-KV: Breaking Sequence via Injecting Structural Biases into Large Language Models"
(arXiv 2506.07334), in the form of the paper: with P tokens of prefix and L tokens of the longest
segment, round r begins at position P + rL, and the question at P + (T + 1)L after the last round T.
One forward pass with a block mask and these positions equals encoding segment by segment. The
authors' released code for retrieval is a different algorithm (consecutive positions, both copies of
a segment visible, the answer depends on their order): it is the mode `full` here.

The benefit of a mode depends on the model: the paper fine-tuned its model for it, and demo-lm was
not fine-tuned. On 400 held-out questions that require two segments to be combined, cutting the edge
between them lowers the answer's log-probability by 0.24 ± 0.02 nats in `graph` (accuracy 80 % → 68
%) and by 0.14 ± 0.02 in `graph_ordered`; cutting an edge between two other segments changes it by
−0.04 ± 0.01 and −0.05 ± 0.01.

In a layer with a sliding window a token attends to what lies fewer positions back than the window.

A mode to compare with that spans more positions than the model was trained on, or more memory than
there is, is left out with an `Omitted`; so is attention per token for a text of more than 2,048
tokens, whose edge mass is computed block by block.

analysis/methods/graph_kv/events.py describes the events and their order.
"""

from collections.abc import Generator, Iterator, Sequence

import numpy as np
import torch

from analysis.errors import OutOfMemory
from analysis.events import Event, Omitted, Progress
from analysis.methods.graph_kv import attention, examples
from analysis.methods.graph_kv.edges import Edge
from analysis.methods.graph_kv.encoding import ResolvedParams, encode, read, refuse
from analysis.methods.graph_kv.events import (
    TOKENS_PER_EVENT,
    Answer,
    Arrangement,
    Block,
    EdgeMass,
    EdgeRow,
    KnockOut,
    Layout,
    Mode,
    Permutation,
    Role,
    RouteAgreement,
    SegmentRow,
    Segments,
    SegmentToken,
    SegmentTokens,
    Sinks,
    Spread,
    TokenMass,
)
from analysis.methods.graph_kv.layout import TokenLayout
from analysis.methods.graph_kv.params import SegmentParams as Params
from analysis.model import Model
from analysis.model.checkpoint import asked_of
from analysis.precision import exact
from analysis.run_context import RunContext
from analysis.text import tokenization as texts
from analysis.text.context import Alternative
from analysis.text.cost import Cost, PassMeter

VERSION = "3"
NEEDS = ("causal_lm",)
EVENTS = (
    Segments, SegmentTokens, Layout, Answer, Arrangement, EdgeMass, TokenMass, Sinks,
    RouteAgreement, KnockOut, Permutation, Spread, Cost,
)  # fmt: skip
EXAMPLES = examples.EXAMPLES
ALTERNATIVES = 5
__all__ = ["EVENTS", "EXAMPLES", "NEEDS", "VERSION", "Params", "refuse", "run"]


def run(model: Model, params: Params, context: RunContext) -> Iterator[Event]:
    """Yield the events of one run."""
    meter = PassMeter(model)
    reading = read(model, params)
    layouts = {mode: reading.layout(mode) for mode in reading.modes}
    yield _segments_event(reading)
    yield from _omitted_modes(reading)
    yield from _token_events(model, reading)
    yield from (_layout_event(reading, layout) for layout in layouts.values())
    answer = yield from _answer(model, reading, layouts[params.mode])
    meter.book("answer")
    ready = {mode: layout.with_answer(answer) for mode, layout in layouts.items()}
    found = yield from _arrangements(model, reading, layouts, answer)
    meter.book("arrangements")
    yield from _attention(model, reading, ready[params.mode], len(answer))
    meter.book("attention")
    if params.knock_outs:
        yield from _knock_outs(model, reading, ready[params.mode], answer, found[params.mode])
        meter.book("cut edges")
    for mode in ready:
        yield from _permutations(model, reading, mode, answer, found[mode])
    meter.book("orders")
    yield meter.cost()


def refuse_for(model: Model, params: Params) -> None:
    """Raise what `run` raises for the texts, by the tokenizer alone."""
    encode(model, params)


def _omitted_modes(reading: ResolvedParams) -> Iterator[Omitted]:
    for mode, why in reading.omitted.items():
        yield Omitted(analysis=f"Mode {mode.replace('_', ' ')}", reason=why)


def _segments_event(reading: ResolvedParams) -> Segments:
    parts = reading.parts
    return Segments(
        segments=[
            SegmentRow(id=segment.id, score=segment.score, tokens=len(ids))
            for segment, ids in zip(reading.params.segments, parts.segments, strict=True)
        ],
        edges=_edge_rows(reading.edges),
        prefix=len(parts.prefix),
        question=len(parts.question),
        longest=parts.longest,
    )


def _edge_rows(edges: Sequence[Edge]) -> list[EdgeRow]:
    return [EdgeRow(source=source, target=target) for source, target in edges]


def _token_events(model: Model, reading: ResolvedParams) -> Iterator[SegmentTokens]:
    parts = reading.parts
    yield from _stretches(model, "prefix", None, parts.prefix)
    for number, ids in enumerate(parts.segments):
        yield from _stretches(model, "segment", number, ids)
    yield from _stretches(model, "question", None, parts.question)


def _stretches(
    model: Model, part: Role, segment: int | None, ids: list[int], before: Sequence[int] = ()
) -> Iterator[SegmentTokens]:
    if part == "prefix":
        shown = texts.display_texts(model.tokenizer, ids)
    else:
        shown = texts.display_continued(model.tokenizer, ids, before=before)
    tokens = [SegmentToken(id=i, text=t) for i, t in zip(ids, shown, strict=True)]
    for start in range(0, len(tokens), TOKENS_PER_EVENT):
        stretch = tokens[start : start + TOKENS_PER_EVENT]
        yield SegmentTokens(part=part, segment=segment, start=start, tokens=stretch)


def _layout_event(reading: ResolvedParams, layout: TokenLayout) -> Layout:
    row_start, run_start, run_stop = layout.mask_runs()
    together = sum(len(ids) for ids in reading.parts.segments)
    bounds = layout.structure.bounds
    return Layout(
        mode=layout.mode,
        edges=_edge_rows(layout.edges),
        blocks=[
            Block(
                role=block.role,
                segment=block.segment,
                round=block.round,
                start=int(bounds[number]),
                tokens=len(block.ids),
                position=block.position,
                reads=sorted(block.reads),
            )
            for number, block in enumerate(layout.blocks)
        ],
        tokens=len(layout.ids_N),
        span=layout.positions_N[-1] + 1 + reading.longest_answer,
        area=layout.structure.area,
        relative_area=layout.segment_area / (together * (together + 1) / 2),
        row_start=row_start,
        run_start=run_start,
        run_stop=run_stop,
    )


def _answer(
    model: Model, reading: ResolvedParams, layout: TokenLayout
) -> Generator[Event, None, list[int]]:
    """The answer given, or the output of the chosen mode."""
    ids = reading.answer or (yield from _written(model, reading, layout))
    question = reading.parts.question
    yield from _stretches(model, "answer", None, ids, question)
    yield Answer(
        text=texts.joined_continued(model.tokenizer, ids, before=question),
        tokens=len(ids),
        written_by=None if reading.answer else layout.mode,
    )
    return ids


def _written(
    model: Model, reading: ResolvedParams, layout: TokenLayout
) -> Generator[Event, None, list[int]]:
    ids: list[int] = []
    longest = reading.params.max_new_tokens
    bends = asked_of(model, {"temperature": 0}, use=reading.params.generation_config)
    for token in attention.write(model, layout, longest, bends):
        ids.append(token)
        yield Progress(
            stage=f"writing ({layout.mode})", done=len(ids), total=longest, unit="tokens"
        )
    return ids


def _arrangements(
    model: Model, reading: ResolvedParams, layouts: dict[Mode, TokenLayout], answer: list[int]
) -> Generator[Event, None, dict[Mode, float]]:
    """Yield the output of each mode; return the answer's log-probability by mode."""
    found: dict[Mode, float] = {}
    for mode, layout in layouts.items():
        given = [layout.with_answer(answer)]
        logits_TV = next(attention.answer_logits(model, given, len(answer), 1))
        logprobs_TV = exact(logits_TV).log_softmax(-1).cpu()
        written = yield from _written(model, reading, layout)
        event = _arrangement(model, reading, mode, answer, logprobs_TV, written)
        found[mode] = event.logprob
        yield event
    return found


def _arrangement(
    model: Model,
    reading: ResolvedParams,
    mode: Mode,
    answer: list[int],
    logprobs_TV: torch.Tensor,
    written: list[int],
) -> Arrangement:
    each_T = logprobs_TV[range(len(answer)), answer]
    question = reading.parts.question
    text, told = (
        texts.joined_continued(model.tokenizer, ids, before=question)
        for ids in (written, reading.answer)
    )
    top = logprobs_TV[0].topk(min(ALTERNATIVES, logprobs_TV.shape[1]))
    return Arrangement(
        mode=mode,
        logprob=float(each_T.sum()),
        token_logprobs=each_T.tolist(),
        alternatives=[
            Alternative(
                id=int(token),
                text=texts.token_name(model.tokenizer, int(token)),
                logprob=float(value),
            )
            for token, value in zip(top.indices, top.values, strict=True)
        ],
        text=text,
        right=text.startswith(told) if reading.answer else None,
    )


def _attention(
    model: Model, reading: ResolvedParams, layout: TokenLayout, kept: int
) -> Iterator[Event]:
    """Edge mass from patterns or block by block; with both, their largest difference."""
    yield Progress(stage="reading attention", done=0, total=1, unit="passes")
    patterns = yield from _patterns(model, reading, layout, kept)
    runs_blockwise = attention.can_run_blockwise(model, layout)
    blocks = attention.blockwise(model, layout, kept) if runs_blockwise else None
    chosen = patterns or blocks
    if chosen is None:
        return
    readers, sources, _ = layout.structure.parts
    yield EdgeMass(
        mode=layout.mode,
        readers=readers.tolist(),
        sources=sources.tolist(),
        mass=_array(chosen.mass_PLH),
    )
    if patterns and reading.params.patterns:
        several = [n for n, block in enumerate(layout.blocks) if len(block.ids) > 1]
        yield TokenMass(mode=layout.mode, mass=_array(patterns.tokens_LCN))
        yield Sinks(mode=layout.mode, blocks=several, mass=_array(patterns.sinks_CLH[several]))
    if patterns and blocks:
        yield RouteAgreement(
            mode=layout.mode,
            logit_difference=_largest(patterns.logits_TV - blocks.logits_TV),
            mass_difference=_largest(patterns.mass_PLH - blocks.mass_PLH),
        )


def _patterns(
    model: Model, reading: ResolvedParams, layout: TokenLayout, kept: int
) -> Generator[Event, None, attention.Patterned | None]:
    """Patterns if requested, or if attention cannot be read block by block."""
    blockwise, tokens = attention.can_run_blockwise(model, layout), len(layout.ids_N)
    if blockwise and not reading.params.patterns:
        return None
    try:
        if not blockwise or tokens <= attention.DENSE_TOKENS:
            return attention.patterned(model, layout, kept)
        why = f"{layout.mode} has {tokens} tokens; the limit is {attention.DENSE_TOKENS}."
    except OutOfMemory as error:
        why = str(error)
    name = "Attention per token and attention sinks" if blockwise else "Attention"
    yield Omitted(analysis=name, reason=why)
    return None


def _array(values: torch.Tensor) -> np.ndarray:
    array: np.ndarray = values.float().cpu().numpy()
    return array


def _largest(values: torch.Tensor) -> float:
    return float(values.abs().max())


def _logprobs(
    model: Model, reading: ResolvedParams, layouts: Sequence[TokenLayout], answer: list[int]
) -> Iterator[float]:
    """Log-probability of the answer in each layout that contains it."""
    limit = reading.params.rows_per_forward
    for logits_TV in attention.answer_logits(model, layouts, len(answer), limit):
        yield float(exact(logits_TV).log_softmax(-1)[range(len(answer)), answer].sum())


def _knock_outs(
    model: Model, reading: ResolvedParams, layout: TokenLayout, answer: list[int], whole: float
) -> Iterator[KnockOut]:
    cut = [layout.without(edge) for edge in layout.edges]
    for number, logprob in enumerate(_logprobs(model, reading, cut, answer)):
        yield KnockOut(edge=number, logprob=logprob, delta=logprob - whole)


def _permutations(
    model: Model, reading: ResolvedParams, mode: Mode, answer: list[int], whole: float
) -> Iterator[Event]:
    """Other orders of the segments, if there are any."""
    first, *others = reading.orders() or [()]
    if not others:
        return
    layouts = [reading.layout(mode, order).with_answer(answer) for order in others]
    yield Permutation(mode=mode, number=0, order=list(first), logprob=whole)
    found = [whole]
    for number, logprob in enumerate(_logprobs(model, reading, layouts, answer), 1):
        found.append(logprob)
        order = list(others[number - 1])
        yield Permutation(mode=mode, number=number, order=order, logprob=logprob)
    yield Spread(
        mode=mode,
        orders=len(found),
        std=float(np.std(found)),
        range=max(found) - min(found),
    )
