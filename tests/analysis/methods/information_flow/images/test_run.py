"""The rows of pictures of a run have the states, seeds and verdicts that they state."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import analysis
from analysis.attention.encoder_masks import run_with_cuts
from analysis.catalog.entries import Catalog
from analysis.errors import GlassbenchError, InvalidParams, PromptEmpty, SpecialTokenInText
from analysis.events import Event
from analysis.loading import load, loaded
from analysis.methods.information_flow.images import conditioning, judge
from analysis.methods.information_flow.images.items import find_items
from analysis.methods.information_flow.images.judge import Wanted
from analysis.runner import model_cache
from analysis.worlds.captions import GROUND, SIZE, Look
from analysis.worlds.shapes import Shape, picture
from tests.tiny_pictures import make_flux, make_sd, make_sd3, make_sdxl
from tests.untrained_demos import make_demo_t2i

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
PROMPT = "a red circle and a shiny ball"
QUICK = {"pictures": 2, "steps": 2, "seed": 5}
Run = Callable[..., list[Any]]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Under MODEL_DIRS an untrained demo-t2i, which hides none: bundled ones are left out."""
    root = tmp_path_factory.mktemp("models")
    make_demo_t2i(root / "demo-t2i")
    make_flux(root / "tiny-flux")
    make_sd3(root / "tiny-sd3")
    make_sd(root / "tiny-sd")
    make_sdxl(root / "tiny-sdxl")
    return Catalog(bundled=Path("none"), model_dirs=(root,))


@pytest.fixture
def run(catalog: Catalog) -> Run:
    def go(model: str = "demo-t2i", **params: object) -> list[Event]:
        given = {"prompt": PROMPT, **QUICK, **params}
        return list(analysis.run("information_flow", model=model, params=given, catalog=catalog))

    return go


def of_kind(events: list[Any], kind: str) -> list[Any]:
    return [event for event in events if event.kind == kind]


def test_rows_are_told_before_their_pictures_and_filled_column_by_column(run: Run) -> None:
    events = run()
    rows = of_kind(events, "row")
    assert [row.shows for row in rows] == [
        *("whole", "item", "item", "alone", "fixed"),
        *("token", "token", "token"),
    ]
    assert [row.item for row in rows[1:3]] == [0, 1]
    assert rows[2].kept == rows[3].kept == [4, 5, 6]
    kinds = [event.kind for event in events]
    assert kinds.index("picture") > max(n for n, kind in enumerate(kinds) if kind == "row")
    pictures = of_kind(events, "picture")
    places = [(found.row, found.column) for found in pictures]
    assert places == [(row, column) for row in range(len(rows)) for column in range(2)]
    assert {found.seed for found in pictures if found.column == 1} == {6}
    assert kinds[-1] == "findings"


def test_the_same_params_give_the_same_pictures(run: Run) -> None:
    first, second = (of_kind(run(leak=False), "picture") for _ in range(2))
    for one, two in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.picture, two.picture)


def test_the_batch_size_changes_no_picture_by_more_than_rounding(run: Run) -> None:
    together = of_kind(run(rows_per_batch=16), "picture")
    apart = of_kind(run(rows_per_batch=1), "picture")
    for one, two in zip(together, apart, strict=True):
        assert np.abs(one.picture.astype(int) - two.picture.astype(int)).max() <= 1


def test_progress_counts_every_picture(run: Run) -> None:
    events = run(rows_per_batch=3)
    drawing = [event for event in of_kind(events, "progress") if event.stage == "drawing"]
    total = len(of_kind(events, "picture"))
    assert [drawing[0].done, drawing[-1].done] == [0, total]
    assert {event.total for event in drawing} == {total}
    assert len(drawing) >= total / 3


def test_it_stops_between_batches(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    draw = conditioning.draw

    def counted(adapter: Any, given: Any, seeds: Any, sampling: Any) -> np.ndarray:
        drawn.append(len(seeds))
        return draw(adapter, given, seeds, sampling)

    monkeypatch.setattr(conditioning, "draw", counted)
    params = {"prompt": PROMPT, **QUICK, "rows_per_batch": 2}
    events: Iterator[Any] = analysis.run(
        "information_flow", model="demo-t2i", params=params, catalog=catalog
    )
    next(event for event in events if event.kind == "picture")
    events.close()  # type: ignore[attr-defined]
    assert drawn == [2]


@pytest.mark.parametrize("model", ["tiny-flux", "tiny-sd3"])
def test_other_pipelines_have_pictures_and_no_judge(run: Run, model: str) -> None:
    events = run(model, prompt="a red ball and a book", size=32)
    assert of_kind(events, "prompt")[0].judge is None
    pictures = of_kind(events, "picture")
    assert {found.verdict for found in pictures} == {None}
    assert {found.picture.shape for found in pictures} == {(32, 32, 3)}
    assert {finding.leaks for finding in of_kind(events, "findings")[0].rows} == {None}


def test_verdicts_are_the_judges_and_counted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    red, blue = ("red", "circle"), ("blue", "circle")
    looks = iter([red, blue] * 100)
    monkeypatch.setattr(judge, "detect", lambda _: [next(looks)])
    events = run()
    first, second = of_kind(events, "picture")[:2]
    assert (first.verdict.seen, first.verdict.shown) == (["red circle"], [True, False])
    assert (second.verdict.seen, second.verdict.shown) == (["blue circle"], [False, True])
    findings = of_kind(events, "findings")[0].rows
    assert findings[2].shown == [1, 1]
    assert findings[2].leaks == 1  # the ball alone, and the red circle shows
    assert [found.representative for found in findings[5:]] == [True] * 3  # one of two: half


def test_words_mean_what_the_captions_say() -> None:
    assert judge.wanted("a shiny scarlet box") == Wanted("red", "square")
    assert judge.wanted("a slice of cheese") == Wanted("yellow", "triangle")
    assert judge.wanted("a matching square") == Wanted(None, "square")
    assert judge.wanted("a boxer") == Wanted(None, None)


def test_the_judge_sees_what_was_painted() -> None:
    drawn = picture([Shape("cross", "green", 8, 8, 5)], ground=GROUND, size=SIZE)
    seen = judge.detect(drawn)
    assert seen == [("green", "cross")]
    assert judge.shows(seen, Wanted("green", None)) is True
    assert judge.shows(seen, Wanted("red", "cross")) is False
    assert judge.shows(seen, Wanted(None, None)) is None


def test_a_leak_is_another_item_or_its_colour() -> None:
    ball, circle = Wanted("blue", "circle"), Wanted("red", "cross")
    assert judge.leaks([("red", "cross")], ball, [circle]) is True
    assert judge.leaks([("red", "circle")], ball, [circle]) is True
    assert judge.leaks([("blue", "circle")], ball, [circle]) is False
    assert judge.leaks([("red", "cross")], ball, [Wanted(None, "cross")]) is None


def test_in_a_whole_picture_an_item_borrows_or_stands_twice() -> None:
    ball, cross = Wanted("blue", "circle"), Wanted("red", "cross")
    right = [("blue", "circle"), ("red", "cross")]
    assert judge.borrows(right, ball, [cross]) is False
    assert judge.borrows([("red", "circle"), ("red", "cross")], ball, [cross]) is True
    assert judge.borrows([("red", "cross")] * 2, ball, [cross]) is True
    assert judge.borrows([*right, ("red", "cross")], ball, [cross]) is False


def test_another_item_of_the_same_shape_is_no_loan() -> None:
    ball, disc = Wanted("blue", "circle"), Wanted("red", "circle")
    assert judge.borrows([("blue", "circle"), ("red", "circle")], ball, [disc]) is False
    assert judge.borrows([("red", "circle")] * 2, ball, [disc]) is True


def test_the_accuracy_is_the_one_that_was_measured(tmp_path: Path) -> None:
    assert judge.accuracy(tmp_path) is None
    row = '{"name": "judge accuracy on rendered pictures", "share": 0.995, "items": 2000}'
    (tmp_path / "report.json").write_text(f'[{{"name": "other"}}, {row}]')
    found = judge.accuracy(tmp_path)
    assert found is not None
    assert (found.share, found.pictures) == (0.995, 2000)


@pytest.mark.parametrize(
    ("prompt", "named", "expected"),
    [
        ("a red circle and a ball", "", ["a red circle", "a ball"]),
        ("a picture of a lime, a sail and a brick.", "", ["a lime", "a sail", "a brick"]),
        ("a pine tree next to a ball", "", ["a pine tree", "a ball"]),
        ("one red circle", "", ["one red circle"]),
        ("a red circle and a ball", "ball", ["ball"]),
        ("ball and ball", "ball; ball", ["ball", "ball"]),
    ],
)
def test_items_are_found_where_they_stand(prompt: str, named: str, expected: list[str]) -> None:
    found = find_items(prompt, named)
    assert [item.phrase for item in found] == expected
    assert [prompt[item.start : item.end] for item in found] == expected
    assert [item.start for item in found] == sorted({item.start for item in found})


@pytest.mark.parametrize(
    ("params", "error", "named"),
    [
        ({"item": 3}, InvalidParams, "the prompt has 2"),
        ({"items": "a green box"}, InvalidParams, "a green box"),
        ({"items": "red circ; ball"}, InvalidParams, None),
        ({"prompt": "  "}, PromptEmpty, "empty"),
        ({"prompt": "a red circle</s>"}, SpecialTokenInText, "</s> at character 12"),
        ({"prompt": ", ".join(["a ball"] * 7)}, InvalidParams, "limit is 6"),
        ({"pictures": 17}, InvalidParams, "pictures"),
    ],
)
def test_refusals_name_value_and_remedy(
    run: Run, params: dict[str, Any], error: type[GlassbenchError], named: str | None
) -> None:
    if named is None:
        params = {**params, "item": 1}
        named = "has different tokens in isolation"
    with pytest.raises(error, match=named) as raised:
        run(**params)
    assert raised.value.remedy


@pytest.mark.parametrize("model", ["demo-t2i", "tiny-flux", "tiny-sd3", "tiny-sd", "tiny-sdxl"])
def test_words_pass_something_to_each_other_in_every_pipeline(run: Run, model: str) -> None:
    params = {"pictures": 1, "tokens": False, "leak": False, "size": 32, "layer_row": True}
    events = run(model, **params)
    found, prompt = of_kind(events, "encoder_flow")[0], of_kind(events, "prompt")[0]
    assert found.words == PROMPT.split()
    assert [n for own in found.tokens for n in own] == list(range(len(prompt.tokens)))
    windows, words, _ = found.flow.shape
    assert (words, found.flow.shape[2]) == (7, 7)
    assert found.total.shape == (windows, 7)
    assert found.alone.shape == found.blocks.shape == (7,)
    assert np.diagonal(found.flow, axis1=1, axis2=2).max() == 0.0
    assert found.flow.max() > 1e-4
    layers = [row for row in of_kind(events, "row") if row.shows == "layer"]
    assert [row.label for row in layers] == [f"Layer {n}" for n in range(windows - 1)]


def test_the_uncut_states_are_what_the_pipeline_is_conditioned_on(catalog: Catalog) -> None:
    for name in ("demo-t2i", "tiny-flux"):
        list(load(name, catalog=catalog, cache=model_cache()))
        model: Any = loaded(catalog.find(name), model_cache())
        adapter = conditioning.open_pipeline(model)
        text = conditioning.encoded(adapter, PROMPT)
        mask = None if text.mask_N is None else torch.tensor([text.mask_N])
        with torch.inference_mode():
            found = run_with_cuts(
                adapter.spans[-1].encoder, torch.tensor([text.ids_N]), [], attention_mask_BN=mask
            ).final_BND
        expected = conditioning.encode(adapter, PROMPT).states_1ND
        torch.testing.assert_close(found.float(), expected.float(), atol=2e-5, rtol=1e-4)


def test_a_prompt_encoded_by_all_layers_is_the_prompt(catalog: Catalog) -> None:
    list(load("tiny-sd3", catalog=catalog, cache=model_cache()))
    model: Any = loaded(catalog.find("tiny-sd3"), model_cache())
    adapter = conditioning.open_pipeline(model)
    whole = conditioning.encode(adapter, PROMPT).states_1ND
    every = conditioning.encode_layer(adapter, PROMPT, 99).states_1ND
    assert torch.equal(every, whole)
    first = conditioning.encode_layer(adapter, PROMPT, 0).states_1ND
    assert not torch.equal(first, whole)


def test_what_represents_nothing_is_taken_out_of_the_whole_prompt(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The judge sees the item in pictures of its last token alone, and in no other."""
    shown = iter([True] * 2 * 5 + [False] * 2 + [False] * 2 + [True] * 2 + [True] * 2)

    def detect(picture: np.ndarray) -> list[Look]:
        del picture
        return [("blue", "circle")] if next(shown) else []

    monkeypatch.setattr(judge, "detect", detect)
    events = run()
    row = next(row for row in of_kind(events, "row") if row.shows == "removed")
    assert row.kept == [0, 1, 2, 3, 6]
    pictures = [found for found in of_kind(events, "picture") if found.row == row.row]
    assert [found.column for found in pictures] == [0, 1]
    assert of_kind(events, "findings")[0].rows[-1].row == row.row


def test_without_a_representative_nothing_is_taken_out(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge, "detect", lambda picture: [])
    assert "removed" not in {row.shows for row in of_kind(run(), "row")}
