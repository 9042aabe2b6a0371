from functools import partial
from itertools import islice
from random import Random

import torch

from analysis.training.corpus import (
    ANSWER_WEIGHT,
    KEPT_WEIGHT,
    MAX_TOKENS,
    TextLesson,
    batches,
    encode,
    mixed,
    tales,
)
from analysis.training.tokenizer import tokenizer_train
from analysis.worlds.numbers import number_document
from analysis.worlds.stories import document
from analysis.worlds.tales import tale

DRAW = mixed((0.2, tales), (0.8, partial(document, max_questions=3)))
EVERYTHING = mixed((0.7, DRAW), (0.3, number_document))
TOKENIZER = tokenizer_train(EVERYTHING(Random(seed)).text for seed in range(1500))
NOISY = TextLesson("noisy", 1, 16, DRAW, noisy_share=1.0)


def test_same_seed_same_tale() -> None:
    assert tale(Random(5)) == tale(Random(5))
    assert tale(Random(5)) != tale(Random(6))


def test_answers_and_carriers_are_never_replaceable() -> None:
    rng = Random(1)
    documents = [DRAW(rng) for _ in range(200)]
    for drawn, row in zip(documents, encode(TOKENIZER, documents), strict=True):
        kept = [i for i, free in zip(row.ids, row.replaceable, strict=True) if not free]
        kept_words = {TOKENIZER.decode([i]).strip() for i in kept}
        spans = [*drawn.answers, *((mark.start, mark.end) for mark in drawn.carriers)]
        assert {drawn.text[start:end] for start, end in spans} <= kept_words
        assert any(row.replaceable) == bool(drawn.carriers)


def test_noise_leaves_a_number_stories_answer_alone() -> None:
    rng = Random(5)
    documents = [number_document(rng) for _ in range(50)]
    for drawn, row in zip(documents, encode(TOKENIZER, documents), strict=True):
        prompt = len(TOKENIZER(drawn.text[: drawn.kept[0][0] - 1]).input_ids)
        assert any(row.replaceable[:prompt])
        assert not any(row.replaceable[prompt:])
        assert set(row.weights[prompt:-1]) == {KEPT_WEIGHT}


def test_answers_weigh_most() -> None:
    rng = Random(2)
    documents = [DRAW(rng) for _ in range(100)]
    for drawn, row in zip(documents, encode(TOKENIZER, documents), strict=True):
        heavy = [
            i for i, weight in zip(row.ids, row.weights, strict=True) if weight == ANSWER_WEIGHT
        ]
        words = [TOKENIZER.decode([i]).strip() for i in heavy]
        assert words == [drawn.text[start:end] for start, end in drawn.answers]
        assert row.weights[0] == 0


def test_batch_is_padded_and_noised() -> None:
    for batch in islice(batches(TOKENIZER, Random(3), NOISY, pool=4), 8):
        assert batch.ids_BN.shape == batch.weight_BN.shape
        assert batch.ids_BN.shape[0] == 16
        assert batch.ids_BN.shape[1] <= MAX_TOKENS
        assert (batch.ids_BN[:, 0] == TOKENIZER.bos_token_id).all()
        assert (batch.weight_BN[batch.ids_BN == TOKENIZER.pad_token_id] == 0).all()
        noised = (batch.weight_BN[:, 1:] == 0) & (batch.ids_BN[:, 1:] != TOKENIZER.pad_token_id)
        assert 0 < noised.float().mean() < 0.35


def test_batches_are_repeatable() -> None:
    first, second = (next(batches(TOKENIZER, Random(4), NOISY, pool=2)) for _ in range(2))
    assert torch.equal(first.ids_BN, second.ids_BN)
    assert torch.equal(first.weight_BN, second.weight_BN)
