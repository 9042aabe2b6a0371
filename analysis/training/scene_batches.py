"""Training batches of the scene world: one picture with several questions in parallel.

The questions of a picture form one sequence, but none sees another: a mask lets each attend to
the picture and to itself alone, and its positions begin where the picture ends. What the model
computes is what it computes for each question by itself; the picture is read once.

Shape legend: B scenes, N token positions, K questions of a scene, P patches of a picture,
H, W pixel rows and columns.
"""

from dataclasses import dataclass
from random import Random

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from analysis.worlds.scene_questions import (
    KINDS,
    SEG,
    FalseForm,
    Kind,
    answer,
    expression,
    listing,
    question,
)
from analysis.worlds.scenes import SIZE, Scene, Split, Thing, scene

PATCH = 8  # pixels of a side
GRID = SIZE // PATCH
PATCHES = GRID**2
IMAGE = "<image>"
HIDDEN = torch.finfo(torch.bfloat16).min  # added to the score of what must not be seen
_PICTURE, _PAD = -1, -2  # which question a position is of, where it is of none


@dataclass(frozen=True, slots=True)
class Mix:
    """What is asked: `questions` per scene of `things`, each of a kind drawn by its weight.

    `listing` is the weight of a question for all things in order, which has no mask;
    `false_forms` weigh how questions of kind `none` fail, as `expression` takes them.
    """

    questions: int
    weights: dict[Kind, float]
    listing: float = 0.0
    things: tuple[int, int] = (2, 5)
    false_forms: dict[FalseForm, float] | None = None


@dataclass(frozen=True, slots=True)
class BatchQuestion:
    """A question of a batch: its kind, what is meant, and the two texts."""

    kind: Kind | None  # None for a listing
    referent: int | None
    question: str
    answer: str
    compared: tuple[int, int, float] | None = None  # as in `Expression`


@dataclass(frozen=True, slots=True)
class SceneBatch:
    """Scenes with questions.

    `pixels_B3HW`: as the tower reads them. `ids_BN`, `positions_BN`. `sight_B1NN`: 0 where the
    row's position sees the column's, else `HIDDEN`. `question_BN`: which question's answer a
    token is of, −1 for none. `before_seg_BK`: the position that predicts `<SEG>`, 0 for none.
    `asked_BK`: the last position of the question. `masks_BKHW`: of what is meant; `meant_BK`:
    whether there is such a thing. `related_BK`: whether a relation is asked for; `compared_BKG`:
    x and y of the two things that it compares and by how much it holds, in pictures' sides.
    """

    pixels_B3HW: Float[Tensor, "B 3 H W"]
    ids_BN: Int[Tensor, "B N"]
    positions_BN: Int[Tensor, "B N"]
    sight_B1NN: Float[Tensor, "B 1 N N"]
    question_BN: Int[Tensor, "B N"]
    before_seg_BK: Int[Tensor, "B K"]
    asked_BK: Int[Tensor, "B K"]
    masks_BKHW: Bool[Tensor, "B K H W"]
    meant_BK: Bool[Tensor, "B K"]
    related_BK: Bool[Tensor, "B K"]
    compared_BKG: Float[Tensor, "B K 5"]


def pixel_values(scenes: list[Scene]) -> Float[Tensor, "B 3 H W"]:
    """The pictures, scaled to −1..1 as both image processors of the model do."""
    pixels_BHW3 = torch.from_numpy(np.stack([each.picture for each in scenes]))
    return pixels_BHW3.permute(0, 3, 1, 2).float() / 127.5 - 1


def ask(rng: Random, where: Scene, mix: Mix) -> list[BatchQuestion]:
    """The questions of a scene; another kind is asked where one has no expression."""
    questions: list[BatchQuestion] = []
    weights = [*mix.weights.values(), mix.listing]
    while len(questions) < mix.questions:
        kind = rng.choices([*mix.weights, None], weights)[0]
        asked = _listed(rng, where) if kind is None else _asked(rng, where, kind, mix)
        questions += [asked] if asked else []
    return questions


def _listed(rng: Random, where: Scene) -> BatchQuestion | None:
    texts = listing(rng, where)
    return BatchQuestion(None, None, *texts) if texts else None


def _asked(rng: Random, where: Scene, kind: Kind, mix: Mix) -> BatchQuestion | None:
    asked = expression(rng, where, kind=kind, false_forms=mix.false_forms)
    if asked is None:
        return None
    reply = answer(where, asked.referent)
    return BatchQuestion(kind, asked.referent, question(rng, asked), reply, asked.compared)


def scenes_draw(rng: Random, count: int, mix: Mix, *, split: Split = "train") -> list[Scene]:
    """`count` scenes with as many things as the mix wants."""
    return [scene(rng, split=split, things=mix.things) for _ in range(count)]


def batch(
    tokenizer: PreTrainedTokenizerFast, scenes: list[Scene], asked: list[list[BatchQuestion]]
) -> SceneBatch:
    """Scenes with their questions, as many for each, padded to one length."""
    encoded = _encode(tokenizer, asked)
    length = 1 + PATCHES + max(sum(len(q) + len(a) for q, a in row) for row in encoded)
    length += -length % 8  # few shapes: the CPU kernels are planned once per shape
    shape = (len(scenes), length)
    ids_BN = np.full(shape, tokenizer.pad_token_id, dtype=np.int64)
    positions_BN, owner_BN = np.zeros(shape, dtype=np.int64), np.full(shape, _PAD)
    question_BN, asked_BK = np.full(shape, -1), np.zeros((len(scenes), len(asked[0])), np.int64)
    ids_BN[:, 0] = tokenizer.bos_token_id
    ids_BN[:, 1 : 1 + PATCHES] = tokenizer.convert_tokens_to_ids(IMAGE)
    positions_BN[:, : 1 + PATCHES] = np.arange(1 + PATCHES)
    owner_BN[:, : 1 + PATCHES] = _PICTURE
    for row, texts in enumerate(encoded):
        at = 1 + PATCHES
        for index, (question_ids, answer_ids) in enumerate(texts):
            middle, end = at + len(question_ids), at + len(question_ids) + len(answer_ids)
            ids_BN[row, at:end] = question_ids + answer_ids
            positions_BN[row, at:end] = np.arange(1 + PATCHES, 1 + PATCHES + end - at)
            owner_BN[row, at:end] = index
            question_BN[row, middle:end], asked_BK[row, index] = index, middle - 1
            at = end
    both = list(zip(scenes, asked, strict=True))
    meant = np.array([[each.referent is not None for each in row] for row in asked])
    return SceneBatch(
        pixel_values(scenes),
        torch.from_numpy(ids_BN),
        torch.from_numpy(positions_BN),
        torch.from_numpy(_sight(owner_BN)),
        torch.from_numpy(question_BN),
        _before_seg(tokenizer, ids_BN, owner_BN, questions=meant.shape[1]),
        torch.from_numpy(asked_BK),
        torch.from_numpy(_masks(scenes, asked)),
        torch.from_numpy(meant),
        torch.tensor([[each.compared is not None for each in row] for row in asked]),
        torch.tensor([[_compared(where, it) for it in row] for where, row in both]) / SIZE,
    )


def _compared(where: Scene, asked: BatchQuestion) -> tuple[float, ...]:
    if asked.compared is None:
        return (0.0,) * 5
    anchor, nearest, gap = asked.compared
    drawn = [where.things[index].drawn for index in (anchor, nearest)]
    return (*(at for each in drawn for at in (each.x, each.y)), gap)


def _encode(
    tokenizer: PreTrainedTokenizerFast, asked: list[list[BatchQuestion]]
) -> list[list[tuple[list[int], list[int]]]]:
    """Per scene and question, the ids of the question and of its answer with `</s>`."""
    flat = [each for row in asked for each in row]
    questions = tokenizer([each.question for each in flat], add_special_tokens=False).input_ids
    answers = tokenizer([f" {each.answer}" for each in flat], add_special_tokens=False).input_ids
    pairs = iter(zip(questions, answers, strict=True))
    eos = tokenizer.eos_token_id
    return [[(q, [*a, eos]) for q, a in [next(pairs) for _ in row]] for row in asked]


def _sight(owner_BN: Int[np.ndarray, "B N"]) -> Float[np.ndarray, "B 1 N N"]:
    """Causal, within the picture or the own question; padding sees padding."""
    of_row, of_column = owner_BN[:, :, None], owner_BN[:, None, :]
    seen = (of_row == of_column) | (of_column == _PICTURE)
    seen &= np.tri(owner_BN.shape[1], dtype=bool)
    return np.where(seen, np.float32(0), np.float32(HIDDEN))[:, None]


def _before_seg(
    tokenizer: PreTrainedTokenizerFast,
    ids_BN: Int[np.ndarray, "B N"],
    owner_BN: Int[np.ndarray, "B N"],
    *,
    questions: int,
) -> Int[Tensor, "B K"]:
    before_BK = np.zeros((len(ids_BN), questions), dtype=np.int64)
    rows, positions = np.nonzero(ids_BN == tokenizer.convert_tokens_to_ids(SEG))
    before_BK[rows, owner_BN[rows, positions]] = positions - 1
    return torch.from_numpy(before_BK)


def _masks(scenes: list[Scene], asked: list[list[BatchQuestion]]) -> Bool[np.ndarray, "B K H W"]:
    nothing = 127  # no thing has this index
    referents_BK = np.array(
        [[nothing if each.referent is None else each.referent for each in row] for row in asked]
    )
    owners_BHW = np.stack([each.owner for each in scenes])
    masks_BKHW: np.ndarray = owners_BHW[:, None] == referents_BK[:, :, None, None]
    return masks_BKHW


@dataclass(frozen=True, slots=True)
class PatchTruth:
    """What the patches of a batch show: the thing seen most in each, if it fills a quarter.

    `words_BPF`: indices of its colour, shape and size, 0 for none. `numbers_BPG`: x and y of its
    centre and its radius in pictures' sides; `seen_BP`: whether there is one.
    """

    words_BPF: Int[Tensor, "B P 3"]
    numbers_BPG: Float[Tensor, "B P 3"]
    seen_BP: Bool[Tensor, "B P"]


def patch_shares(masks_BHW: Bool[np.ndarray, "B H W"]) -> Float[np.ndarray, "B P"]:
    """The share of each patch that the mask covers, row by row."""
    cells = masks_BHW.reshape(-1, GRID, PATCH, GRID, PATCH).astype(np.float32)
    shares: np.ndarray = cells.mean(axis=(2, 4)).reshape(-1, PATCHES)
    return shares


def patch_truth(
    scenes: list[Scene], vocabulary: tuple[list[str], list[str], list[str]]
) -> PatchTruth:
    """What each patch shows; the vocabulary lists colours, shapes and sizes."""
    words = np.zeros((len(scenes), PATCHES, 3), dtype=np.int64)
    numbers = np.zeros((len(scenes), PATCHES, 3), dtype=np.float32)
    for row, where in enumerate(scenes):
        masks_BHW = np.stack([where.mask(index) for index in range(len(where.things))])
        shares_TP = patch_shares(masks_BHW)
        top_P = np.where(shares_TP.max(axis=0) >= 0.25, shares_TP.argmax(axis=0), -1)
        features = np.array([_indices(thing, vocabulary) for thing in where.things] + [(0, 0, 0)])
        drawn = [thing.drawn for thing in where.things]
        places = np.array([(it.x, it.y, it.radius) for it in drawn] + [(0, 0, 0)]) / SIZE
        words[row], numbers[row] = features[top_P], places[top_P]
    return PatchTruth(
        torch.from_numpy(words), torch.from_numpy(numbers), torch.from_numpy(words[..., 0] > 0)
    )


def _indices(thing: Thing, vocabulary: tuple[list[str], list[str], list[str]]) -> tuple[int, ...]:
    features = (thing.colour, thing.shape, thing.size)
    return tuple(words.index(word) + 1 for words, word in zip(vocabulary, features, strict=True))


ALL_KINDS: dict[Kind, float] = dict.fromkeys(KINDS, 1.0)
