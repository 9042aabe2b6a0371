"""Parameters and events of information flow in text-to-image models.

Shape legend: N positions of the text encoder, G groups of tokens, W windows of its layers: all,
then each by itself.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from analysis.events import Array, Event
from analysis.images.event import Picture
from analysis.method import param
from analysis.text.context import TextParams

Kind = Literal["whole", "item", "token", "alone", "fixed", "removed", "layer"]


class PictureParams(TextParams):
    """Parameters of the pictures; of the text's params only prompt and seed apply."""

    items: str = param(
        "",
        "Items of the prompt, spelled and ordered as in the prompt, separated by "
        "semicolons. Empty: the parts between commas, and, with, next to, beside.",
        group="Text",
        capability="text_to_image",
        max_length=1000,
    )
    item: int = param(
        0,
        "Number of the item to analyse, from 1; 0: the last one.",
        group="Text",
        capability="text_to_image",
        ge=0,
        le=6,
    )
    tokens: bool = param(
        True,
        "Draw pictures with only one token of the item kept, for each of its tokens.",
        group="Output",
        capability="text_to_image",
    )
    leak: bool = param(
        True,
        "Attribute leakage: draw pictures of the item encoded in context and in "
        "isolation, and of the fix.",
        group="Output",
        capability="text_to_image",
    )
    removal: bool = param(
        True,
        "Draw pictures of the whole prompt without the item's non-representative "
        "tokens (requires a judge).",
        group="Output",
        capability="text_to_image",
    )
    layer_row: bool = param(
        False,
        "Draw pictures from the text encoder's states after each layer.",
        group="Output",
        capability="text_to_image",
    )
    encoder_flow: bool = param(
        True,
        "Cut attention between words inside the text encoder and measure the change of state.",
        group="Text encoder",
        capability="text_to_image",
    )
    encoder_flow_layers: bool = param(
        True,
        "Also cut in each layer separately; otherwise only in all layers together.",
        group="Text encoder",
        capability="text_to_image",
    )
    pictures: int = param(
        4,
        "Pictures per row; each column has its own seed.",
        group="Output",
        capability="text_to_image",
        ge=1,
        le=16,
    )
    steps: int = param(
        12,
        "Number of denoising steps; 0: the pipeline's default.",
        group="Sampling and seed",
        capability="text_to_image",
        ge=0,
        le=200,
    )
    guidance: float = param(
        0.0,
        "Guidance scale; 0: the model's default (_guidance_scale in its index), else "
        "the pipeline's.",
        group="Sampling and seed",
        capability="text_to_image",
        ge=0,
        le=30,
    )
    size: int = param(
        0,
        "Width and height of the pictures in pixels; 0: the pipeline's default.",
        group="Sampling and seed",
        capability="text_to_image",
        ge=0,
        le=2048,
        multiple_of=8,
    )
    keep_pooled: bool = param(
        False,
        "Keep the prompt's pooled vector when tokens are removed, although it encodes "
        "the whole prompt.",
        group="Sampling and seed",
        capability="text_to_image",
    )
    rows_per_batch: int = param(
        16,
        "Pictures per batch; affects memory and speed, not the result.",
        group="Sampling and seed",
        capability="text_to_image",
        ge=1,
        le=256,
    )


class PromptToken(BaseModel):
    """A token of the prompt."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    position: int = Field(description="Its position in the text encoder's output.")
    text: str
    word: int = Field(description="Number of the word it belongs to.")
    item: int | None = Field(description="Number of its item, from 0; null: none.")


class Item(BaseModel):
    """An item of the prompt, and the colour and shape that its words name for the judge."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    phrase: str
    colour: str | None
    shape: str | None


class Judge(BaseModel):
    """The judge of pictures."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    accuracy: float | None = Field(description="Share of known pictures that it judges correctly.")
    pictures: int | None = Field(
        description="Number of known pictures from which the accuracy is measured."
    )


class Prompt(Event):
    """The prompt in tokens and items."""

    kind: Literal["prompt"] = "prompt"
    tokens: list[PromptToken]
    items: list[Item]
    chosen: int = Field(description="The analysed item, from 0.")
    positions: int = Field(description="N, including padding.")
    judge: Judge | None = Field(description="null: no verdicts for this model's pictures.")


class Row(Event):
    """A row of pictures to be drawn: the tokens kept and the source of their states."""

    kind: Literal["row"] = "row"
    row: int
    shows: Kind = Field(
        description="whole: all tokens; item, token: only this item or token kept, encoded in "
        "context; alone: only the item kept, encoded in isolation; fixed: the whole prompt with "
        "the item's states encoded in isolation; removed: the whole prompt without the item's "
        "non-representative tokens; layer: the whole prompt encoded by this many layers only."
    )
    item: int | None = Field(description="The item of the row, from 0.")
    label: str
    kept: list[int] = Field(description="Tokens kept, as indices of the prompt's tokens.")


class EncoderFlow(Event):
    """Effect of words on each other in the largest text encoder; 1 − cosine, 0 to 2."""

    kind: Literal["encoder_flow"] = "encoder_flow"
    words: list[str] = Field(description="G groups of tokens, in the prompt's order.")
    tokens: list[list[int]] = Field(description="Per group, indices of the prompt's tokens.")
    flow: Array = Field(
        description="[W, G, G] float32, row A, column B: the change of A's states when attention "
        "from A to B is cut, in all layers (W = 0), then in each layer separately."
    )
    total: Array = Field(description="[W, G]: when attention from A to all other words is cut.")
    alone: Array = Field(description="[G]: compared with the word encoded in isolation.")
    blocks: Array = Field(
        description="[G]: compared with the same prompt without attention between words."
    )


class Verdict(BaseModel):
    """Verdict of the judge on a picture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seen: list[str] = Field(description="All objects it detects, from top to bottom.")
    shown: list[bool | None] = Field(description="Per item, whether it was detected.")
    leak: bool | None = Field(
        description="For a single item: another one appears, or its shape in another's colour. "
        "For a whole picture: the chosen item has another's colour, or another replaces it."
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
    """Counts of a row's verdicts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    row: int
    pictures: int
    shown: list[int | None] = Field(
        description="Per item, the number of pictures in which it is detected."
    )
    leaks: int | None = Field(description="Number of pictures with attribute leakage.")
    representative: bool | None = Field(
        description="For a token's row: whether the token alone shows its item in at least half "
        "the pictures."
    )


class Findings(Event):
    """Counts of all rows; null if there is no judge."""

    kind: Literal["findings"] = "findings"
    rows: list[Finding]


EVENTS = (Prompt, EncoderFlow, Row, Drawn, Findings)
