"""Parameters of SEG similarity."""

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
        description="Your own picture (PNG, JPEG or WebP). Empty: a bundled scene.",
        json_schema_extra=PICTURE,
    )
    truth: str = Field(
        default="",
        pattern=HASH,
        max_length=64,
        description="Ground-truth mask for your picture, of the same size: white on the object, "
        "black elsewhere. Empty: no measures are computed.",
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
        description="How the scene's question identifies an object; none: a question about an "
        "object that is absent.",
        json_schema_extra={"group": "Picture and question"},
    )
    question: str = Field(
        default="",
        max_length=300,
        description="Your own question. Empty: the scene's question, whose answer is known.",
        json_schema_extra={"widget": "text", "group": "Picture and question"},
    )
    special_tokens: Literal["refuse", "token"] = Field(
        default="refuse",
        description="Special tokens typed in the question: refuse them, or use them as special "
        "tokens. The image token is always refused.",
        json_schema_extra={"group": "Picture and question"},
    )
    max_new_tokens: int = Field(
        default=24,
        ge=1,
        le=128,
        description="Maximum answer length in tokens.",
        json_schema_extra={"group": "Picture and question"},
    )
    query: str = Field(
        default=SEG,
        min_length=1,
        max_length=50,
        description="Query: the token whose map is shown first, spelled as in the answer or the "
        "question. Click any other token to show its map.",
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
        description="dot: dot product. cosine: cosine similarity. centred: dot product minus the "
        "mean over patches. z_scored: centred, and each dimension divided by its standard "
        "deviation. minus_neutral: dot product minus that of the neutral token.",
        json_schema_extra={"group": "Map"},
    )
    layer: int = Field(
        default=-1,
        ge=-1,
        le=1000,
        description="Layer shown first; 0: the embeddings, -1: after the final norm.",
        json_schema_extra={"group": "Map"},
    )
    neutral: str = Field(
        default="",
        max_length=50,
        description="Neutral token, whose map the score minus_neutral subtracts. Empty: the first "
        "token of the text.",
        json_schema_extra={"group": "Map"},
    )
    points: Variant = Field(
        default="paper",
        description="Rule for selecting points. paper: patches at least sigmas standard "
        "deviations from the mean; code: as in READ's released code, above 0.8 or below 0.2 of "
        "the range on a grid of half the size.",
        json_schema_extra={"group": "Points"},
    )
    point_count: int = Field(
        default=30,
        ge=1,
        le=256,
        description="Maximum number of points: the highest first, then the lowest, then undecided "
        "ones.",
        json_schema_extra={"group": "Points"},
    )
    sigmas: float = Field(
        default=0.5,
        ge=0,
        le=4,
        description="Minimum distance from the mean in standard deviations for the rule paper.",
        json_schema_extra={"group": "Points"},
    )
    continuous: bool = Field(
        default=True,
        description="Refine points by the map around them, by less than a pixel; off: use the "
        "centres of the patches.",
        json_schema_extra={"group": "Points"},
    )
    causal: bool = Field(
        default=True,
        description="Mask the region and measure the answer's log-probability again.",
        json_schema_extra={"group": "Causal check"},
    )
    region: list[int] = Field(
        default=[],
        max_length=4096,
        description="Patches to mask, drawn on the picture and counted from 0 row by row. Empty: "
        "those of the segmentation mask.",
        json_schema_extra={"widget": "hidden", "group": "Causal check"},
    )
    fill: Fill = Field(
        default="mean",
        description="Replacement of a masked patch: the picture's mean colour, a blur as wide as "
        "a patch, or the same patch of another picture.",
        json_schema_extra={"group": "Causal check"},
    )
    other: str = Field(
        default="",
        pattern=HASH,
        max_length=64,
        description="The other picture. Empty: the next bundled scene.",
        json_schema_extra={**PICTURE, "group": "Causal check"},
    )
    controls: int = Field(
        default=4,
        ge=1,
        le=32,
        description="Number of control runs, each masking as many random patches outside the "
        "region.",
        json_schema_extra={"group": "Causal check"},
    )
    seed: int = Field(
        default=0,
        ge=0,
        le=2**31 - 1,
        description="Random seed of the control runs.",
        json_schema_extra={"group": "Causal check"},
    )
