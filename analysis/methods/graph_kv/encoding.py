"""Params as token ids and edges between numbers, after validation."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import get_args

from transformers import PreTrainedTokenizerBase

from analysis.errors import (
    InvalidParams,
    ModelIncompatible,
    OutOfMemory,
    PromptEmpty,
    PromptTooLong,
)
from analysis.methods.graph_kv import attention
from analysis.methods.graph_kv import edges as drawing
from analysis.methods.graph_kv.edges import Edge
from analysis.methods.graph_kv.events import Mode
from analysis.methods.graph_kv.layout import (
    ORDERED,
    LayoutPlan,
    PromptParts,
    TokenLayout,
    arrange,
    random_orders,
)
from analysis.methods.graph_kv.params import (
    ANSWER_TOKENS,
    EVENT_CHARACTERS,
    ID_CHARACTERS,
    MOST_DERIVED_EDGES,
    SegmentParams,
)
from analysis.methods.graph_kv.params import Edge as NamedEdge
from analysis.model import Model
from analysis.text import tokenization as texts
from analysis.text.context import given_ids


@dataclass(frozen=True)
class ResolvedParams:
    """Resolved params; `answer` is empty if none was given.

    `omitted` are the modes to compare with that the model or its memory does not allow, with the
    reason.
    """

    params: SegmentParams
    parts: PromptParts
    edges: tuple[Edge, ...]
    answer: list[int]
    omitted: Mapping[Mode, str] = field(default_factory=dict)

    @property
    def modes(self) -> list[Mode]:
        """The chosen mode, then those it is compared with."""
        chosen = self.params.mode
        baselines = [m for m in get_args(Mode) if m != chosen and getattr(self.params, f"with_{m}")]
        return [chosen, *(mode for mode in baselines if mode not in self.omitted)]

    @property
    def longest_answer(self) -> int:
        return max(len(self.answer), self.params.max_new_tokens)

    def layout(self, mode: Mode, order: tuple[int, ...] | None = None) -> TokenLayout:
        """The tokens of a mode with the segments in that order, up to the end of the question."""
        return arrange(
            self.parts,
            LayoutPlan(
                mode,
                self.edges,
                rounds=self.params.rounds,
                prefix_to_all=self.params.prefix_readers == "all",
                order=order,
                seed=self.params.seed,
            ),
        )

    def orders(self) -> list[tuple[int, ...]]:
        """The given order, then random ones: as many as requested, or all."""
        count = self.params.permutations
        rng = Random(self.params.seed)
        return random_orders(len(self.parts.segments), count, rng) if count else []


def refuse(params: SegmentParams) -> None:
    """Raise InvalidParams or PromptEmpty for segments, edges or a question that make no layout."""
    _refuse_unclear_segments(params)
    edges = tuple(_edges(params))
    outline = PromptParts(prefix=[0], segments=[[0]] * len(params.segments), question=[0, 0])
    reading = ResolvedParams(params, outline, edges, [])
    _refuse_large(reading, reading.layout(params.mode))
    if not params.question.strip():
        raise PromptEmpty("The question is empty.", remedy="Type some text.", field="question")


def read(model: Model, params: SegmentParams) -> ResolvedParams:
    """Encode the parts and number the edges.

    Raises InvalidParams, PromptTooLong, InvalidText, SpecialTokenInText and ModelIncompatible.
    """
    reading = encode(model, params)
    chosen, *others = reading.modes
    attention.refuse_unfit(model, len(reading.layout(chosen).ids_N) + reading.longest_answer)
    unfit = {mode: why for mode in others if (why := _why_unfit(model, reading, mode))}
    return replace(reading, omitted=unfit)


def encode(model: Model, params: SegmentParams) -> ResolvedParams:
    """Likewise, by the tokenizer alone, whatever the model's attention and memory allow."""
    parts = PromptParts(
        prefix=_prefix(model.tokenizer, params),
        segments=[_segment(model.tokenizer, params, n) for n in range(len(params.segments))],
        question=_question(model.tokenizer, params),
    )
    answer = given_ids(model, params.answer, before=parts.question, field="answer")
    if len(answer) > ANSWER_TOKENS:
        raise InvalidParams(
            f"The answer has {len(answer)} tokens; the limit is {ANSWER_TOKENS}.",
            remedy="Move its first tokens into the question.",
            field="answer",
        )
    reading = ResolvedParams(params, parts, tuple(_edges(params)), answer)
    _refuse_span(model, reading, reading.layout(params.mode))
    return reading


def _refuse_unclear_segments(params: SegmentParams) -> None:
    seen: dict[str, int] = {}
    for number, segment in enumerate(params.segments, 1):
        if segment.id in seen:
            raise InvalidParams(
                f"Segments {seen[segment.id]} and {number} have the same id {segment.id!a}.",
                remedy="Give each segment a unique id.",
                field="segments",
            )
        seen[segment.id] = number
    characters = len(json.dumps([*seen]))
    if characters > ID_CHARACTERS:
        raise InvalidParams(
            f"The ids of the segments take {characters} characters; the limit is {ID_CHARACTERS}.",
            remedy="Shorten the ids.",
            field="segments",
        )
    for segment in params.segments:
        if not segment.text.strip():
            raise InvalidParams(
                f"Segment {segment.id!a} is empty.",
                remedy="Type its text, or remove the segment.",
                field="segments",
            )


def _prefix(tokenizer: PreTrainedTokenizerBase, params: SegmentParams) -> list[int]:
    """The ids of the prefix, with the tokenizer's beginning-of-text token, if any."""
    if params.prefix.strip():
        return texts.encode_prompt(tokenizer, params.prefix, special=params.special_tokens).ids
    mark: list[int] = tokenizer("").input_ids
    closes = tokenizer("a").input_ids[-1] == tokenizer.eos_token_id
    return mark[:-1] if closes else mark


def _segment(tokenizer: PreTrainedTokenizerBase, params: SegmentParams, number: int) -> list[int]:
    """The ids of a segment, independent of its place: not after another segment and not at the
    start of a text.
    """
    return texts.encode_continued(
        tokenizer, params.separator + params.segments[number].text, field="segments"
    )


def _question(tokenizer: PreTrainedTokenizerBase, params: SegmentParams) -> list[int]:
    texts.refuse_lost(tokenizer, params.question, field="question")
    if params.special_tokens == "refuse":
        texts.refuse_special(tokenizer, params.question)
    return texts.encode_continued(
        tokenizer,
        params.separator + params.question,
        acting=params.special_tokens == "token",
        field="question",
    )


def _edges(params: SegmentParams) -> list[Edge]:
    edges = _given_edges(params) if params.preset == "given" else _preset_edges(params)
    if len(edges) > MOST_DERIVED_EDGES:
        raise InvalidParams(
            f"The preset {params.preset} derives {len(edges)} edges; the limit is "
            f"{MOST_DERIVED_EDGES}.",
            remedy="Reduce top_m, or remove segments.",
            field="top_m",
        )
    cycle = drawing.find_cycle(len(params.segments), edges)
    if cycle and not params.rounds:
        names = " → ".join(params.segments[n].id for n in cycle)
        raise InvalidParams(
            f"The edges form a cycle: {names}.",
            remedy="Remove one of them, or set rounds to 1 or more, so that segments are encoded "
            "repeatedly.",
            field="edges",
        )
    return edges


def _given_edges(params: SegmentParams) -> list[Edge]:
    number = {segment.id: n for n, segment in enumerate(params.segments)}
    edges: list[Edge] = []
    for edge in params.edges:
        for name in (edge.source, edge.target):
            if name not in number:
                raise _wrong_edge(
                    edge, f"There is no segment {name!a}.", f"Choose among: {', '.join(number)}."
                )
        pair = number[edge.source], number[edge.target]
        if pair[0] == pair[1]:
            raise _wrong_edge(edge, "A segment always attends to itself.", "Remove the edge.")
        if pair in edges:
            raise _wrong_edge(edge, "It is given twice.", "Remove one of them.")
        edges.append(pair)
    return edges


def _wrong_edge(edge: NamedEdge, why: str, remedy: str) -> InvalidParams:
    named = f"{edge.source!a} → {edge.target!a}"
    return InvalidParams(f"Edge {named}: {why}", remedy=remedy, field="edges")


def _preset_edges(params: SegmentParams) -> list[Edge]:
    if params.edges:
        raise InvalidParams(
            f"The preset {params.preset} derives the edges, but {len(params.edges)} edges are also "
            "given.",
            remedy="Set preset to given, or leave edges empty.",
            field="preset",
        )
    ranked = _ranking(params)
    if params.preset == "top_m" and params.top_m >= len(ranked):
        raise InvalidParams(
            f"top_m is {params.top_m}; with {len(ranked)} segments it must be at most "
            f"{len(ranked) - 1}.",
            remedy="Reduce top_m, or add segments.",
            field="top_m",
        )
    if params.preset == "top_m":
        return drawing.top_m(ranked, params.top_m)
    return drawing.chains(ranked) if params.preset == "chains" else drawing.star(ranked)


def _ranking(params: SegmentParams) -> list[int]:
    without = [segment.id for segment in params.segments if segment.score is None]
    if 0 < len(without) < len(params.segments):
        raise InvalidParams(
            f"Segment {without[0]!a} has no score, but others have one.",
            remedy="Give every segment a score, or none of them: then their order is used.",
            field="segments",
        )
    return drawing.ranking([segment.score for segment in params.segments])


def _why_unfit(model: Model, reading: ResolvedParams, mode: Mode) -> str | None:
    """Why a mode to compare with is left out."""
    layout = reading.layout(mode)
    try:
        attention.refuse_unfit(model, len(layout.ids_N) + reading.longest_answer)
        _refuse_span(model, reading, layout)
        attention.refuse_memory(model, layout, reading.longest_answer)
        _refuse_large(reading, layout)
    except (InvalidParams, PromptTooLong, ModelIncompatible, OutOfMemory) as error:
        return str(error)
    return None


def _refuse_large(reading: ResolvedParams, layout: TokenLayout) -> None:
    """Raise InvalidParams if the blocks, or the pairs that attend to each other, exceed an event.

    A mode to compare with has no edge mass, which names both blocks of each pair.
    """
    blocks, pairs = len(layout.blocks), len(layout.structure.parts.query)
    digits = len(str(blocks)) + 1
    size = 100 * blocks + digits * pairs + 30 * len(layout.edges)
    if layout.mode == reading.params.mode:
        size = max(size, 2 * digits * pairs)
    if size > EVENT_CHARACTERS:
        raise InvalidParams(
            f"{layout.mode} has {blocks} blocks and {pairs} pairs of blocks that attend to each "
            "other, more than a run can report.",
            remedy="Remove segments, or reduce rounds.",
            field="segments",
        )


def _refuse_span(model: Model, reading: ResolvedParams, layout: TokenLayout) -> None:
    """Raise PromptTooLong if positions exceed those that the model was trained on."""
    parts, limit = reading.parts, model.info.context
    answer = reading.longest_answer
    span = layout.positions_N[-1] + 1 + answer
    if not limit or span <= limit:
        return
    question = len(parts.question)
    before = f"{len(layout.ids_N) - question} tokens before the question"
    if layout.mode not in ORDERED:
        rounds = max(block.round or 0 for block in layout.blocks) + 1
        before = f"prefix {len(parts.prefix)} + {rounds} × longest segment {parts.longest}"
    raise PromptTooLong(
        f"{layout.mode} spans {span} positions ({before} + question {question} + answer {answer}); "
        f"the model was trained on {limit}.",
        remedy="Shorten the segments.",
        field="segments",
    )
