"""What a run of SEG similarity is given."""

from typing import Any, Literal

from pydantic import Field

from analysis.method import BaseParams
from analysis.methods.seg_similarity.masking import Fill
from analysis.methods.seg_similarity.points import Variant
from analysis.worlds.scene_questions import SEG, Kind

Score = Literal["dot", "cosine", "centred", "z_scored", "minus_neutral"]
Reads = Literal["predicts", "at"]

PICTURE: dict[str, Any] = {"widget": "picture", "group": "Picture and question"}
HASH = "^([0-9a-f]{64})?$"


class Params(BaseParams):
    image: str = Field(
        default="",
        pattern=HASH,
        max_length=64,
        description="A picture of your own, PNG, JPEG or WebP. Empty: the bundled scene.",
        json_schema_extra=PICTURE,
    )
    truth: str = Field(
        default="",
        pattern=HASH,
        max_length=64,
        description="White where the right answer lies in your picture, black elsewhere, of the "
        "same size. Empty: there is nothing to measure against.",
        json_schema_extra=PICTURE,
    )
    scene: int = Field(
        default=0,
        ge=0,
        le=2**31 - 1,
        description="Number of a bundled scene; each kind of question has scenes of its own.",
        json_schema_extra={"group": "Picture and question"},
    )
    kind: Kind = Field(
        default="attribute",
        description="What the scene's question tells a thing by; none: a question about a thing "
        "that is not there.",
        json_schema_extra={"group": "Picture and question"},
    )
    question: str = Field(
        default="",
        max_length=300,
        description="Your own question. Empty: the scene's, whose answer is known.",
        json_schema_extra={"widget": "text", "group": "Picture and question"},
    )
    special_tokens: Literal["refuse", "token"] = Field(
        default="refuse",
        description="A special token typed in the question: refuse it, or let it act as the token. "
        "That of the picture is always refused.",
        json_schema_extra={"group": "Picture and question"},
    )
    max_new_tokens: int = Field(
        default=24,
        ge=1,
        le=128,
        description="Longest answer in tokens.",
        json_schema_extra={"group": "Picture and question"},
    )
    query: str = Field(
        default=SEG,
        min_length=1,
        max_length=50,
        description="Token whose map is shown first, as it stands in the answer or the question; "
        "every other token's map is one click away.",
        json_schema_extra={"group": "Map"},
    )
    reads: Reads = Field(
        default="predicts",
        description="predicts: the state one position before the token, which predicts it; at: "
        "the state at the token.",
        json_schema_extra={"group": "Map"},
    )
    score: Score = Field(
        default="dot",
        description="dot: the raw product. cosine: of directions. centred: the mean over patches "
        "taken away. z_scored: likewise, every dimension in standard deviations. minus_neutral: "
        "the neutral token's map taken away.",
        json_schema_extra={"group": "Map"},
    )
    layer: int = Field(
        default=-1,
        ge=-1,
        le=1000,
        description="Layer shown first; 0: the embeddings, -1: after the last one's final norm.",
        json_schema_extra={"group": "Map"},
    )
    neutral: str = Field(
        default="",
        max_length=50,
        description="Token whose map is taken away by the score minus_neutral, read at the token. "
        "Empty: the text's first.",
        json_schema_extra={"group": "Map"},
    )
    points: Variant = Field(
        default="paper",
        description="paper: patches so many standard deviations from the mean. code: as READ's "
        "released code, on the halved grid, from 0.8 of the range on and up to 0.2.",
        json_schema_extra={"group": "Points"},
    )
    point_count: int = Field(
        default=30,
        ge=1,
        le=256,
        description="Points at most: the highest first, then the lowest, then undecided ones.",
        json_schema_extra={"group": "Points"},
    )
    sigmas: float = Field(
        default=0.5,
        ge=0,
        le=4,
        description="Standard deviations from the mean from which a patch counts, in the paper's "
        "variant.",
        json_schema_extra={"group": "Points"},
    )
    continuous: bool = Field(
        default=True,
        description="Prompt with points moved by the map around them, by less than a pixel; off: "
        "with the middles of the patches.",
        json_schema_extra={"group": "Points"},
    )
    causal: bool = Field(
        default=True,
        description="Blank the region and read the answer again.",
        json_schema_extra={"group": "Causal check"},
    )
    region: list[int] = Field(
        default=[],
        max_length=4096,
        description="Patches to blank, counted from 0 row by row: drawn on the picture. Empty: "
        "those of the mask.",
        json_schema_extra={"widget": "hidden", "group": "Causal check"},
    )
    fill: Fill = Field(
        default="mean",
        description="What a blanked patch becomes: the picture's mean colour, a blur as wide as a "
        "patch, or the same place of another picture.",
        json_schema_extra={"group": "Causal check"},
    )
    other: str = Field(
        default="",
        pattern=HASH,
        max_length=64,
        description="The other picture. Empty: the bundled scene of the next number.",
        json_schema_extra={**PICTURE, "group": "Causal check"},
    )
    controls: int = Field(
        default=4,
        ge=1,
        le=32,
        description="Random draws of as many patches outside the region.",
        json_schema_extra={"group": "Causal check"},
    )
    seed: int = Field(
        default=0,
        ge=0,
        le=2**31 - 1,
        description="Seed of the random draws.",
        json_schema_extra={"group": "Causal check"},
    )
