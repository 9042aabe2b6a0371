"""Events of SEG similarity.

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
    """The picture, the question, and the ground truth if known."""

    kind: Literal["scene"] = "scene"
    picture: Picture
    description: str = Field(description="Description of the picture's content.")
    question: str
    expected: str | None = Field(description="The correct answer; null for your own question.")
    form: Kind | None = Field(description="How the question identifies the object.")
    truth: Array | None = Field(description="[H, W] uint8: 1 on the visible pixels of the object.")


class AnswerToken(BaseModel):
    """A token of the question or the answer; image tokens are omitted."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    position: int
    text: str
    piece: str = Field(description="The token as listed in the vocabulary.")
    answer: bool
    special: bool
    logprob: float | None = Field(
        description="Natural log of its probability; null in the question."
    )


class AnswerTokens(Event):
    """Question and answer, and the layout of the maps."""

    kind: Literal["tokens"] = "tokens"
    tokens: list[AnswerToken]
    answer: str
    right: bool | None = Field(
        description="Whether the answer equals the correct one exactly; null: unknown."
    )
    rows: int = Field(description="Rows and columns of patches.")
    columns: int
    frame: list[float] = Field(
        description="Left, top, width and height of the area divided into patches, in the "
        "picture's pixels; it extends beyond a padded picture."
    )
    layers: int = Field(description="L + 1.")
    query: int = Field(description="Position of the token whose map is shown first.")
    found: bool = Field(
        description="Whether the query occurs; false: another token is used instead."
    )


class Map(Event):
    """Similarity of the state at a position to all patches."""

    kind: Literal["map"] = "map"
    position: int
    scores: Array = Field(
        description="[S, L + 1, P]: dot, cosine, centred, z_scored, minus_neutral."
    )
    measures: Array | None = Field(
        description="[M, S, L + 1] agreement with the truth: auc, iou, iou_sigma, iou_area, "
        "pointing; null without a truth."
    )


class MapPoints(Event):
    """Points of the first map, for the layer and the score of the params."""

    kind: Literal["points"] = "points"
    labels: Array = Field(description="[T] int32: 1 inside, 0 outside, -1 undecided.")
    centres: Array = Field(description="[T, 2]: x, y in the picture's pixels.")
    continuous: Array = Field(description="[T, 2]: refined by the map around them.")


class DecoderMap(Event):
    """The second map: similarity of the mask decoder's cells and queries after its transformer."""

    kind: Literal["decoder_map"] = "decoder_map"
    scores: Array = Field(
        description="[Q, P] on the decoder's grid: the prompt's state, the mask token."
    )
    rows: int
    columns: int
    frame: list[float] = Field(description="As for the patches.")
    measures: Array | None = Field(description="[M, Q, 1] agreement with the truth.")
    iou: float = Field(
        description="IoU of both maps, thresholded at half their range: prompt's "
        "state and first map."
    )
    rank_correlation: float = Field(
        description="Spearman's rank correlation of the same maps, on the patches' grid."
    )


class Mask(Event):
    """A region predicted by the model."""

    kind: Literal["mask"] = "mask"
    source: Prompted = Field(
        description="mask_decoder: prompted by the token's state; points: by the map's points; "
        "both: by both. map: the thresholded map, because the model has no mask decoder; none: "
        "the answer has no token that prompts the decoder."
    )
    mask: Array | None = Field(description="[H, W] uint8.")
    iou: float | None = Field(description="IoU with the truth, if there is one.")
    quality: float | None = Field(description="IoU predicted by the decoder.")


class Blanked(Event):
    """The answer's log-probability with some patches masked, compared with the whole picture."""

    kind: Literal["blanked"] = "blanked"
    control: bool = Field(description="Whether the patches are random ones outside the region.")
    drawn: bool = Field(description="Whether the user drew the region.")
    cells: Array = Field(description="int32: the masked patches, counted row by row.")
    picture: Picture
    answer_change: float = Field(description="Change of the answer's log-probability, nats.")
    token_change: float | None = Field(
        description="Change of the query's log-probability, nats; null if it is not in the answer."
    )
    map_change: float = Field(
        description="1 − cosine of the centred first map before and after, over the unmasked "
        "patches."
    )
