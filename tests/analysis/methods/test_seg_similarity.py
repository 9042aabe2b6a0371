"""Maps against plain transformers, answers against its generate, masks against the decoder."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText

import analysis
from analysis.catalog.entries import Catalog
from analysis.errors import (
    InvalidParams,
    ModelIncompatible,
    SpecialTokenInText,
    UnknownPicture,
)
from analysis.events import Event
from analysis.images.files import picture_hash, pictures_by_hash
from analysis.loading import load, loaded
from analysis.method import get
from analysis.methods.seg_similarity import answer as visual_answer
from analysis.methods.seg_similarity import segmentation
from analysis.methods.seg_similarity.answer import picture_token
from analysis.methods.seg_similarity.picture_grid import picture_grid
from analysis.methods.seg_similarity.similarity import SCORES
from analysis.model import VisionLanguageModel
from analysis.runner import model_cache
from analysis.training.gates_vlm import area_under_curve
from analysis.training.scene_batches import patch_shares
from analysis.worlds.scene_questions import SEG, item
from tests.tiny_pictures import make_llava, make_qwen2_5_vl
from tests.untrained_demos import make_demo_vlm

MODELS = ("untrained", "tiny-llava", "tiny-qwen2_5_vl")
Run = Callable[..., list[Any]]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    root = tmp_path_factory.mktemp("models")
    make_demo_vlm(root / "untrained")
    make_demo_vlm(root / "without-decoder", mask_decoder=False)
    make_llava(root / "tiny-llava")
    make_qwen2_5_vl(root / "tiny-qwen2_5_vl")
    return Catalog(bundled=Path("none"), model_dirs=(root,))


@pytest.fixture
def run(catalog: Catalog) -> Run:
    def go(model: str = "untrained", **params: object) -> list[Event]:
        given = {"max_new_tokens": 6, **params}
        return list(analysis.run("seg_similarity", model=model, params=given, catalog=catalog))

    return go


def of_kind(events: list[Any], kind: str) -> list[Any]:
    return [event for event in events if event.kind == kind]


def load_model(catalog: Catalog, name: str) -> VisionLanguageModel:
    list(load(name, catalog=catalog, cache=model_cache()))
    found = loaded(catalog.find(name), model_cache())
    assert isinstance(found, VisionLanguageModel)
    return found


def plain_run(catalog: Catalog, name: str, length: int = 6) -> tuple[list[int], np.ndarray]:
    """Ids of prompt and greedy answer, and all hidden states, by plain eager transformers."""
    model, scene = load_model(catalog, name), item(Random("attribute 0"), kind="attribute",
                                                   split="held out")  # fmt: skip
    plain = AutoModelForImageTextToText.from_pretrained(
        catalog.find(name).path, dtype=torch.float32, attn_implementation="eager"
    )
    inputs = model.inputs(Image.fromarray(scene.picture), scene.question)
    with torch.inference_mode():
        ids = plain.generate(**inputs, do_sample=False, max_new_tokens=length)
        more = ids.shape[1] - inputs["input_ids"].shape[1]
        grown = {"input_ids": ids}
        for key in ("attention_mask", "mm_token_type_ids"):
            if key in inputs:
                filling = torch.full((1, more), int(key == "attention_mask"))
                grown[key] = torch.cat([inputs[key], filling], 1)
        out = plain(**{**inputs, **grown}, output_hidden_states=True)
    return ids[0].tolist(), torch.stack(out.hidden_states)[:, 0].double().numpy()


@pytest.mark.parametrize("name", MODELS)
def test_maps_equal_those_of_plain_transformers(run: Run, catalog: Catalog, name: str) -> None:
    events = run(name)
    ids, states = plain_run(catalog, name)
    token = visual_answer.picture_token(load_model(catalog, name))
    patches = states[:, np.array(ids) == token]
    tokens = of_kind(events, "tokens")[0]
    assert patches.shape[:2] == (tokens.layers, tokens.rows * tokens.columns)
    for found in of_kind(events, "map"):
        dots = np.stack([layer @ states[n, found.position] for n, layer in enumerate(patches)])
        lengths = np.linalg.norm(patches, axis=-1)
        cosines = dots / lengths / np.linalg.norm(states[:, found.position], axis=-1)[:, None]
        scale = np.abs(dots).max()
        np.testing.assert_allclose(found.scores[0] / scale, dots / scale, atol=1e-5)
        np.testing.assert_allclose(found.scores[1], cosines, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_the_answer_is_the_one_that_generate_writes(run: Run, catalog: Catalog, name: str) -> None:
    tokens = of_kind(run(name), "tokens")[0].tokens
    ids, _ = plain_run(catalog, name)
    model = load_model(catalog, name)
    pieces = model.tokenizer.convert_ids_to_tokens([ids[token.position] for token in tokens])
    assert [token.piece for token in tokens] == pieces
    assert max(token.position for token in tokens) == len(ids) - 1
    assert all(token.logprob <= 0 for token in tokens if token.answer)
    assert {token.logprob for token in tokens if not token.answer} == {None}


def test_every_token_has_a_map_to_be_read_from_both_ways(run: Run) -> None:
    events = run()
    positions = [found.position for found in of_kind(events, "map")]
    assert len(positions) == len(set(positions))
    for token in of_kind(events, "tokens")[0].tokens:
        assert {max(0, token.position - 1), token.position} <= set(positions)


@pytest.mark.parametrize(("reads", "offset"), [("predicts", 1), ("at", 0)])
def test_the_query_comes_first_read_as_told(run: Run, reads: str, offset: int) -> None:
    scene = item(Random("attribute 0"), kind="attribute", split="held out")
    word = scene.question.strip("?.").split()[-1]
    events = run(query=word, reads=reads)
    tokens = of_kind(events, "tokens")[0]
    assert tokens.found
    text = {token.position: token.text.strip() for token in tokens.tokens}
    assert text[tokens.query] == word
    assert of_kind(events, "map")[0].position == tokens.query - offset


def test_a_query_that_does_not_occur_is_said_and_replaced(run: Run) -> None:
    tokens = of_kind(run(query="nowhere"), "tokens")[0]
    assert not tokens.found
    assert tokens.query in {token.position for token in tokens.tokens if token.answer}


@pytest.mark.parametrize("name", MODELS)
def test_the_neutral_tokens_map_is_taken_away(run: Run, catalog: Catalog, name: str) -> None:
    events = run(name)
    ids, states = plain_run(catalog, name)
    token = visual_answer.picture_token(load_model(catalog, name))
    patches = states[:, np.array(ids) == token]
    neutral = states[:, next(n for n, one in enumerate(ids) if one != token)]
    for found in of_kind(events, "map"):
        expected = np.einsum("lpd,ld->lp", patches, states[:, found.position] - neutral)
        scale = np.abs(found.scores[0]).max()
        np.testing.assert_allclose(found.scores[4] / scale, expected / scale, atol=1e-5)


def test_a_neutral_token_that_does_not_occur_is_refused(run: Run) -> None:
    with pytest.raises(InvalidParams, match="neutral is 'nowhere'"):
        run(neutral="nowhere")


def test_measures_are_those_of_the_gates(run: Run) -> None:
    scene = item(Random("superlative 4"), kind="superlative", split="held out")
    inside = patch_shares(scene.mask[None])[0] >= 0.25
    for found in of_kind(run(kind="superlative", scene=4), "map"):
        for number in range(len(SCORES)):
            expected = area_under_curve(found.scores[number], inside)
            np.testing.assert_allclose(found.measures[0, number], expected, atol=1e-6)
            hits = inside[found.scores[number].argmax(1)]
            np.testing.assert_array_equal(found.measures[4, number], hits)


def test_the_scene_is_told_with_its_truth(run: Run) -> None:
    scene = item(Random("relation 7"), kind="relation", split="held out")
    told = of_kind(run(kind="relation", scene=7), "scene")[0]
    assert (told.question, told.expected) == (scene.question, scene.answer)
    np.testing.assert_array_equal(told.picture, scene.picture)
    np.testing.assert_array_equal(told.truth, scene.mask)
    for thing in scene.scene.things:
        assert f"a {thing} at the {thing.place}" in told.description


def test_a_question_of_ones_own_has_no_truth(run: Run) -> None:
    events = run(question="Where is the circle?")
    told, tokens = of_kind(events, "scene")[0], of_kind(events, "tokens")[0]
    assert (told.question, told.truth, told.expected) == ("Where is the circle?", None, None)
    assert tokens.right is None
    assert {found.measures for found in of_kind(events, "map")} == {None}


@pytest.mark.parametrize("special", ["refuse", "token"])
@pytest.mark.parametrize("name", ["untrained", "tiny-llava", "tiny-qwen2_5_vl"])
def test_a_picture_token_in_the_question_is_refused(
    run: Run, catalog: Catalog, name: str, special: str
) -> None:
    model = load_model(catalog, name)
    token = model.tokenizer.convert_ids_to_tokens(picture_token(model))
    with pytest.raises(SpecialTokenInText) as caught:
        run(name, question=f"Where is the {token} red square?", special_tokens=special)
    assert f"{token} at character 13" in caught.value.message
    assert caught.value.field == "question"


def test_another_special_token_in_the_question_is_refused_or_acts(
    run: Run, catalog: Catalog
) -> None:
    end = load_model(catalog, "untrained").tokenizer.eos_token
    with pytest.raises(SpecialTokenInText, match="at character 10") as caught:
        run(question=f"Where is a{end} square?", causal=False)
    assert "special_tokens to token" in caught.value.remedy
    assert of_kind(
        run(question=f"Where is a{end} square?", special_tokens="token", causal=False), "tokens"
    )


def answering(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    """Let the model answer with these words, whatever its weights say."""

    def tokens(model: VisionLanguageModel, inputs: Any, length: int) -> Any:
        del inputs
        ids = model.tokenizer(words, add_special_tokens=False).input_ids
        return ((token, -0.5, token) for token in [*ids, model.tokenizer.eos_token_id][:length])

    monkeypatch.setattr(visual_answer, "_tokens", tokens)


def test_the_mask_is_what_the_decoder_makes_of_the_state_before_seg(
    run: Run, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = item(Random("attribute 3"), kind="attribute", split="held out")
    answering(monkeypatch, f" {scene.answer}")
    events = run(scene=3, max_new_tokens=30)
    tokens, mask = of_kind(events, "tokens")[0], of_kind(events, "mask")[0]
    assert [each.source for each in of_kind(events, "mask")] == ["mask_decoder", "points", "both"]
    assert tokens.right is True
    assert mask.source == "mask_decoder"
    assert mask.mask.shape == scene.mask.shape
    expected = (mask.mask & scene.mask).sum() / (mask.mask | scene.mask).sum()
    assert mask.iou == pytest.approx(expected)
    assert of_kind(events, "map")[0].position == tokens.query - 1  # <SEG> is the query


def test_without_a_seg_there_is_no_mask(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, " There is none.")
    events = run(kind="none", max_new_tokens=30)
    mask, tokens = of_kind(events, "mask")[0], of_kind(events, "tokens")[0]
    assert (mask.source, mask.mask, mask.iou) == ("none", None, None)
    assert (tokens.right, tokens.found) == (True, False)
    assert {found.measures for found in of_kind(events, "map")} == {None}
    assert SEG not in tokens.answer


def test_without_a_decoder_the_map_stands_in_and_says_so(run: Run) -> None:
    events = run("without-decoder", layer=2, score="cosine")
    mask, first = of_kind(events, "mask")[0], of_kind(events, "map")[0]
    assert (mask.source, mask.quality) == ("map", None)
    map_P = torch.from_numpy(first.scores[1, 2])
    unit = (map_P - map_P.min()) / (map_P.max() - map_P.min())
    spread = torch.nn.functional.interpolate(unit.reshape(1, 1, 8, 8), (64, 64), mode="bilinear")
    np.testing.assert_array_equal(mask.mask, spread[0, 0] > 0.5)
    assert mask.iou is not None


def test_the_decoder_is_the_folders(catalog: Catalog) -> None:
    assert segmentation.decoder_of(load_model(catalog, "untrained")) is not None
    assert segmentation.decoder_of(load_model(catalog, "tiny-llava")) is None


def test_a_layer_beyond_the_last_is_refused(run: Run) -> None:
    with pytest.raises(InvalidParams, match="the model has 6"):
        run(layer=6)


def test_what_is_no_grid_is_refused(catalog: Catalog) -> None:
    model = load_model(catalog, "tiny-llava")
    token = visual_answer.picture_token(model)
    for ids in ([token] * 15, [token] * 8 + [1] + [token] * 8, [1]):
        count = ids.count(token)
        with pytest.raises(ModelIncompatible, match=f"{count} tokens"):
            picture_grid(model, ids, {}, token=token, size=(64, 64))


def seg_answer(monkeypatch: pytest.MonkeyPatch, scene: int = 3) -> Any:
    found = item(Random(f"attribute {scene}"), kind="attribute", split="held out")
    answering(monkeypatch, f" {found.answer}")
    return found


def test_points_are_those_of_the_first_map(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seg_answer(monkeypatch)
    events = run(scene=3, max_new_tokens=30, layer=2, score="cosine", points="paper", point_count=9)
    points, first = of_kind(events, "points")[0], of_kind(events, "map")[0]
    values = first.scores[1, 2].astype(float)
    order = np.argsort(-values, kind="stable")
    above = [n for n in order if values[n] >= values.mean() + 0.5 * values.std()][:9]
    np.testing.assert_array_equal(points.labels[: len(above)], 1)
    expected = [[8 * (n % 8) + 4, 8 * (n // 8) + 4] for n in above]
    np.testing.assert_array_equal(points.centres[: len(above)], expected)
    assert len(points.labels) == 9


def test_the_second_map_is_the_decoders_cells_against_its_queries(
    run: Run, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    seg_answer(monkeypatch)
    events = run(scene=3, max_new_tokens=30)
    second = of_kind(events, "decoder_map")[0]
    assert second.scores.shape == (2, second.rows * second.columns)
    assert second.measures.shape == (5, 2, 1)
    assert 0 <= second.iou <= 1
    assert -1 <= second.rank_correlation <= 1


def test_the_region_is_blanked_and_as_many_others(
    run: Run, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each answer's log-probability again by plain transformers, on the blanked picture."""
    scene = seg_answer(monkeypatch)
    events = run(scene=3, max_new_tokens=30, region=[0, 1, 9], controls=2)
    blanked = of_kind(events, "blanked")
    assert [each.control for each in blanked] == [False, True, True]
    assert blanked[0].cells.tolist() == [0, 1, 9]
    assert all(each.drawn and len(each.cells) == 3 for each in blanked)
    assert not any({0, 1, 9} & set(each.cells.tolist()) for each in blanked[1:])
    model = load_model(catalog, "untrained")
    plain = AutoModelForImageTextToText.from_pretrained(
        catalog.find("untrained").path, dtype=torch.float32, attn_implementation="eager"
    )
    answer_ids = model.tokenizer(f" {scene.answer}", add_special_tokens=False).input_ids
    answer_ids = [*answer_ids, model.tokenizer.eos_token_id]
    before = logprobs(
        plain, model.inputs(Image.fromarray(scene.picture), scene.question), answer_ids
    )
    for each in blanked:
        changed = (each.picture != scene.picture).any(-1).reshape(8, 8, 8, 8).any((1, 3)).flatten()
        assert set(changed.nonzero()[0]) <= set(each.cells.tolist())
        inputs = model.inputs(Image.fromarray(each.picture), scene.question)
        after = logprobs(plain, inputs, answer_ids)
        assert each.answer_change == pytest.approx((after - before).sum(), abs=1e-3)
        seg = answer_ids.index(model.tokenizer.convert_tokens_to_ids(SEG))
        assert each.token_change == pytest.approx((after - before)[seg], abs=1e-3)


def logprobs(plain: Any, inputs: dict[str, torch.Tensor], answer: list[int]) -> np.ndarray:
    ids = torch.cat([inputs["input_ids"], torch.tensor([answer])], 1)
    with torch.inference_mode():
        out = plain(input_ids=ids, pixel_values=inputs["pixel_values"])
    found = out.logits[0, -len(answer) - 1 : -1].double().log_softmax(-1)
    return found[torch.arange(len(answer)), answer].numpy()


def test_without_a_region_nothing_is_blanked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, " There is none.")
    assert of_kind(run(kind="none", max_new_tokens=30), "blanked") == []
    seg_answer(monkeypatch)
    assert of_kind(run(scene=3, max_new_tokens=30, causal=False), "blanked") == []


def test_a_patch_that_is_not_there_is_refused(run: Run) -> None:
    with pytest.raises(InvalidParams, match="patch 64; there are 64"):
        run(region=[3, 64])


PHOTO = np.random.default_rng(3).integers(0, 256, (48, 80, 3), dtype=np.uint8)
TRUTH = np.zeros((48, 80, 3), np.uint8)
TRUTH[10:30, 20:60] = 255


@pytest.fixture
def run_own(catalog: Catalog) -> Run:
    def go(model: str, **params: object) -> list[Event]:
        given = {"max_new_tokens": 4, "image": picture_hash(PHOTO), "question": "Where?", **params}
        pictures = pictures_by_hash(PHOTO, TRUTH, TRUTH[:40])
        return list(
            analysis.run(
                "seg_similarity", model=model, params=given, catalog=catalog, pictures=pictures
            )
        )

    return go


@pytest.mark.parametrize("name", MODELS)
def test_a_picture_of_ones_own_is_asked_about(run_own: Run, name: str) -> None:
    events = run_own(name, truth=picture_hash(TRUTH))
    told, tokens = of_kind(events, "scene")[0], of_kind(events, "tokens")[0]
    np.testing.assert_array_equal(told.picture, PHOTO)
    np.testing.assert_array_equal(told.truth, TRUTH[..., 0] > 0)
    assert (told.question, told.expected, tokens.right) == ("Where?", None, None)
    assert tokens.frame == [0, 0, 80, 48]
    for found in of_kind(events, "map"):
        assert found.measures.shape == (5, 5, tokens.layers)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"question": " "}, "question is empty"),
        ({"truth": picture_hash(TRUTH[:40])}, "truth is 80 × 40, the picture 80 × 48"),
        ({"image": "", "truth": picture_hash(TRUTH)}, "truth is given without image"),
        ({"image": "../etc"}, "image"),
    ],
)
def test_pictures_that_do_not_fit_are_refused(
    run_own: Run, changes: dict[str, str], said: str
) -> None:
    with pytest.raises(InvalidParams, match=said):
        run_own("untrained", **changes)


def test_a_picture_that_is_not_there_is_refused(run_own: Run) -> None:
    with pytest.raises(UnknownPicture, match="aaaa"):
        run_own("untrained", image="a" * 64)


def test_events_are_small_and_finite(run: Run) -> None:
    for event in run():
        assert len(event.model_dump_json()) < 64 * 2**10


def test_every_example_is_accepted_and_asks_what_it_is_named_after() -> None:
    method = get("seg_similarity")
    assert len(method.examples) >= 3
    for example in method.examples:
        params: Any = method.check(example.params)
        asked = item(Random(f"{params.kind} {params.scene}"), kind=params.kind, split="held out")
        assert example.name == asked.question
        assert example.look_for.endswith(".")
