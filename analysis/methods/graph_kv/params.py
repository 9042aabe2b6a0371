"""Parameters of Graph-KV."""

import json
import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from analysis.events import Record
from analysis.method import REQUIRED, BaseParams, param
from analysis.methods.graph_kv.events import Mode
from analysis.model.checkpoint import GENERATION_CONFIG, GenerationConfigUse
from analysis.text.context import TokenId

MOST_SEGMENTS = 128
MOST_EDGES = 512
MOST_DERIVED_EDGES = 1024
# Segments, layout and edge mass are one event each, under 64 KiB.
ID_CHARACTERS = 24_000
EVENT_CHARACTERS = 60_000
MOST_PERMUTATIONS = 64
ANSWER_TOKENS = 512
BLANK_LINE = re.compile(r"\n[^\S\n]*\n")


class Segment(Record):
    """A text that is encoded separately."""

    id: str = Field(
        min_length=1, max_length=64, description="Name by which edges refer to the segment."
    )
    text: str = Field(min_length=1, max_length=50_000)
    score: float | None = Field(default=None, description="Score of a retriever; higher is better.")


class Edge(Record):
    """The target attends to the source."""

    source: str = Field(min_length=1, max_length=64, description="Id of a segment.")
    target: str = Field(min_length=1, max_length=64, description="Id of a segment.")


class SegmentParams(BaseParams):
    """Parameters for segments, edges, question and layout."""

    segments: list[Segment] = param(
        REQUIRED,
        "Segments, each encoded separately: a JSON list of {id, text, score}, or a "
        "text whose segments are separated by blank lines.",
        group="Segments",
        widget="segments",
        min_length=1,
        max_length=MOST_SEGMENTS,
    )
    edges: list[Edge] = param(
        [],
        "Edges, as {source, target}: the target attends to the source.",
        group="Segments",
        widget="edges",
        max_length=MOST_EDGES,
    )
    preset: Literal["given", "top_m", "chains", "star"] = param(
        "given",
        "Edges as given, or derived from the scores (or else from the order). top_m: "
        "every other segment attends to the m best; chains: the next three attend to the best, "
        "the rest to these three; star: the best attends to all others.",
        group="Segments",
        widget="structure",
    )
    top_m: int = param(
        2,
        "m: number of best segments in the preset top_m.",
        group="Segments",
        widget="structure",
        ge=1,
        le=MOST_SEGMENTS,
    )
    question: str = param(
        REQUIRED,
        "Text after the segments, which attends to all of them.",
        group="Question",
        role="question",
        widget="text",
        min_length=1,
        max_length=20_000,
    )
    answer: (
        Annotated[str, Field(max_length=10_000)]
        | Annotated[list[TokenId], Field(max_length=ANSWER_TOKENS)]
    ) = param(
        "",
        "Answer whose probability is compared. It follows the question directly: "
        "begin it with a space if it begins a new word. #12 #40 gives tokens by their ids (in "
        "JSON, a list). Empty: the output of the chosen mode.",
        group="Question",
        role="answer",
        widget="text_or_ids",
        many=True,
    )
    max_new_tokens: int = param(
        8,
        "Maximum output length of each mode in tokens.",
        group="Question",
        role="length",
        ge=1,
        le=ANSWER_TOKENS,
    )
    generation_config: GenerationConfigUse = param("leave", GENERATION_CONFIG, group="Question")
    prefix: str = param(
        "",
        "Text before the segments. If the model has a beginning-of-text token, it belongs here.",
        group="Question",
        widget="text",
        max_length=20_000,
    )
    separator: str = param(
        " ",
        "Text inserted before each segment and before the question, as part of their "
        "tokens. With a space, each begins with a new word, as in a plain text.",
        group="Question",
        role="separator",
        max_length=20,
    )
    mode: Mode = param(
        "graph",
        "Mode of the run. graph: the given edges, and segments of one round share "
        "their positions; graph_ordered: the same edges with consecutive positions; sequential: "
        "one text; parallel: no edges; full: every segment twice, the second copy attends to all "
        "first copies (more attention than sequential); random_edges: the same number of random "
        "edges.",
        group="Arrangement",
    )
    rounds: int = param(
        0,
        "T: number of rounds in which targets are encoded again, attending to their "
        "sources of the previous round; cycles are allowed. 0: each segment is encoded once, "
        "after those it attends to; cycles are refused.",
        group="Arrangement",
        ge=0,
        le=4,
    )
    prefix_readers: Literal["question", "all"] = param(
        "question",
        "Whether only the question attends to the prefix, or also the segments.",
        group="Arrangement",
    )
    with_graph: bool = param(True, "Given edges, shared positions.", group="Compare with")
    with_graph_ordered: bool = param(
        True, "Given edges, consecutive positions.", group="Compare with"
    )
    with_sequential: bool = param(
        True, "One sequential text, in the given order.", group="Compare with"
    )
    with_parallel: bool = param(True, "No edges.", group="Compare with")
    with_full: bool = param(True, "Every segment twice.", group="Compare with")
    with_random_edges: bool = param(True, "The same number of random edges.", group="Compare with")
    patterns: bool = param(
        True,
        "Also compute attention patterns: mass on single tokens, attention sinks. "
        "They need N × N memory; without them, and above 2,048 tokens, edge mass is computed block "
        "by block.",
        group="Measurements",
    )
    knock_outs: bool = param(
        True,
        "Cut each edge in turn and measure the answer's probability again.",
        group="Measurements",
    )
    permutations: int = param(
        8,
        "Number of segment orders to evaluate in each mode, including the given one; 0: none.",
        group="Measurements",
        ge=0,
        le=MOST_PERMUTATIONS,
    )
    seed: int = param(
        0, "Random seed of edges and orders.", group="Measurements", role="seed", ge=0, le=2**31 - 1
    )
    special_tokens: Literal["refuse", "text", "token"] = param(
        "refuse",
        "Special tokens typed in the prefix or the question: refuse them, read them "
        "as plain text, or use them as special tokens. In segments they are plain text.",
        group="Special tokens and memory",
        role="special_tokens",
    )
    rows_per_forward: int = param(
        64,
        "Variants per forward pass; affects memory and speed, not the result.",
        group="Special tokens and memory",
        ge=1,
        le=4096,
    )

    @field_validator("segments", mode="before")
    @classmethod
    def _read_segments(cls, value: Any) -> Any:
        return named(parse(value) if isinstance(value, str) else value)


def parse(text: str) -> list[Any]:
    """The segments of a text: a JSON list, or parts separated by blank lines."""
    if text.lstrip().startswith("["):
        try:
            found = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"this is not a JSON list: {error}") from None
        return list(found)
    return [part.strip() for part in BLANK_LINE.split(text) if part.strip()]


def named(value: Any) -> Any:
    """Convert plain texts to segments, and name segments without an id by their number, from 1."""
    if not isinstance(value, list):
        return value
    return [_named(one, number) for number, one in enumerate(value, 1)]


def _named(one: Any, number: int) -> Any:
    if isinstance(one, str):
        return {"id": str(number), "text": one}
    if isinstance(one, dict) and "id" not in one:
        return {"id": str(number), **one}
    return one
