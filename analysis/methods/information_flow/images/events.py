"""What the text-to-image part of information flow is given, and what it yields.

Shape legend: N positions of the text encoder, G groups of tokens, W windows of its layers: all,
then each by itself.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from analysis.events import Array, Event
from analysis.images.event import Picture
from analysis.text.context import TextParams

Kind = Literal["whole", "item", "token", "alone", "fixed", "removed", "layer"]


def _extra(group: str) -> dict[str, Any]:
    return {"group": group, "capability": "text_to_image"}


class PictureParams(TextParams):
    """What is asked of the pictures; of the text's params only prompt and seed have a meaning."""

    items: str = Field(
        default="",
        max_length=1000,
        description="The prompt's items, word for word and in its order, separated by semicolons. "
        "Empty: the parts between commas, and, with, next to, beside.",
        json_schema_extra=_extra("Text"),
    )
    item: int = Field(
        default=0,
        ge=0,
        le=6,
        description="Number of the item that is taken apart, from 1; 0: the last one.",
        json_schema_extra=_extra("Text"),
    )
    tokens: bool = Field(
        default=True,
        description="Pictures of each token of the item kept alone.",
        json_schema_extra=_extra("Output"),
    )
    leak: bool = Field(
        default=True,
        description="Pictures of the item encoded with and without the rest, and of the fix.",
        json_schema_extra=_extra("Output"),
    )
    removal: bool = Field(
        default=True,
        description="With a judge: pictures of the whole prompt without the item's tokens that "
        "do not represent it.",
        json_schema_extra=_extra("Output"),
    )
    layer_row: bool = Field(
        default=False,
        description="Pictures of the prompt as it would be encoded after each layer.",
        json_schema_extra=_extra("Output"),
    )
    encoder_flow: bool = Field(
        default=True,
        description="What the words pass to each other inside the text encoder.",
        json_schema_extra=_extra("Text encoder"),
    )
    encoder_flow_layers: bool = Field(
        default=True,
        description="Cut in each layer by itself too; otherwise in all layers at once alone.",
        json_schema_extra=_extra("Text encoder"),
    )
    pictures: int = Field(
        default=4,
        ge=1,
        le=16,
        description="Pictures per row; each column has a seed of its own.",
        json_schema_extra=_extra("Output"),
    )
    steps: int = Field(
        default=12,
        ge=0,
        le=200,
        description="Denoising steps; 0: as many as the pipeline takes by itself.",
        json_schema_extra=_extra("Sampling and seed"),
    )
    guidance: float = Field(
        default=0.0,
        ge=0,
        le=30,
        description="Strength of guidance; 0: the model's own, which its index may name as "
        "_guidance_scale, else the pipeline's.",
        json_schema_extra=_extra("Sampling and seed"),
    )
    size: int = Field(
        default=0,
        ge=0,
        le=2048,
        multiple_of=8,
        description="Edge of the pictures in pixels; 0: the pipeline's own.",
        json_schema_extra=_extra("Sampling and seed"),
    )
    keep_pooled: bool = Field(
        default=False,
        description="Leave the prompt's pooled vector in place where tokens are taken away, "
        "although it carries the whole prompt.",
        json_schema_extra=_extra("Sampling and seed"),
    )
    rows_per_batch: int = Field(
        default=16,
        ge=1,
        le=256,
        description="Pictures drawn at once; changes memory and speed, not the result.",
        json_schema_extra=_extra("Sampling and seed"),
    )


class PromptToken(BaseModel):
    """A token of the prompt."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    position: int = Field(description="Its position in the text encoder's output.")
    text: str
    word: int = Field(description="Number of the word it belongs to.")
    item: int | None = Field(description="Number of its item, from 0; null: of none.")


class Item(BaseModel):
    """An item of the prompt, and what its words mean to the judge."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    phrase: str
    colour: str | None
    shape: str | None


class Judge(BaseModel):
    """Who says what a picture shows."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    accuracy: float | None = Field(description="Share of known pictures it was right on.")
    pictures: int | None = Field(description="Known pictures behind the accuracy.")


class Prompt(Event):
    """The prompt in tokens and items."""

    kind: Literal["prompt"] = "prompt"
    tokens: list[PromptToken]
    items: list[Item]
    chosen: int = Field(description="The item that is taken apart, from 0.")
    positions: int = Field(description="N, the padding included.")
    judge: Judge | None = Field(description="null: no verdicts for this model's pictures.")


class Row(Event):
    """Pictures to come: what is kept, and from where its states are."""

    kind: Literal["row"] = "row"
    row: int
    shows: Kind = Field(
        description="whole: nothing is taken away; item, token: kept alone, encoded with the rest; "
        "alone: the item kept, encoded by itself; fixed: the whole prompt with the item's states "
        "encoded by itself; removed: the whole prompt without the item's tokens that do not "
        "represent it; layer: the whole prompt encoded by so many layers alone."
    )
    item: int | None = Field(description="The item that it is about, from 0.")
    label: str
    kept: list[int] = Field(description="Tokens kept, as indices of the prompt's tokens.")


class EncoderFlow(Event):
    """What words pass to each other in the largest text encoder; 1 − cosine, 0 to 2."""

    kind: Literal["encoder_flow"] = "encoder_flow"
    words: list[str] = Field(description="G groups of tokens, in the prompt's order.")
    tokens: list[list[int]] = Field(description="Per group, indices of the prompt's tokens.")
    flow: Array = Field(
        description="[W, G, G] float32: row A, column B: the change of A's states where A may not "
        "read B, in all layers (W = 0), then in each layer by itself."
    )
    total: Array = Field(description="[W, G]: where A may read no other word.")
    alone: Array = Field(description="[G]: against the word encoded by itself.")
    blocks: Array = Field(description="[G]: against the same prompt, no word reading another.")


class Verdict(BaseModel):
    """What the judge says of a picture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seen: list[str] = Field(description="Everything it sees, from top to bottom.")
    shown: list[bool | None] = Field(description="Per item, whether it is among it.")
    leak: bool | None = Field(
        description="Of an item kept: another one shows, or its shape in another's colour. Of a "
        "whole picture: the chosen item has another's colour, or another stands in its place."
    )


class Drawn(Event):
    """A picture."""

    kind: Literal["picture"] = "picture"
    row: int
    column: int
    seed: int
    picture: Picture
    verdict: Verdict | None


class Finding(BaseModel):
    """A row's verdicts, counted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    row: int
    pictures: int
    shown: list[int | None] = Field(description="Per item, in how many pictures it is seen.")
    leaks: int | None = Field(description="Pictures with a leak.")
    representative: bool | None = Field(
        description="Of a token's row: it alone shows its item in at least half the pictures."
    )


class Findings(Event):
    """All rows, counted; null everywhere where there is no judge."""

    kind: Literal["findings"] = "findings"
    rows: list[Finding]


EVENTS = (Prompt, EncoderFlow, Row, Drawn, Findings)
