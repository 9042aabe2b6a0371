"""What a run of SEG similarity yields.

Shape legend: L layers and one more (0: what enters the first block; last: after the final norm),
N positions, P patches row by row, S scores, M measures, Q queries of the mask decoder, T points,
H, W pixel rows and columns.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from analysis.events import Array, Event
from analysis.images.event import Picture
from analysis.worlds.scene_questions import Kind

Prompted = Literal["mask_decoder", "points", "both", "map", "none"]


class Scene(Event):
    """The picture, what is asked of it, and the truth where it is known."""

    kind: Literal["scene"] = "scene"
    picture: Picture
    description: str = Field(description="What is in the picture, in words.")
    question: str
    expected: str | None = Field(description="The right answer; null for a question of your own.")
    form: Kind | None = Field(description="What the question tells the thing by.")
    truth: Array | None = Field(description="[H, W] uint8: 1 where what is meant is seen.")


class AnswerToken(BaseModel):
    """A token of question or answer; those of the picture are left out."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    position: int
    text: str
    piece: str = Field(description="Its entry in the vocabulary.")
    answer: bool
    special: bool
    logprob: float | None = Field(description="Natural log; null in the question.")


class Tokens(Event):
    """Question and answer, and how the maps are laid out."""

    kind: Literal["tokens"] = "tokens"
    tokens: list[AnswerToken]
    answer: str
    right: bool | None = Field(description="Word for word; null where no answer is known.")
    rows: int = Field(description="Of patches.")
    columns: int
    frame: list[float] = Field(
        description="Left, top, width and height of what the patches divide, in the picture's "
        "pixels; it reaches beyond a picture that is padded."
    )
    layers: int = Field(description="L + 1.")
    query: int = Field(description="Position of the token whose map is shown first.")
    found: bool = Field(description="False: the query does not occur, another token stands in.")


class Map(Event):
    """The state at a position against all patches."""

    kind: Literal["map"] = "map"
    position: int
    scores: Array = Field(
        description="[S, L + 1, P]: dot, cosine, centred, z_scored, minus_neutral."
    )
    measures: Array | None = Field(
        description="[M, S, L + 1] against the truth: auc, iou, iou_sigma, iou_area, pointing; "
        "null without a truth."
    )


class MapPoints(Event):
    """The points of the first map, in the params' layer and score."""

    kind: Literal["points"] = "points"
    labels: Array = Field(description="[T] int32: 1 within, 0 outside, -1 undecided.")
    centres: Array = Field(description="[T, 2]: x, y in the picture's pixels.")
    continuous: Array = Field(description="[T, 2]: moved by the map around them.")


class DecoderMap(Event):
    """The second map: cells of the mask decoder against its queries, as both leave its
    transformer."""

    kind: Literal["decoder_map"] = "decoder_map"
    scores: Array = Field(description="[Q, P] of its grid: the prompt's state, the mask's token.")
    rows: int
    columns: int
    frame: list[float] = Field(description="As of the patches.")
    measures: Array | None = Field(description="[M, Q, 1] against the truth.")
    iou: float = Field(description="Of both maps above half their range: state and first map.")
    rank_correlation: float = Field(description="Spearman's, likewise, on the patches' grid.")


class Mask(Event):
    """A region that the model points at."""

    kind: Literal["mask"] = "mask"
    source: Prompted = Field(
        description="mask_decoder: prompted by the token's state; points: by the map's points; "
        "both: by both. map: the thresholded map stands in, for the model has no mask decoder; "
        "none: the answer has no token that prompts the decoder."
    )
    mask: Array | None = Field(description="[H, W] uint8.")
    iou: float | None = Field(description="With the truth, where there is one.")
    quality: float | None = Field(description="The IoU that the decoder itself expects.")


class Blanked(Event):
    """The answer read again with some patches blanked; changes are against the whole picture."""

    kind: Literal["blanked"] = "blanked"
    control: bool = Field(description="Patches drawn at random outside the region.")
    drawn: bool = Field(description="The region was drawn by hand.")
    cells: Array = Field(description="int32: the patches, counted row by row.")
    picture: Picture
    answer_change: float = Field(description="Of the answer's log-probability, nats.")
    token_change: float | None = Field(
        description="Of the query's log-probability, nats; null where it is not in the answer."
    )
    map_change: float = Field(
        description="1 − cosine of the centred first map before and after, over patches kept."
    )
