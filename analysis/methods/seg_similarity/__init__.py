"""SEG similarity: which image patches a text token (such as <SEG>) is similar to.

One forward pass compares the state of a token (`<SEG>`, or any other) with the states of the
picture's patches in every layer of the language model. In reasoning-segmentation models the token
`<SEG>` prompts a mask decoder; its similarity map emerges without being a training objective.

Source: "Reasoning to Attend: Try to Understand How <SEG> Token Works" (READ, arXiv 2412.17741), S_j
= ⟨h_j, h_q⟩. By default the state that predicts the token is used (one position before it), as in
READ and LISA; alternatively, the state at the token itself. The map's points also prompt the mask
decoder. The causal check masks the region, and as many other patches as control, and measures the
answer's log-probability.

If a model crops or pads its pictures, maps cover the part that the model sees.

Shape legend: L layers and one more (0: what enters the first block; last: after the final norm),
P patches row by row, S scores, M measures, Q queries of the mask decoder, T points, H, W pixel
rows and columns.
"""

from collections.abc import Iterator
from random import Random

import numpy as np
import torch
from PIL import Image

from analysis.errors import InvalidParams
from analysis.events import Event
from analysis.images.files import PictureReader
from analysis.method import Example
from analysis.methods.seg_similarity import answer as visual_answer
from analysis.methods.seg_similarity import similarity
from analysis.methods.seg_similarity.answer import GreedyAnswer
from analysis.methods.seg_similarity.causal import causal_check
from analysis.methods.seg_similarity.events import (
    AnswerToken,
    AnswerTokens,
    Blanked,
    DecoderMap,
    Map,
    MapPoints,
    Mask,
    Scene,
)
from analysis.methods.seg_similarity.params import Params
from analysis.methods.seg_similarity.picture_grid import PictureGrid, picture_grid
from analysis.methods.seg_similarity.regions import corners, pointed
from analysis.methods.seg_similarity.states import (
    AnswerStates,
    PictureQuestion,
    find_query,
    measures_of,
)
from analysis.model import VisionLanguageModel
from analysis.model.media_tokens import media_tokens
from analysis.run_context import RunContext
from analysis.text import tokenization
from analysis.worlds.scene_questions import Kind, SceneQuestion, item

VERSION = "2"
NEEDS = ("vision_language",)

QUERIES_PER_EVENT = 8  # maps computed at once


EVENTS = (Scene, AnswerTokens, Map, MapPoints, DecoderMap, Mask, Blanked)


def _example(kind: Kind, scene: int, look_for: str, **more: object) -> Example:
    """A bundled scene, named after its question."""
    asked = item(Random(f"{kind} {scene}"), kind=kind, split="held out").question
    params = {"kind": kind, "scene": scene, **more}
    return Example(asked, look_for, model="demo-vlm", params=params)


EXAMPLES = [
    _example(
        "attribute",
        10,
        "Step through the layers: in some of them the map of <SEG> is highest on the object that "
        "the mask covers.",
    ),
    _example(
        "superlative",
        10,
        "Several objects fit the words, but only one is meant. Look at which layer's map "
        "distinguishes it from the others.",
    ),
    _example(
        "relation",
        11,
        "Select layer 0 and click the words of the question: the map of the last word is highest "
        "on the other object, the map of <SEG> on the object meant.",
        reads="at",
    ),
    _example(
        "none",
        1,
        "The picture has no such object: a correct answer says so, without <SEG> and without a "
        "mask.",
    ),
]


def run(model: VisionLanguageModel, params: Params, context: RunContext) -> Iterator[Event]:
    asked = _ask(model, params, context.pictures)
    yield _scene_event(params, asked)
    picture = Image.fromarray(asked.picture)
    answer = yield from visual_answer.write(model, picture, asked.question, params.max_new_tokens)
    token = visual_answer.picture_token(model)
    found = picture_grid(model, answer.ids, answer.inputs, token=token, size=asked.size)
    tokens = _tokens(model, params, asked, answer, found)
    yield tokens
    _refuse_outside(params, tokens)
    first = visual_answer.read(model, answer, answer.inputs)
    looked = AnswerStates(model, params, asked, answer, found, tokens, first)
    maps = _maps(looked)
    yield next(maps)
    region = yield from pointed(looked)
    yield from maps
    if params.causal:
        other = _other(params, context.pictures)
        yield from causal_check(looked, params.region or region, other)


def refuse(params: Params) -> None:
    """Raise InvalidParams for params that contradict each other."""
    if params.image and not params.question.strip():
        raise InvalidParams(
            "question is empty, and your own picture has no default question.",
            remedy="Type a question about the picture.",
            field="question",
        )
    if params.truth and not params.image:
        raise InvalidParams(
            "truth is given without image; the bundled scene already has a truth.",
            remedy="Leave truth empty, or choose a picture.",
            field="truth",
        )


def refuse_for(model: VisionLanguageModel, params: Params) -> None:
    """Raise what `run` raises for the question and the layer."""
    _question(model, params)
    _refuse_layer(params, model.info.layers + 1)


def _question(model: VisionLanguageModel, params: Params) -> str:
    """The question without spaces around it; empty: that of the scene."""
    question = params.question.strip()
    if question:
        tokenization.refuse_lost(model.tokenizer, question, field="question")
        tokenization.refuse_special_in_question(
            model.tokenizer,
            question,
            picture=visual_answer.picture_token(model),
            media=media_tokens(model.plain.config),
            special=params.special_tokens,
        )
    return question


def _ask(model: VisionLanguageModel, params: Params, pictures: PictureReader) -> PictureQuestion:
    question = _question(model, params)
    if params.image:
        picture = pictures(params.image)
        truth = _truth(params, pictures)
        return PictureQuestion(picture, question, "A picture of your own.", None, truth)
    found = _scene(params.kind, params.scene)
    things = "; ".join(f"a {thing} at the {thing.place}" for thing in found.scene.things)
    description = f"On a {found.scene.ground} ground: {things}."
    if question:
        return PictureQuestion(found.picture, question, description)
    truth_HW = torch.from_numpy(found.mask.copy())
    return PictureQuestion(found.picture, found.question, description, found.answer, truth_HW)


def _scene(kind: Kind, number: int) -> SceneQuestion:
    return item(Random(f"{kind} {number}"), kind=kind, split="held out")


def _truth(params: Params, pictures: PictureReader) -> torch.Tensor | None:
    """The ground-truth mask given with a picture."""
    if not params.truth:
        return None
    picture, mask = pictures(params.image), pictures(params.truth)
    if mask.shape != picture.shape:
        raise InvalidParams(
            f"truth is {mask.shape[1]} × {mask.shape[0]}, the picture {picture.shape[1]} × "
            f"{picture.shape[0]}.",
            remedy="Give a mask of the same size as the picture.",
            field="truth",
        )
    return torch.from_numpy(mask.mean(-1) >= 128)


def _scene_event(params: Params, asked: PictureQuestion) -> Scene:
    truth_HW = asked.truth_HW
    return Scene(
        picture=asked.picture,
        description=asked.description,
        question=asked.question,
        expected=asked.expected,
        form=params.kind if asked.expected is not None else None,
        truth=None if truth_HW is None else truth_HW.numpy().astype(np.uint8),
    )


def _tokens(
    model: VisionLanguageModel,
    params: Params,
    asked: PictureQuestion,
    answer: GreedyAnswer,
    grid: PictureGrid,
) -> AnswerTokens:
    listed = _token_list(model, answer)
    query, found = find_query(listed, params.query)
    text = "".join(token.text for token in listed if token.answer and not token.special).strip()
    return AnswerTokens(
        tokens=listed,
        answer=text,
        right=None if asked.expected is None else text == asked.expected,
        rows=grid.rows,
        columns=grid.columns,
        frame=corners(grid.frame),
        layers=model.info.layers + 1,
        query=query,
        found=found,
    )


def _token_list(model: VisionLanguageModel, answer: GreedyAnswer) -> list[AnswerToken]:
    special = set(tokenization.special_tokens(model.tokenizer).values())
    positions = answer.text_positions
    texts = tokenization.display_texts(model.tokenizer, [answer.ids[n] for n in positions])
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


def _refuse_layer(params: Params, layers: int) -> None:
    """Raises InvalidParams for a layer that does not exist."""
    if params.layer >= layers:
        raise InvalidParams(
            f"layer is {params.layer}; the model has {layers}, counted from 0.",
            remedy=f"Choose a layer from 0 to {layers - 1}, or -1 for the last.",
            field="layer",
        )


def _refuse_outside(params: Params, tokens: AnswerTokens) -> None:
    """Raises InvalidParams for a layer or a patch that does not exist."""
    _refuse_layer(params, tokens.layers)
    patches = tokens.rows * tokens.columns
    wrong = [cell for cell in params.region if not 0 <= cell < patches]
    if wrong:
        raise InvalidParams(
            f"region names patch {wrong[0]}; there are {patches}, counted from 0.",
            remedy="Draw the region on the picture.",
            field="region",
        )


def _maps(looked: AnswerStates) -> Iterator[Map]:
    """A map for every text token, the query's first."""
    states_LND = looked.first.states_LND
    patches, neutral_LD = looked.patches(states_LND), states_LND[:, looked.neutral]
    text_positions = [token.position for token in looked.tokens.tokens]
    others = sorted({n for at in text_positions for n in (at - 1, at) if n >= 0})
    others.remove(looked.position)
    groups = [[looked.position]]
    groups += [others[n : n + QUERIES_PER_EVENT] for n in range(0, len(others), QUERIES_PER_EVENT)]
    for group in groups:
        scores_QSLP = similarity.similarity(patches, states_LND[:, group], neutral_LD)
        for position, scores_SLP in zip(group, scores_QSLP, strict=True):
            yield Map(
                position=position,
                scores=scores_SLP.numpy(),
                measures=measures_of(scores_SLP, looked.asked, looked.grid, looked.frame),
            )


def _other(params: Params, pictures: PictureReader) -> np.ndarray:
    """The picture that fills masked patches if they show another picture."""
    if params.other:
        return pictures(params.other)
    return _scene(params.kind, (params.scene + 1) % 2**31).picture
