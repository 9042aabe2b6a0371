"""Questions in one batch are computed as if alone; masks and patches are correct."""

import re
from random import Random

import numpy as np
import pytest
import torch
from PIL import Image

from analysis.training.scene_batches import (
    ALL_KINDS,
    GRID,
    IMAGE,
    PATCH,
    PATCHES,
    BatchQuestion,
    Mix,
    SceneBatch,
    ask,
    batch,
    patch_shares,
    patch_truth,
)
from analysis.training.vlm import llava_make, processor_make, tokenizer_make
from analysis.worlds.scene_questions import SEG
from analysis.worlds.scenes import RADII, SIZE, Scene, scene
from analysis.worlds.shapes import COLOURS, SHAPES
from tests.analysis.worlds.scene_solver import fits

RELATION = re.compile(r" (left of|right of|above|below) the (\w+ \w+)")
TOKENIZER = tokenizer_make()
MIX = Mix(3, ALL_KINDS, listing=1.0)
VOCABULARY = (list(COLOURS), list(SHAPES), list(RADII))


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [scene(Random(seed)) for seed in range(4)]


@pytest.fixture(scope="module")
def asked(scenes: list[Scene]) -> list[list[BatchQuestion]]:
    return [ask(Random(seed), each, MIX) for seed, each in enumerate(scenes)]


@pytest.fixture(scope="module")
def together(scenes: list[Scene], asked: list[list[BatchQuestion]]) -> SceneBatch:
    return batch(TOKENIZER, scenes, asked)


def test_every_word_is_one_token_and_seg_keeps_its_space() -> None:
    text = "Where is the purple cross? The medium purple cross at the bottom centre <SEG>."
    ids = TOKENIZER(text).input_ids
    assert len(ids) == 1 + len(text.split()) + 2  # the two signs at the ends
    assert TOKENIZER.decode(ids, skip_special_tokens=True) == text


@torch.inference_mode()
def test_questions_together_are_computed_as_each_by_itself(
    scenes: list[Scene], asked: list[list[BatchQuestion]], together: SceneBatch
) -> None:
    torch.manual_seed(0)
    model, processor = llava_make(TOKENIZER).eval(), processor_make(TOKENIZER)
    states_BND = model.model(
        input_ids=together.ids_BN,
        pixel_values=together.pixels_B3HW,
        attention_mask=together.sight_B1NN,
        position_ids=together.positions_BN,
    ).last_hidden_state
    for row, where in enumerate(scenes):
        for index, each in enumerate(asked[row]):
            alone = processor(
                images=Image.fromarray(where.picture),
                text=f"{IMAGE}{each.question} {each.answer}",
                return_tensors="pt",
            )
            state_D = model.model(**alone).last_hidden_state[0, -1]
            last = (together.question_BN[row] == index).nonzero().max() - 1  # before </s>
            torch.testing.assert_close(states_BND[row, last], state_D, rtol=1e-3, atol=1e-4)


def test_states_before_seg_and_masks_belong_together(
    scenes: list[Scene], asked: list[list[BatchQuestion]], together: SceneBatch
) -> None:
    seg = TOKENIZER.convert_tokens_to_ids(SEG)
    assert together.meant_BK.any()
    for row, texts in enumerate(asked):
        for index, each in enumerate(texts):
            before = int(together.before_seg_BK[row, index])
            assert (each.referent is not None) == (before > 0) == together.meant_BK[row, index]
            truth = together.masks_BKHW[row, index].numpy()
            if each.referent is None:
                assert not truth.any()
            else:
                assert together.ids_BN[row, before + 1] == seg
                assert together.question_BN[row, before + 1] == index
                assert np.array_equal(truth, scenes[row].mask(each.referent))


def test_questions_end_before_their_answers_and_relations_are_compared(
    scenes: list[Scene],
) -> None:
    mix = Mix(6, ALL_KINDS | {"relation": 3.0}, listing=1.0, false_forms={"relation": 1.0})
    asked = [ask(Random(seed), each, mix) for seed, each in enumerate(scenes)]
    together = batch(TOKENIZER, scenes, asked)
    seen = set()
    for row, texts in enumerate(asked):
        for index, each in enumerate(texts):
            end = int(together.asked_BK[row, index])
            assert TOKENIZER.decode(together.ids_BN[row, end]) == each.question[-1]
            assert together.question_BN[row, end + 1] == index != together.question_BN[row, end]
            relation = RELATION.search(each.question)
            assert bool(relation) == together.related_BK[row, index]
            if not relation:
                continue
            *places, gap = (together.compared_BKG[row, index] * SIZE).tolist()
            (anchor,) = [it for it in scenes[row].things if fits(relation[2], it.drawn)]
            assert places[:2] == [anchor.drawn.x, anchor.drawn.y]
            axis, sign = {"l": (0, -1), "r": (0, 1), "a": (1, -1), "b": (1, 1)}[relation[1][0]]
            assert gap == sign * (places[2 + axis] - places[axis])
            assert (gap > 0) == (each.referent is not None)
            seen.add(gap > 0)
    assert seen == {True, False}


def test_patch_shares_count_pixels() -> None:
    mask = np.zeros((1, SIZE, SIZE), dtype=bool)
    mask[0, PATCH : 2 * PATCH, :4] = True
    shares = patch_shares(mask)[0]
    assert shares[GRID] == 0.5
    assert shares.sum() == 0.5


def test_patches_show_the_things(scenes: list[Scene]) -> None:
    truth = patch_truth(scenes, VOCABULARY)
    assert truth.seen_BP.shape == (4, PATCHES)
    for row, where in enumerate(scenes):
        for thing in where.things:
            drawn = thing.drawn
            patch = int(drawn.y // PATCH) * GRID + int(drawn.x // PATCH)
            colour, shape, size = (
                words[index - 1]
                for words, index in zip(
                    VOCABULARY, truth.words_BPF[row, patch].tolist(), strict=True
                )
            )
            assert (colour, shape, size) == (thing.colour, thing.shape, thing.size)
            told = (truth.numbers_BPG[row, patch] * SIZE).tolist()
            assert told == pytest.approx([drawn.x, drawn.y, drawn.radius])
