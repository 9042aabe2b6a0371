"""Parameters of SEG similarity."""

from typing import Literal

from analysis.method import BaseParams, param
from analysis.methods.seg_similarity.masking import Fill
from analysis.methods.seg_similarity.points import Variant
from analysis.worlds.scene_questions import SEG, Kind

Score = Literal["dot", "cosine", "centred", "z_scored", "minus_neutral"]
Reads = Literal["predicts", "at"]

HASH = "^([0-9a-f]{64})?$"


class Params(BaseParams):
    image: str = param(
        "",
        "Your own picture (PNG, JPEG or WebP). Empty: a bundled scene.",
        group="Picture and question",
        role="image",
        widget="picture",
        max_length=64,
        pattern=HASH,
    )
    truth: str = param(
        "",
        "Ground-truth mask for your picture, of the same size: white on the object, "
        "black elsewhere. Empty: no measures are computed.",
        group="Picture and question",
        widget="picture",
        max_length=64,
        pattern=HASH,
    )
    scene: int = param(
        0,
        "Number of a bundled scene; each kind of question has scenes of its own.",
        group="Picture and question",
        role="subject",
        ge=0,
        le=2**31 - 1,
    )
    kind: Kind = param(
        "attribute",
        "How the scene's question identifies an object; none: a question about an "
        "object that is absent.",
        group="Picture and question",
        role="subject",
    )
    question: str = param(
        "",
        "Your own question. Empty: the scene's question, whose answer is known.",
        group="Picture and question",
        role="question",
        widget="text",
        max_length=300,
    )
    special_tokens: Literal["refuse", "token"] = param(
        "refuse",
        "Special tokens typed in the question: refuse them, or use them as special "
        "tokens. The image token is always refused.",
        group="Picture and question",
        role="special_tokens",
    )
    max_new_tokens: int = param(
        24,
        "Maximum answer length in tokens.",
        group="Picture and question",
        role="length",
        ge=1,
        le=128,
    )
    query: str = param(
        SEG,
        "Query: the token whose map is shown first, spelled as in the answer or the "
        "question. Click any other token to show its map.",
        group="Map",
        min_length=1,
        max_length=50,
    )
    reads: Reads = param(
        "predicts",
        "predicts: the state one position before the token, which predicts it; at: "
        "the state at the token.",
        group="Map",
    )
    score: Score = param(
        "dot",
        "dot: dot product. cosine: cosine similarity. centred: dot product minus the "
        "mean over patches. z_scored: centred, and each dimension divided by its standard "
        "deviation. minus_neutral: dot product minus that of the neutral token.",
        group="Map",
    )
    layer: int = param(
        -1,
        "Layer shown first; 0: the embeddings, -1: after the final norm.",
        group="Map",
        ge=-1,
        le=1000,
    )
    neutral: str = param(
        "",
        "Neutral token, whose map the score minus_neutral subtracts. Empty: the first "
        "token of the text.",
        group="Map",
        max_length=50,
    )
    points: Variant = param(
        "paper",
        "Rule for selecting points. paper: patches at least sigmas standard "
        "deviations from the mean; code: as in READ's released code, above 0.8 or below 0.2 of "
        "the range on a grid of half the size.",
        group="Points",
    )
    point_count: int = param(
        30,
        "Maximum number of points: the highest first, then the lowest, then undecided ones.",
        group="Points",
        ge=1,
        le=256,
    )
    sigmas: float = param(
        0.5,
        "Minimum distance from the mean in standard deviations for the rule paper.",
        group="Points",
        ge=0,
        le=4,
    )
    continuous: bool = param(
        True,
        "Refine points by the map around them, by less than a pixel; off: use the "
        "centres of the patches.",
        group="Points",
    )
    causal: bool = param(
        True,
        "Mask the region and measure the answer's log-probability again.",
        group="Causal check",
    )
    region: list[int] = param(
        [],
        "Patches to mask, drawn on the picture and counted from 0 row by row. Empty: "
        "those of the segmentation mask.",
        group="Causal check",
        widget="hidden",
        max_length=4096,
    )
    fill: Fill = param(
        "mean",
        "Replacement of a masked patch: the picture's mean colour, a blur as wide as "
        "a patch, or the same patch of another picture.",
        group="Causal check",
    )
    other: str = param(
        "",
        "The other picture. Empty: the next bundled scene.",
        group="Causal check",
        widget="picture",
        max_length=64,
        pattern=HASH,
    )
    controls: int = param(
        4,
        "Number of control runs, each masking as many random patches outside the region.",
        group="Causal check",
        ge=1,
        le=32,
    )
    seed: int = param(
        0, "Random seed of the control runs.", group="Causal check", role="seed", ge=0, le=2**31 - 1
    )
