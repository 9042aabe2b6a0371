"""The training of the vision-language model: its losses, and that a folder goes on as it was."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch

from analysis.training import train_vlm, vlm_losses
from analysis.training.gates_vlm import area_under_curve, held_out_items, model_load, read, vlm_rows
from analysis.training.journal import LOG_NAME, log_read, step_down
from analysis.training.picture_losses import common_share, mask_losses
from analysis.training.scene_batches import ALL_KINDS, PATCHES, Mix, ask, batch
from analysis.training.vlm import DECODER_NAME, WIDTH, parts_load, parts_make
from analysis.worlds.scenes import Scene, scene

LESSONS = tuple(
    replace(lesson, steps=1, scenes=2, mix=replace(lesson.mix, questions=3))
    for lesson in train_vlm.LESSONS
)


@pytest.fixture(scope="module")
def learner() -> vlm_losses.Learner:
    torch.manual_seed(0)
    return vlm_losses.Learner(parts_make())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a model that had one step of each lesson."""
    torch.manual_seed(0)
    at = tmp_path_factory.mktemp("vlm") / "model"
    taught = vlm_losses.Learner(parts_make())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_vlm, "CHECK_SCENES", 4)
        train_vlm.train(taught, LESSONS, seed=0, folder=at, pool=4)
    return at


def chosen() -> Iterator[list[Scene]]:
    while True:
        yield [scene(Random(seed)) for seed in range(2)]


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_a_step_lowers_the_loss(lesson: train_vlm.PictureLesson) -> None:
    torch.manual_seed(0)
    taught = vlm_losses.Learner(parts_make())
    optimizer = torch.optim.SGD(taught.parameters(), lr=0.02)
    before, after = [], []
    for losses in (before, after):
        found = lesson.losses(taught, chosen(), Random(1), lesson.mix)
        losses.append(sum(loss.item() for loss in found.values()))
        step_down(taught, optimizer, torch.stack(list(found.values())).sum())
    assert 0 < after[0] < before[0]


def test_masks_teach_the_language_model_through_seg_alone(learner: vlm_losses.Learner) -> None:
    mix = Mix(3, {"attribute": 1.0})
    found = vlm_losses.seg_losses(learner, chosen(), Random(1), mix)
    (found["pixels"] + found["dice"]).backward()
    grad = learner.llava.model.language_model.layers[0].mlp.up_proj.weight.grad
    assert grad is not None
    assert grad.abs().max() > 0
    learner.zero_grad()


def test_patches_alone_teach_the_tower(tmp_path: Path) -> None:
    taught = vlm_losses.Learner(parts_make())
    tower = taught.llava.model.vision_tower
    for lesson in (LESSONS[0], LESSONS[-1]):
        before = {name: weight.clone() for name, weight in tower.state_dict().items()}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(train_vlm, "CHECK_SCENES", 2)
            train_vlm.train(taught, (lesson,), seed=0, folder=tmp_path / "model", pool=2)
        same = [torch.equal(before[name], weight) for name, weight in tower.state_dict().items()]
        assert all(same) == (lesson.losses is not vlm_losses.patch_losses)


@torch.inference_mode()
def test_half_of_the_heads_start_by_looking_at_their_like() -> None:
    """A state scores itself the highest among states of one length, and gets its direction."""
    text = parts_make().llava.model.language_model
    states_ND = torch.nn.functional.normalize(torch.randn(64, WIDTH), dim=-1)
    for number, block in enumerate(text.layers):
        attention = block.self_attn
        queries_NHE, keys_NHE = (
            part(states_ND).unflatten(1, (-1, attention.head_dim))
            for part in (attention.q_proj, attention.k_proj)
        )
        scores_HNN = torch.einsum("nhe,mhe->hnm", queries_NHE, keys_NHE)
        alike_H = (scores_HNN.argmax(-1) == torch.arange(64)).float().mean(-1) > 0.8
        assert alike_H.tolist() == [number > 0] * 2 + [False] * 2


def test_what_patches_share_is_one_of_equal_ones_and_none_of_opposite_ones() -> None:
    equal = torch.ones(2, 1 + PATCHES + 3, WIDTH)
    opposite = equal.clone()
    opposite[:, 1 : 1 + PATCHES : 2] = -1
    layers = [torch.full_like(equal, torch.nan), equal, opposite]
    assert common_share(layers).item() == pytest.approx(0.5)


def test_what_relations_compare_is_read_where_the_question_ends(
    learner: vlm_losses.Learner,
) -> None:
    scenes = next(chosen())
    mix = Mix(4, {"relation": 1.0, "none": 1.0}, false_forms={"relation": 1.0})
    asked = batch(learner.parts.tokenizer, scenes, [ask(Random(2), it, mix) for it in scenes])
    assert asked.related_BK.any()
    states_BND = torch.zeros(*asked.ids_BN.shape, WIDTH, requires_grad=True)
    vlm_losses.compared_off(learner, asked, states_BND + 0.1).backward()
    assert states_BND.grad is not None
    read_BN = states_BND.grad.abs().sum(-1) > 0
    ends = {(row, int(at)) for row, ends in enumerate(asked.asked_BK) for at in ends}
    assert {(row, at) for row, at in read_BN.nonzero().tolist()} <= ends
    assert read_BN.sum() == asked.related_BK.sum()
    learner.zero_grad()


def test_mask_losses_are_least_at_the_truth() -> None:
    truth = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    truth[..., :2, :2] = True
    sure = torch.where(truth, 20.0, -20.0)
    weight, good, bad = torch.ones(1, 1), torch.ones(1, 1), torch.zeros(1, 1)
    right = mask_losses(sure, good, truth, weight)
    wrong = mask_losses(-sure, bad, truth, weight)
    assert sum(right.values()) == pytest.approx(0, abs=1e-6)
    assert wrong["pixels"] == pytest.approx(5 * 20)
    assert wrong["dice"] == pytest.approx(1 - 1 / (12 + 4 + 1))
    assert wrong["quality"] == pytest.approx(0)
    assert sum(mask_losses(-sure, bad, truth, 0 * weight).values()) == 0


def test_answers_right_sees_each_wrong_token(learner: vlm_losses.Learner) -> None:
    scenes = next(chosen())
    mix = Mix(3, ALL_KINDS)
    asked = batch(learner.parts.tokenizer, scenes, [ask(Random(2), it, mix) for it in scenes])
    with torch.inference_mode():
        states_BND = train_vlm.states_of(learner, asked)
        logits_AV, _ = train_vlm.answer_logits(learner, asked, states_BND)
        told_BN = asked.ids_BN.clone()
        told_BN[:, 1:][asked.question_BN[:, 1:] >= 0] = logits_AV.argmax(-1)
        told = replace(asked, ids_BN=told_BN)
        assert train_vlm.answers_right(learner, told, states_BND).all()
        last = (asked.question_BN[0] == 1).nonzero().max()
        told_BN[0, last] += 1
        right_BK = train_vlm.answers_right(learner, told, states_BND)
    assert right_BK.tolist() == [[True, False, True], [True, True, True]]


def test_training_writes_a_folder_that_goes_on(folder: Path) -> None:
    entries = log_read(folder)
    assert [entry["lesson"] for entry in entries] == [lesson.name for lesson in LESSONS]
    assert entries[-1]["step"] == len(LESSONS)
    parts = parts_load(folder)
    made = parts_make()
    assert parts.tokenizer.get_vocab() == made.tokenizer.get_vocab()
    assert parts.llava.num_parameters() == made.llava.num_parameters()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_vlm, "CHECK_SCENES", 4)
        train_vlm.train(
            vlm_losses.Learner(parts), LESSONS[-1:], seed=1, folder=folder, entries=entries, pool=4
        )
    lines = (folder / LOG_NAME).read_text().splitlines()
    assert json.loads(lines[-1])["step"] == len(LESSONS) + 1
    assert (folder / DECODER_NAME / "config.json").exists()


def test_gates_are_measured_of_any_folder(folder: Path) -> None:
    rows = vlm_rows(folder, items=2)
    required = [row.name for row in rows if row.required]
    assert len(required) == 4
    assert all(0 <= row.share <= 1 for row in rows)


def test_readings_keep_the_order_of_the_items(folder: Path) -> None:
    model = model_load(folder)
    items = [held_out_items(3, kind=kind)[n] for n in range(3) for kind in ("relation", "none")]
    together = read(model, items)
    assert [reading.item for reading in together] == items
    assert [reading.answer for reading in together] == [read(model, [it])[0].answer for it in items]


def test_area_under_curve_counts_pairs() -> None:
    inside_P = torch.arange(PATCHES).numpy() < 2
    rising_P = torch.arange(PATCHES).float().numpy()
    map_LP = torch.stack([torch.arange(PATCHES), -torch.arange(PATCHES), torch.zeros(PATCHES)])
    assert area_under_curve(map_LP.numpy(), inside_P).tolist() == [0, 1, 0.5]
    rising_P[0] = PATCHES
    assert area_under_curve(rising_P[None], inside_P).tolist() == [0.5]
