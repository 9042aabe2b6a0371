"""What a run on segments asks for."""

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
    """A text that is encoded on its own."""

    id: str = Field(min_length=1, max_length=64, description="Name by which edges know it.")
    text: str = Field(min_length=1, max_length=50_000)
    score: float | None = Field(default=None, description="Of a retriever; higher is better.")


class Edge(Record):
    """The target reads the source."""

    source: str = Field(min_length=1, max_length=64, description="Id of a segment.")
    target: str = Field(min_length=1, max_length=64, description="Id of a segment.")


class SegmentParams(BaseParams):
    """Segments, edges, a question, and how they are laid out."""

    segments: list[Segment] = Field(
        min_length=1,
        max_length=MOST_SEGMENTS,
        description="Texts that are read on their own: {id, text, score} each, as JSON, or a text "
        "whose segments are parted by blank lines.",
        json_schema_extra={"widget": "segments", "group": "Segments"},
    )
    edges: list[Edge] = Field(
        default=[],
        max_length=MOST_EDGES,
        description="Who reads whom, as {source, target}: the target reads the source.",
        json_schema_extra={"widget": "edges", "group": "Segments"},
    )
    preset: Literal["given", "top_m", "chains", "star"] = Field(
        default="given",
        description="Edges as given, or made from the scores (without scores, from the order): "
        "top_m: every other segment reads the m best; chains: the best is read by the next three, "
        "these by the rest; star: the best reads all others.",
        json_schema_extra={"widget": "structure", "group": "Segments"},
    )
    top_m: int = Field(
        default=2,
        ge=1,
        le=MOST_SEGMENTS,
        description="m of the preset top_m.",
        json_schema_extra={"widget": "structure", "group": "Segments"},
    )
    question: str = Field(
        min_length=1,
        max_length=20_000,
        description="Text after the segments, which reads all of them.",
        json_schema_extra={"widget": "text", "group": "Question"},
    )
    answer: (
        Annotated[str, Field(max_length=2000)]
        | Annotated[list[TokenId], Field(max_length=ANSWER_TOKENS)]
    ) = Field(
        default="",
        description="Answer whose probability is compared. It follows the question directly: "
        "begin it with a space where a new word begins. #12 #40 names tokens by their ids (in "
        "JSON, a list). Empty: what the chosen mode writes.",
        json_schema_extra={**OR_IDS, "many": True, "group": "Question"},
    )
    max_new_tokens: int = Field(
        default=8,
        ge=1,
        le=ANSWER_TOKENS,
        description="Longest text in tokens that each mode writes.",
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
        description="Text before the segments. A model that marks the beginning of a text has the "
        "mark here.",
        json_schema_extra={"widget": "text", "group": "Question"},
    )
    separator: str = Field(
        default=" ",
        max_length=20,
        description="Text before each segment and before the question, part of their tokens. "
        "A space makes each begin with a new word, as in a plain text.",
        json_schema_extra={"group": "Question"},
    )
    mode: Mode = Field(
        default="graph",
        description="Arrangement that the run is about. graph: edges alone, and segments of one "
        "round share their positions; graph_ordered: the same, positions one after another; "
        "sequential: one text; parallel: no edges; full: every segment twice, the second reads "
        "all of the first (more attention than sequential); random_edges: as many edges as "
        "given, drawn at random.",
        json_schema_extra={"group": "Arrangement"},
    )
    rounds: int = Field(
        default=0,
        ge=0,
        le=4,
        description="T: targets are encoded again in T rounds, reading their sources as they were "
        "a round before; this also takes cycles. 0: each segment is encoded once, after those it "
        "reads; cycles are refused.",
        json_schema_extra={"group": "Arrangement"},
    )
    prefix_readers: Literal["question", "all"] = Field(
        default="question",
        description="Whether the prefix is read by the question alone, or by the segments too.",
        json_schema_extra={"group": "Arrangement"},
    )
    with_graph: bool = Field(
        default=True,
        description="The edges alone, shared positions.",
        json_schema_extra={"group": "Beside it"},
    )
    with_graph_ordered: bool = Field(
        default=True,
        description="The same edges, positions one after another.",
        json_schema_extra={"group": "Beside it"},
    )
    with_sequential: bool = Field(
        default=True,
        description="One text, in the order given.",
        json_schema_extra={"group": "Beside it"},
    )
    with_parallel: bool = Field(
        default=True,
        description="No edges.",
        json_schema_extra={"group": "Beside it"},
    )
    with_full: bool = Field(
        default=True,
        description="Every segment twice.",
        json_schema_extra={"group": "Beside it"},
    )
    with_random_edges: bool = Field(
        default=True,
        description="As many edges, drawn at random.",
        json_schema_extra={"group": "Beside it"},
    )
    patterns: bool = Field(
        default=True,
        description="Read attention patterns too: mass on single tokens, first tokens as sinks. "
        "They take N × N memory; without them, edge mass comes from the block-sparse route.",
        json_schema_extra={"group": "Measurements"},
    )
    knock_outs: bool = Field(
        default=True,
        description="Cut each edge in turn and read the answer's probability again.",
        json_schema_extra={"group": "Measurements"},
    )
    permutations: int = Field(
        default=8,
        ge=0,
        le=MOST_PERMUTATIONS,
        description="Orders of the segments to try in each mode, the given one included; 0: none.",
        json_schema_extra={"group": "Measurements"},
    )
    seed: int = Field(
        default=0,
        ge=0,
        le=2**31 - 1,
        description="Seed of random edges and orders.",
        json_schema_extra={"group": "Measurements"},
    )
    special_tokens: Literal["refuse", "text", "token"] = Field(
        default="refuse",
        description="A special token typed in the prefix or the question: refuse it, read it as "
        "plain text, or let it act as the token. In segments it is plain text.",
        json_schema_extra={"group": "Special tokens and memory"},
    )
    rows_per_forward: int = Field(
        default=64,
        ge=1,
        le=4096,
        description="Variants per forward pass; changes memory and speed, not the result.",
        json_schema_extra={"group": "Special tokens and memory"},
    )

    @field_validator("segments", mode="before")
    @classmethod
    def _read_segments(cls, value: Any) -> Any:
        return named(parse(value) if isinstance(value, str) else value)


def parse(text: str) -> list[Any]:
    """The segments of a text: a JSON list, or stretches parted by blank lines."""
    if text.lstrip().startswith("["):
        try:
            found = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"this is no JSON list: {error}") from None
        return list(found)
    return [part.strip() for part in BLANK_LINE.split(text) if part.strip()]


def named(value: Any) -> Any:
    """Plain texts as segments, and segments without an id by their number, from 1."""
    if not isinstance(value, list):
        return value
    return [_named(one, number) for number, one in enumerate(value, 1)]


def _named(one: Any, number: int) -> Any:
    if isinstance(one, str):
        return {"id": str(number), "text": one}
    if isinstance(one, dict) and "id" not in one:
        return {"id": str(number), **one}
    return one
