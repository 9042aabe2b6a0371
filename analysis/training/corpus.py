"""Training batches of the story world: question stories, tales, and noise where it does no harm.

Shape legend: B documents, N token positions of the longest of them.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from analysis.training.tokenizer import SPECIALS
from analysis.worlds.stories import Document
from analysis.worlds.tales import tale

LONG_TALE_SHARE = 0.15  # of the tales: several in a row, up to MAX_TOKENS
MAX_NOISE = 0.35  # of the tokens of a noisy story, drawn evenly from 0
MAX_TOKENS = 256
TEXT_WEIGHT, TALE_WEIGHT, KEPT_WEIGHT, ANSWER_WEIGHT = 0.03, 0.1, 0.3, 1.0  # of a token in the loss


Draw = Callable[[Random], Document]


@dataclass(frozen=True, slots=True)
class TextLesson:
    """One stage of training: at most `steps` batches of `documents` from `draw`.

    `rate` is the learning rate at its first and last step, as a share of the peak rate.
    `noisy_share` of the question stories get noise. The lesson ends early once the share of
    answer tokens that the model gets right reaches `mastered`.
    """

    name: str
    steps: int
    documents: int
    draw: Draw
    rate: tuple[float, float] = (1.0, 1.0)
    noisy_share: float = 0.0
    mastered: float = math.inf


@dataclass(frozen=True, slots=True)
class DocumentBatch:
    """Documents padded to one length.

    `ids_BN`: token ids, from `<s>` to `</s>`. `weight_BN`: the weight of the loss for predicting
    each token, 0 at `<s>`, at padding and where noise replaced a token.
    """

    ids_BN: Int[Tensor, "B N"]
    weight_BN: Float[Tensor, "B N"]


def mixed(*shares: tuple[float, Draw]) -> Draw:
    """Draws from each with its probability."""
    weights, draws = zip(*shares, strict=True)
    return lambda rng: rng.choices(draws, weights)[0](rng)


def tales(rng: Random) -> Document:
    """A tale, now and then several in a row: a document without answers."""
    count = rng.randint(2, 4) if rng.random() < LONG_TALE_SHARE else 1
    return Document(" ".join(tale(rng) for _ in range(count)), (), ())


def batches(
    tokenizer: PreTrainedTokenizerFast, rng: Random, lesson: TextLesson, *, pool: int = 32
) -> Iterator[DocumentBatch]:
    """Endless batches of a lesson; the texts of `pool` batches are sorted by length together."""
    noise = np.random.default_rng(rng.getrandbits(64))
    while True:
        texts = [lesson.draw(rng) for _ in range(lesson.documents * pool)]
        rows = sorted(encode(tokenizer, texts), key=lambda row: len(row.ids))
        starts = list(range(0, len(rows), lesson.documents))
        rng.shuffle(starts)
        for start in starts:
            yield _pad(tokenizer, rows[start : start + lesson.documents], noise, lesson.noisy_share)


class EncodedDocument(NamedTuple):
    """One document: token ids, loss weights and whether noise may replace each token."""

    ids: list[int]
    weights: list[float]
    replaceable: list[bool]


def encode(tokenizer: PreTrainedTokenizerFast, documents: list[Document]) -> list[EncodedDocument]:
    """Rows that end in `</s>`, or at `MAX_TOKENS`."""
    encodings = tokenizer([document.text for document in documents], return_offsets_mapping=True)
    return [
        _label(tokenizer, document, ids[:MAX_TOKENS], offsets)
        for document, ids, offsets in zip(
            documents, encodings["input_ids"], encodings["offset_mapping"], strict=True
        )
    ]


def _label(
    tokenizer: PreTrainedTokenizerFast,
    document: Document,
    ids: list[int],
    offsets: list[tuple[int, int]],
) -> EncodedDocument:
    text_weight = TEXT_WEIGHT if document.answers or document.carriers else TALE_WEIGHT
    weights = [0.0] + [text_weight] * (len(ids) - 1)
    replaceable = [False] + [bool(document.carriers)] * (len(ids) - 1)
    for position in positions_of(document.answers, offsets):
        weights[position] = ANSWER_WEIGHT
        replaceable[position] = False
    for position in positions_of([(c.start, c.end) for c in document.carriers], offsets):
        replaceable[position] = False
    for position in positions_of(document.kept, offsets):
        weights[position] = KEPT_WEIGHT
        replaceable[position] = False
    if len(ids) == MAX_TOKENS:
        return EncodedDocument(ids, weights, replaceable)
    eos = tokenizer.eos_token_id
    return EncodedDocument([*ids, eos], [*weights, TALE_WEIGHT], [*replaceable, False])


def positions_of(
    spans: list[tuple[int, int]] | tuple[tuple[int, int], ...], offsets: list[tuple[int, int]]
) -> list[int]:
    """Positions of the tokens that share a character with one of `spans`."""
    return [
        position
        for position, (start, end) in enumerate(offsets)
        if any(start < span_end and span_start < end for span_start, span_end in spans)
    ]


def _pad(
    tokenizer: PreTrainedTokenizerFast,
    rows: list[EncodedDocument],
    noise: np.random.Generator,
    noisy_share: float,
) -> DocumentBatch:
    length = max(len(row.ids) for row in rows)
    length += -length % 8  # few shapes: the CPU kernels are planned once per shape
    ids_BN = np.full((len(rows), length), tokenizer.pad_token_id, dtype=np.int64)
    weight_BN = np.zeros((len(rows), length), dtype=np.float32)
    replaceable_BN = np.zeros((len(rows), length), dtype=bool)
    for index, row in enumerate(rows):
        ids_BN[index, : len(row.ids)] = row.ids
        weight_BN[index, : len(row.ids)] = row.weights
        replaceable_BN[index, : len(row.ids)] = row.replaceable
    replaced_BN = replaceable_BN & _draw_replaced(replaceable_BN.shape, noise, noisy_share)
    random_BN = noise.integers(len(SPECIALS), len(tokenizer), size=ids_BN.shape)
    return DocumentBatch(
        torch.from_numpy(np.where(replaced_BN, random_BN, ids_BN)),
        torch.from_numpy(np.where(replaced_BN, np.float32(0), weight_BN)),
    )


def _draw_replaced(
    shape: tuple[int, ...], noise: np.random.Generator, noisy_share: float
) -> Bool[np.ndarray, "B N"]:
    noisy_B1 = noise.random((shape[0], 1)) < noisy_share
    rate_B1 = noise.random((shape[0], 1)) * MAX_NOISE * noisy_B1
    return noise.random(shape) < rate_B1
