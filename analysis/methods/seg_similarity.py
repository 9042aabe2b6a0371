"""SEG similarity: where in the picture a token of the text looks.

The state of a token (`<SEG>`, or any other) is compared with the states of the picture's patches,
in every layer of the language model, by one forward pass. In models that show what they speak of,
the token `<SEG>` prompts a mask decoder; its map arises without being trained for.

Source: "Reasoning to Attend: Try to Understand How <SEG> Token Works" (READ, arXiv 2412.17741),
S_j = ⟨h_j, h_q⟩. The state that predicts the token (one position before it) is read by default,
as READ and LISA do; or the state at the token itself.

Bundled scenes are square: nothing is cropped or padded, so that a map lies over the whole picture.

Shape legend: L layers and one more (0: what enters the first block; last: after the final norm),
P patches row by row, S scores, M measures, H, W pixel rows and columns.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal

import numpy as np
import torch
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from analysis import segmentation, similarity, text, visual_answer
from analysis.demo.scene_questions import SEG, Item, item
from analysis.errors import InvalidParams
from analysis.events import Array, Event
from analysis.method import BaseParams, Example
from analysis.model import VisionLanguageModel
from analysis.pictures import Picture
from analysis.visual_answer import Answer

VERSION = "1"
NEEDS = ("vision_language",)

Kind = Literal["attribute", "superlative", "relation", "none"]
Score = Literal["dot", "cosine", "centred", "z_scored"]
Reads = Literal["predicts", "at"]


class Params(BaseParams):
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
        description="Your own question about the scene. Empty: the scene's, whose answer is known.",
        json_schema_extra={"widget": "text", "group": "Picture and question"},
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
        "taken away. z_scored: likewise, every dimension in standard deviations.",
        json_schema_extra={"group": "Map"},
    )
    layer: int = Field(
        default=-1,
        ge=-1,
        le=1000,
        description="Layer shown first; 0: the embeddings, -1: after the last one's final norm.",
        json_schema_extra={"group": "Map"},
    )


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
    layers: int = Field(description="L + 1.")
    query: int = Field(description="Position of the token whose map is shown first.")
    found: bool = Field(description="False: the query does not occur, another token stands in.")


class Map(Event):
    """The state at a position against all patches."""

    kind: Literal["map"] = "map"
    position: int
    scores: Array = Field(description="[S, L + 1, P]: dot, cosine, centred, z_scored.")
    measures: Array | None = Field(
        description="[M, S, L + 1] against the truth: auc, iou, pointing; null without a truth."
    )


class Mask(Event):
    """The region that the model points at."""

    kind: Literal["mask"] = "mask"
    source: Literal["mask_decoder", "map", "none"] = Field(
        description="map: the thresholded map stands in, for the model has no mask decoder; none: "
        "the answer has no token that prompts the decoder."
    )
    mask: Array | None = Field(description="[H, W] uint8.")
    iou: float | None = Field(description="With the truth, where there is one.")
    quality: float | None = Field(description="The IoU that the decoder itself expects.")


EVENTS = (Scene, Tokens, Map, Mask)


def _example(kind: Kind, scene: int, look_for: str) -> Example:
    """A bundled scene under the name of its question."""
    asked = item(Random(f"{kind} {scene}"), kind=kind, split="held out").question
    return Example(asked, look_for, model="demo-vlm", params={"kind": kind, "scene": scene})


EXAMPLES = [
    _example(
        "attribute",
        3,
        "Step through the layers and look in which one the map of <SEG> gathers on the thing that "
        "the mask shows.",
    ),
    _example(
        "superlative",
        3,
        "The words fit several things and one is meant: look which layer's map tells it from the "
        "others.",
    ),
    _example(
        "relation",
        3,
        "Click the words of the question: compare where the map of the other thing lies, and where "
        "that of <SEG>.",
    ),
    _example(
        "none",
        1,
        "Nothing of the kind is there: a right answer says so, without <SEG> and without a mask.",
    ),
]


@dataclass(frozen=True)
class Asked:
    """A scene and the question about it; `truth_HW` where the answer is known."""

    item: Item
    question: str
    truth_HW: torch.Tensor | None


def run(model: VisionLanguageModel, params: Params) -> Iterator[Event]:
    asked = _ask(params)
    yield _scene_event(params, asked)
    picture = Image.fromarray(asked.item.picture)
    answer = yield from visual_answer.write(model, picture, asked.question, params.max_new_tokens)
    grid = visual_answer.patch_grid(model, answer)
    tokens = _tokens(model, params, asked, answer, grid)
    yield tokens
    states_LND = visual_answer.states(model, answer)
    _refuse_layer(params, tokens.layers)
    maps = _maps(params, asked, answer, states_LND, tokens)
    first = next(maps)
    yield first
    yield _mask(model, params, asked, answer, states_LND, first, grid, found=tokens.found)
    yield from maps


def _ask(params: Params) -> Asked:
    found = item(Random(f"{params.kind} {params.scene}"), kind=params.kind, split="held out")
    if params.question.strip():
        return Asked(found, params.question.strip(), None)
    return Asked(found, found.question, torch.from_numpy(found.mask.copy()))


def _scene_event(params: Params, asked: Asked) -> Scene:
    known = asked.truth_HW is not None
    return Scene(
        picture=asked.item.picture,
        description=_describe(asked.item),
        question=asked.question,
        expected=asked.item.answer if known else None,
        form=params.kind if known else None,
        truth=asked.truth_HW.numpy().astype(np.uint8) if asked.truth_HW is not None else None,
    )


def _describe(found: Item) -> str:
    things = "; ".join(f"a {thing} at the {thing.place}" for thing in found.scene.things)
    return f"On a {found.scene.ground} ground: {things}."


def _tokens(
    model: VisionLanguageModel,
    params: Params,
    asked: Asked,
    answer: Answer,
    grid: tuple[int, int],
) -> Tokens:
    listed = _token_list(model, answer)
    query, found = _query(listed, params.query)
    said = "".join(token.text for token in listed if token.answer and not token.special).strip()
    known = asked.truth_HW is not None
    return Tokens(
        tokens=listed,
        answer=said,
        right=said == asked.item.answer if known else None,
        rows=grid[0],
        columns=grid[1],
        layers=model.info.layers + 1,
        query=query,
        found=found,
    )


def _token_list(model: VisionLanguageModel, answer: Answer) -> list[AnswerToken]:
    special = set(text.special_tokens(model.tokenizer).values())
    positions = answer.text_positions
    texts = text.display_texts(model.tokenizer, [answer.ids[n] for n in positions])
    pieces = model.tokenizer.convert_ids_to_tokens([answer.ids[n] for n in positions])
    return [
        AnswerToken(
            position=n,
            text=shown,
            piece=str(piece),
            answer=n >= answer.prompt_length,
            special=answer.ids[n] in special,
            logprob=answer.logprobs[n - answer.prompt_length]
            if n >= answer.prompt_length
            else None,
        )
        for n, shown, piece in zip(positions, texts, pieces, strict=True)
    ]


def _query(tokens: list[AnswerToken], query: str) -> tuple[int, bool]:
    """Position of the query, first in the answer; else of the answer's last word."""
    ordered = sorted(tokens, key=lambda token: not token.answer)
    for token in ordered:
        if query.strip() in (token.text.strip(), token.piece):
            return token.position, True
    words = [token for token in tokens if token.answer and not token.special]
    return (words or tokens)[-1].position, False


def _refuse_layer(params: Params, layers: int) -> None:
    if params.layer >= layers:
        raise InvalidParams(
            f"layer is {params.layer}; the model has {layers}, counted from 0.",
            remedy=f"Choose a layer from 0 to {layers - 1}, or -1 for the last.",
            field="layer",
        )


def _maps(
    params: Params, asked: Asked, answer: Answer, states_LND: torch.Tensor, tokens: Tokens
) -> Iterator[Map]:
    """A map of every state that a token of the text can be read from, the query's first."""
    text_positions = [token.position for token in tokens.tokens]
    read = sorted({n for at in text_positions for n in (at - 1, at) if n >= 0})
    first = max(0, tokens.query - (params.reads == "predicts"))
    is_patch_N = torch.tensor([token in answer.picture_ids for token in answer.ids])
    patches_LPD = states_LND[:, is_patch_N]
    grid = (tokens.rows, tokens.columns)
    for position in sorted(read, key=lambda n: n != first):
        scores_SLP = similarity.similarity(patches_LPD, states_LND[:, position])
        yield Map(
            position=position,
            scores=scores_SLP.numpy(),
            measures=_measures(scores_SLP, asked, grid),
        )


def _measures(scores_SLP: torch.Tensor, asked: Asked, grid: tuple[int, int]) -> np.ndarray | None:
    if asked.truth_HW is None or not asked.truth_HW.any():
        return None
    found: np.ndarray = similarity.measures(scores_SLP, asked.truth_HW, grid).numpy()
    return found


def _mask(
    model: VisionLanguageModel,
    params: Params,
    asked: Asked,
    answer: Answer,
    states_LND: torch.Tensor,
    shown: Map,
    grid: tuple[int, int],
    *,
    found: bool,
) -> Mask:
    """The decoder's mask where there is a decoder and a token for it; else the map's."""
    picture = asked.item.picture
    decoder = segmentation.decoder_of(model)
    if decoder is None:
        layer, score = params.layer, similarity.SCORES.index(params.score)
        map_P = torch.from_numpy(shown.scores[score, layer])
        mask_HW = similarity.threshold_mask(map_P, grid, picture.shape[:2])
        return _mask_event("map", mask_HW, asked, None)
    at = segmentation.seg_position(model, answer)
    if at is None:
        return Mask(source="none", mask=None, iou=None, quality=None)
    mask_HW, quality = segmentation.mask(decoder, picture, states_LND[-1, at - 1])
    return _mask_event("mask_decoder", mask_HW, asked, quality)


def _mask_event(
    source: Literal["mask_decoder", "map"],
    mask_HW: torch.Tensor,
    asked: Asked,
    quality: float | None,
) -> Mask:
    truth_HW = asked.truth_HW
    known = truth_HW is not None and bool(truth_HW.any())
    return Mask(
        source=source,
        mask=mask_HW.numpy().astype(np.uint8),
        iou=float(similarity.overlap(mask_HW, truth_HW))
        if known and truth_HW is not None
        else None,
        quality=quality,
    )
