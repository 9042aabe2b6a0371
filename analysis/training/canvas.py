"""Training batches of the masked-diffusion model: texts, and prompts with a canvas to fill.

Shape legend: B documents, N token positions of the longest of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from analysis.training.corpus import MAX_TOKENS, Draw, positions_of
from analysis.worlds.stories import Document

CANVASES = (32, 48, 64)  # lengths in tokens that a canvas may have
CANVAS_SHARE = 0.7  # of the texts that answer a prompt; the others are read as mere text


@dataclass(frozen=True, slots=True)
class MaskedLesson:
    """One stage of training: at most `steps` batches of `documents` from `draw`.

    `rate` is the learning rate at its first and last step, as a share of the peak rate. `masked`
    bounds the share of tokens that are masked, drawn evenly. The lesson ends early once the share
    of masked tokens that the model gets right reaches `mastered`.
    """

    name: str
    steps: int
    documents: int
    draw: Draw
    rate: tuple[float, float] = (1.0, 1.0)
    masked: tuple[float, float] = (0.0, 1.0)
    mastered: float = 2.0


@dataclass(frozen=True, slots=True)
class Masked:
    """A batch whose masked tokens are to be found.

    `ids_BN` with masks, `truth_BN` without, `there_BN` false at padding, `masked_BN` where a
    mask stands, `weight_BN` of each masked token in the loss: 1/t, over the tokens that could
    have been masked.
    """

    ids_BN: Int[Tensor, "B N"]
    truth_BN: Int[Tensor, "B N"]
    there_BN: Bool[Tensor, "B N"]
    masked_BN: Bool[Tensor, "B N"]
    weight_BN: Float[Tensor, "B N"]


@dataclass(frozen=True, slots=True)
class MaskableDocument:
    """Token ids of one document, and which of them may be masked."""

    ids: list[int]
    open: list[bool]


def masked_batches(
    tokenizer: PreTrainedTokenizerFast, rng: Random, lesson: MaskedLesson, *, pool: int = 16
) -> Iterator[Masked]:
    """Endless batches of a lesson; the texts of `pool` batches are sorted by length together."""
    generator = torch.Generator().manual_seed(rng.getrandbits(60))
    while True:
        texts = [lesson.draw(rng) for _ in range(lesson.documents * pool)]
        rows = sorted(encode(tokenizer, texts, rng), key=lambda row: len(row.ids))
        starts = list(range(0, len(rows), lesson.documents))
        rng.shuffle(starts)
        for start in starts:
            lot = rows[start : start + lesson.documents]
            yield _mask(tokenizer, lot, lesson.masked, generator)


def encode(
    tokenizer: PreTrainedTokenizerFast, documents: Sequence[Document], rng: Random
) -> list[MaskableDocument]:
    """A row per document of at most `MAX_TOKENS`: a canvas after a prompt, a drill, or a text."""
    encodings = tokenizer([each.text for each in documents], return_offsets_mapping=True)
    rows = zip(documents, encodings["input_ids"], encodings["offset_mapping"], strict=True)
    return [_row(tokenizer, *each, rng) for each in rows]


def _row(
    tokenizer: PreTrainedTokenizerFast,
    document: Document,
    ids: list[int],
    offsets: list[tuple[int, int]],
    rng: Random,
) -> MaskableDocument:
    eos = tokenizer.eos_token_id
    start = _answer_start(document)
    if start is not None and rng.random() < CANVAS_SHARE:
        prompt = next(at for at, (_, end) in enumerate(offsets) if end > start)
        length = rng.choice(CANVASES)
        answer = [*ids[prompt:], *[eos] * length][:length]
        return MaskableDocument([*ids[:prompt], *answer], [False] * prompt + [True] * length)
    if document.answers and not document.carriers:  # a drill
        answers = set(positions_of(document.answers, offsets))
        return MaskableDocument(
            ids[:MAX_TOKENS], [at in answers for at in range(len(ids))][:MAX_TOKENS]
        )
    ids = [*ids, eos][:MAX_TOKENS]
    return MaskableDocument(ids, [False] + [True] * (len(ids) - 1))


def _answer_start(document: Document) -> int | None:
    """The character at which the answer to a prompt starts, in a text that ends with it."""
    if document.kept:
        return document.kept[0][0]
    only = document.carriers and len(document.answers) == 1
    return document.answers[0][0] if only else None


def _mask(
    tokenizer: PreTrainedTokenizerFast,
    rows: Sequence[MaskableDocument],
    masked: tuple[float, float],
    generator: torch.Generator,
) -> Masked:
    """Each row's open tokens masked with a probability t of its own, evenly spread over rows."""
    length = max(len(row.ids) for row in rows)
    length += -length % 8  # few shapes: the CPU kernels are planned once per shape
    truth_BN = torch.full((len(rows), length), tokenizer.pad_token_id)
    open_BN = torch.zeros(truth_BN.shape, dtype=torch.bool)
    for index, row in enumerate(rows):
        truth_BN[index, : len(row.ids)] = torch.tensor(row.ids)
        open_BN[index, : len(row.ids)] = torch.tensor(row.open)
    least, most = masked
    even_B = (
        torch.randperm(len(rows), generator=generator) + torch.rand(1, generator=generator)
    ) / len(rows)
    open_B1 = open_BN.sum(1, keepdim=True).clamp(min=1)
    t_B1 = torch.maximum(least + (most - least) * even_B[:, None], 1 / open_B1)
    masked_BN = open_BN & (torch.rand(truth_BN.shape, generator=generator) < t_B1)
    return Masked(
        ids_BN=truth_BN.masked_fill(masked_BN, tokenizer.mask_token_id),
        truth_BN=truth_BN,
        there_BN=truth_BN != tokenizer.pad_token_id,
        masked_BN=masked_BN,
        weight_BN=masked_BN / t_B1 / open_B1,
    )
