from functools import partial
from itertools import islice
from random import Random

import pytest
import torch

from analysis.training.canvas import CANVASES, MaskedLesson, encode, masked_batches
from analysis.training.corpus import mixed, tales
from analysis.training.drills import word_rounds
from analysis.training.tokenizer import tokenizer_train
from analysis.worlds.numbers import number_document
from analysis.worlds.stories import document

EVERYTHING = mixed((0.2, tales), (0.2, word_rounds), (0.3, document), (0.3, number_document))
TOKENIZER = tokenizer_train(EVERYTHING(Random(seed)).text for seed in range(1500))
LESSON = MaskedLesson("all", 1, 16, EVERYTHING)


def test_a_canvas_holds_the_answer_then_ends() -> None:
    rng = Random(0)
    texts = [number_document(rng) for _ in range(60)]
    rows = encode(TOKENIZER, texts, rng)
    canvases = [(text, row) for text, row in zip(texts, rows, strict=True) if not row.open[1]]
    assert 30 < len(canvases) < 55
    for text, row in canvases:
        start = row.open.index(True)
        assert len(row.ids) - start in CANVASES
        assert TOKENIZER.decode(row.ids[1:start]) == text.text[: text.kept[0][0] - 1]
        answer = TOKENIZER.decode(row.ids[start:])
        assert answer.rstrip("</s>") == text.text[text.kept[0][0] - 1 :]


def test_a_drill_opens_its_answers_alone() -> None:
    text = word_rounds(Random(1))
    (row,) = encode(TOKENIZER, [text], Random(1))
    shown = [
        TOKENIZER.decode([i]).strip() for i, free in zip(row.ids, row.open, strict=True) if free
    ]
    assert shown == [text.text[a:b] for a, b in text.answers]


def test_masks_stand_where_they_may_and_weigh_by_their_rate() -> None:
    for batch in islice(masked_batches(TOKENIZER, Random(2), LESSON, pool=2), 4):
        assert (batch.ids_BN[batch.masked_BN] == TOKENIZER.mask_token_id).all()
        assert torch.equal(batch.ids_BN[~batch.masked_BN], batch.truth_BN[~batch.masked_BN])
        assert (batch.truth_BN != TOKENIZER.mask_token_id).all()
        assert not batch.masked_BN[:, 0].any()
        assert not (batch.masked_BN & ~batch.there_BN).any()
        assert ((batch.weight_BN > 0) == batch.masked_BN).all()


def test_the_weighted_share_of_masks_is_one_whatever_the_rate() -> None:
    """The sum of 1/t over masked tokens, over those that may be masked, has mean 1."""
    lots = masked_batches(TOKENIZER, Random(3), LESSON, pool=2)
    sums_B = torch.cat([batch.weight_BN.sum(1) for batch in islice(lots, 60)])
    assert sums_B.mean().item() == pytest.approx(1, abs=0.05)


def test_batches_are_repeatable() -> None:
    lesson = MaskedLesson("short", 1, 8, partial(document, facts=(2, 4)), masked=(0.3, 0.3))
    first, second = (next(masked_batches(TOKENIZER, Random(4), lesson, pool=1)) for _ in range(2))
    assert torch.equal(first.ids_BN, second.ids_BN)
