"""Parameters of Graph-KV."""

import json
import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from analysis.method import BaseParams
from analysis.methods.graph_kv.events import Mode, Record
from analysis.model.checkpoint import GENERATION_CONFIG, GenerationConfigUse
from analysis.text.context import OR_IDS, TokenId

MOST_SEGMENTS = 48
MOST_EDGES = 512
MOST_PERMUTATIONS = 64
ANSWER_TOKENS = 64
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

    segments: list[Segment] = Field(
        min_length=1,
        max_length=MOST_SEGMENTS,
        description="Segments, each encoded separately: a JSON list of {id, text, score}, or a "
        "text whose segments are separated by blank lines.",
        json_schema_extra={"widget": "segments", "group": "Segments"},
    )
    edges: list[Edge] = Field(
        default=[],
        max_length=MOST_EDGES,
        description="Edges, as {source, target}: the target attends to the source.",
        json_schema_extra={"widget": "edges", "group": "Segments"},
    )
    preset: Literal["given", "top_m", "chains", "star"] = Field(
        default="given",
        description="Edges as given, or derived from the scores (or else from the order). top_m: "
        "every other segment attends to the m best; chains: the next three attend to the best, "
        "the rest to these three; star: the best attends to all others.",
        json_schema_extra={"widget": "structure", "group": "Segments"},
    )
    top_m: int = Field(
        default=2,
        ge=1,
        le=MOST_SEGMENTS,
        description="m: number of best segments in the preset top_m.",
        json_schema_extra={"widget": "structure", "group": "Segments"},
    )
    question: str = Field(
        min_length=1,
        max_length=20_000,
        description="Text after the segments, which attends to all of them.",
        json_schema_extra={"widget": "text", "group": "Question"},
    )
    answer: (
        Annotated[str, Field(max_length=2000)]
        | Annotated[list[TokenId], Field(max_length=ANSWER_TOKENS)]
    ) = Field(
        default="",
        description="Answer whose probability is compared. It follows the question directly: "
        "begin it with a space if it begins a new word. #12 #40 gives tokens by their ids (in "
        "JSON, a list). Empty: the output of the chosen mode.",
        json_schema_extra={**OR_IDS, "many": True, "group": "Question"},
    )
    max_new_tokens: int = Field(
        default=8,
        ge=1,
        le=ANSWER_TOKENS,
        description="Maximum output length of each mode in tokens.",
        json_schema_extra={"group": "Question"},
    )
    generation_config: GenerationConfigUse = Field(
        default="leave",
        description=GENERATION_CONFIG,
        json_schema_extra={"group": "Question"},
    )
    prefix: str = Field(
        default="",
        max_length=20_000,
        description="Text before the segments. If the model has a beginning-of-text token, it "
        "belongs here.",
        json_schema_extra={"widget": "text", "group": "Question"},
    )
    separator: str = Field(
        default=" ",
        max_length=20,
        description="Text inserted before each segment and before the question, as part of their "
        "tokens. With a space, each begins with a new word, as in a plain text.",
        json_schema_extra={"group": "Question"},
    )
    mode: Mode = Field(
        default="graph",
        description="Mode of the run. graph: the given edges, and segments of one round share "
        "their positions; graph_ordered: the same edges with consecutive positions; sequential: "
        "one text; parallel: no edges; full: every segment twice, the second copy attends to all "
        "first copies (more attention than sequential); random_edges: the same number of random "
        "edges.",
        json_schema_extra={"group": "Arrangement"},
    )
    rounds: int = Field(
        default=0,
        ge=0,
        le=4,
        description="T: number of rounds in which targets are encoded again, attending to their "
        "sources of the previous round; cycles are allowed. 0: each segment is encoded once, "
        "after those it attends to; cycles are refused.",
        json_schema_extra={"group": "Arrangement"},
    )
    prefix_readers: Literal["question", "all"] = Field(
        default="question",
        description="Whether only the question attends to the prefix, or also the segments.",
        json_schema_extra={"group": "Arrangement"},
    )
    with_graph: bool = Field(
        default=True,
        description="Given edges, shared positions.",
        json_schema_extra={"group": "Compare with"},
    )
    with_graph_ordered: bool = Field(
        default=True,
        description="Given edges, consecutive positions.",
        json_schema_extra={"group": "Compare with"},
    )
    with_sequential: bool = Field(
        default=True,
        description="One sequential text, in the given order.",
        json_schema_extra={"group": "Compare with"},
    )
    with_parallel: bool = Field(
        default=True,
        description="No edges.",
        json_schema_extra={"group": "Compare with"},
    )
    with_full: bool = Field(
        default=True,
        description="Every segment twice.",
        json_schema_extra={"group": "Compare with"},
    )
    with_random_edges: bool = Field(
        default=True,
        description="The same number of random edges.",
        json_schema_extra={"group": "Compare with"},
    )
    patterns: bool = Field(
        default=True,
        description="Also compute attention patterns: mass on single tokens, attention sinks. "
        "They need N × N memory; without them, edge mass is computed block by block.",
        json_schema_extra={"group": "Measurements"},
    )
    knock_outs: bool = Field(
        default=True,
        description="Cut each edge in turn and measure the answer's probability again.",
        json_schema_extra={"group": "Measurements"},
    )
    permutations: int = Field(
        default=8,
        ge=0,
        le=MOST_PERMUTATIONS,
        description="Number of segment orders to evaluate in each mode, including the given one; "
        "0: none.",
        json_schema_extra={"group": "Measurements"},
    )
    seed: int = Field(
        default=0,
        ge=0,
        le=2**31 - 1,
        description="Random seed of edges and orders.",
        json_schema_extra={"group": "Measurements"},
    )
    special_tokens: Literal["refuse", "text", "token"] = Field(
        default="refuse",
        description="Special tokens typed in the prefix or the question: refuse them, read them "
        "as plain text, or use them as special tokens. In segments they are plain text.",
        json_schema_extra={"group": "Special tokens and memory"},
    )
    rows_per_forward: int = Field(
        default=64,
        ge=1,
        le=4096,
        description="Variants per forward pass; affects memory and speed, not the result.",
        json_schema_extra={"group": "Special tokens and memory"},
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
