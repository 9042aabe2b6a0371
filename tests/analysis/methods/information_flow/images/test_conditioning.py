"""Conditioning position by position: bit-equal to h and p, and drawn as the pipeline draws."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from analysis.catalog.entries import Catalog
from analysis.errors import InvalidParams, ModelIncompatible, PromptTooLong
from analysis.loading import ModelCache, load, loaded
from analysis.methods.information_flow.images import conditioning
from analysis.methods.information_flow.images.conditioning import (
    FAMILIES,
    Conditioning,
    DrawingSettings,
    PipelineAdapter,
)
from analysis.methods.information_flow.images.drawing_limits import refuse_undrawable
from analysis.model import ImagePipeline
from tests.tiny_pictures import (
    make_flux,
    make_pixart_alpha,
    make_sana,
    make_sd,
    make_sd3,
    make_sdxl,
)
from tests.untrained_demos import make_demo_t2i

# diffusers 0.42 hands torch tensors to numpy in a way that numpy 2 is going to refuse.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

MAKERS: dict[str, Callable[[Path], Path]] = {
    "pixart": make_demo_t2i,
    "flux": make_flux,
    "sd3": make_sd3,
    "sd": make_sd,
    "sdxl": make_sdxl,
    "sana": make_sana,
    "pixart-alpha": make_pixart_alpha,
}
TEXT = "a red ball and a book"
SAMPLING = DrawingSettings(steps=2, guidance=2.0, size=32)


@pytest.fixture(scope="module", params=sorted(MAKERS))
def model(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> ImagePipeline:
    root = tmp_path_factory.mktemp("models")
    MAKERS[request.param](root / request.param)
    catalog, cache = Catalog(model_dirs=(root,)), ModelCache(2**30)
    list(load(request.param, catalog=catalog, cache=cache))
    found = loaded(catalog.find(request.param), cache)
    assert isinstance(found, ImagePipeline)
    return found


@pytest.fixture(scope="module")
def adapter(model: ImagePipeline) -> PipelineAdapter:
    return conditioning.open_pipeline(model)


@pytest.fixture(scope="module")
def prompt(adapter: PipelineAdapter) -> Conditioning:
    return conditioning.encode(adapter, TEXT)


def test_a_kept_set_is_h_inside_and_p_everywhere_else(
    adapter: PipelineAdapter, prompt: Conditioning
) -> None:
    h, p = prompt.states_1ND, adapter.empty.states_1ND
    assert not torch.equal(h, p)
    kept = {2, 3, adapter.positions - 1}
    found = conditioning.keep(prompt, adapter.empty, sorted(kept)).states_1ND
    for position in range(adapter.positions):
        expected = h if position in kept else p
        assert torch.equal(found[:, position], expected[:, position]), position


def test_keeping_nothing_is_the_empty_prompt(
    adapter: PipelineAdapter, prompt: Conditioning
) -> None:
    assert torch.equal(
        conditioning.keep(prompt, adapter.empty, []).states_1ND, adapter.empty.states_1ND
    )


def test_the_pooled_vector_goes_with_the_first_position_taken_away(
    adapter: PipelineAdapter, prompt: Conditioning
) -> None:
    if prompt.pooled_1E is None:
        pytest.skip("this class has no pooled vector")
    assert adapter.empty.pooled_1E is not None
    some = conditioning.keep(prompt, adapter.empty, [1])
    assert torch.equal(some.pooled_1E, adapter.empty.pooled_1E)  # type: ignore[arg-type]
    told = conditioning.keep(prompt, adapter.empty, [1], keep_pooled=True)
    assert torch.equal(told.pooled_1E, prompt.pooled_1E)  # type: ignore[arg-type]
    whole = conditioning.keep(prompt, adapter.empty, range(adapter.positions))
    assert torch.equal(whole.pooled_1E, prompt.pooled_1E)  # type: ignore[arg-type]


def test_keeping_everything_draws_the_identical_picture(
    adapter: PipelineAdapter, prompt: Conditioning
) -> None:
    whole = conditioning.keep(prompt, adapter.empty, range(adapter.positions))
    pictures = [conditioning.draw(adapter, [one], [3], SAMPLING) for one in (prompt, whole)]
    np.testing.assert_array_equal(pictures[0], pictures[1])
    other = conditioning.keep(prompt, adapter.empty, [])
    assert (conditioning.draw(adapter, [other], [3], SAMPLING) != pictures[0]).any()


def test_the_whole_prompt_is_drawn_as_the_pipeline_itself_draws_it(
    model: ImagePipeline, adapter: PipelineAdapter, prompt: Conditioning
) -> None:
    own: dict[str, object] = {"max_sequence_length": adapter.spans[-1].length}
    if type(model.pipeline).__name__.startswith(("PixArt", "Sana")):
        own |= {"use_resolution_binning": False, "clean_caption": False}
    if type(model.pipeline).__name__ == "SanaPipeline":
        own["complex_human_instruction"] = None
    with torch.inference_mode():
        direct = model.pipeline(
            TEXT,
            num_inference_steps=SAMPLING.steps,
            guidance_scale=SAMPLING.guidance,
            height=SAMPLING.size,
            width=SAMPLING.size,
            generator=torch.Generator().manual_seed(3),
            output_type="np",
            **own,
        ).images
    drawn = conditioning.draw(adapter, [prompt], [3], SAMPLING)
    np.testing.assert_array_equal(drawn, (direct * 255).round().astype(np.uint8))


@pytest.mark.parametrize(("size", "steps"), [(24, 2), (32, 1)])
def test_what_is_refused_is_what_the_pipeline_does_not_draw(
    adapter: PipelineAdapter, prompt: Conditioning, size: int, steps: int
) -> None:
    asked = DrawingSettings(steps=steps, guidance=2.0, size=size)
    refused = ""
    try:
        refuse_undrawable(adapter.pipeline, size=size, steps=steps)
    except InvalidParams as error:
        refused = str(error.field)
    assert refused in ("", "size" if size == 24 else "steps")
    with pytest.raises((ValueError, RuntimeError, IndexError)) if refused else nullcontext():
        drawn = conditioning.draw(adapter, [prompt], [3], asked)
        assert drawn.shape[1:3] == (size, size)


def test_the_model_names_the_guidance_that_it_was_made_for(
    model: ImagePipeline, adapter: PipelineAdapter, prompt: Conditioning
) -> None:
    told = json.loads((model.path / "model_index.json").read_text()).get("_guidance_scale", 0)
    assert adapter.guidance == told
    left = conditioning.draw(adapter, [prompt], [3], replace(SAMPLING, guidance=0))
    given = conditioning.draw(
        replace(adapter, guidance=5.0), [prompt], [3], replace(SAMPLING, guidance=0)
    )
    asked = conditioning.draw(adapter, [prompt], [3], replace(SAMPLING, guidance=5.0))
    np.testing.assert_array_equal(given, asked)
    if told:
        own = conditioning.draw(adapter, [prompt], [3], replace(SAMPLING, guidance=told))
        np.testing.assert_array_equal(left, own)


def test_a_batch_draws_what_is_drawn_one_by_one(
    adapter: PipelineAdapter, prompt: Conditioning
) -> None:
    rows = [prompt, conditioning.keep(prompt, adapter.empty, [1, 2]), adapter.empty]
    together = conditioning.draw(adapter, rows, [5, 6, 7], SAMPLING)
    apart = [
        conditioning.draw(adapter, [row], [seed], SAMPLING)[0]
        for row, seed in zip(rows, [5, 6, 7], strict=True)
    ]
    difference = np.abs(together.astype(int) - np.stack(apart).astype(int))
    assert difference.max() <= 1  # rounding of the eighth bit


def test_tokens_cover_their_characters(adapter: PipelineAdapter) -> None:
    for span in conditioning.tokens(adapter, TEXT):
        covered = {at for token in span for at in range(token.start, token.end)}
        assert covered == {at for at, character in enumerate(TEXT) if character != " "}


def test_positions_of_a_stretch_are_those_of_its_tokens(adapter: PipelineAdapter) -> None:
    tokens = conditioning.tokens(adapter, TEXT)
    start = TEXT.index("ball")
    positions = conditioning.positions_of(tokens, start, start + 4)
    for span, found in zip(adapter.spans, tokens, strict=True):
        own = [token.position for token in found if start <= token.start < start + 4]
        assert own
        assert set(own) <= set(positions)
        assert min(own) >= span.start
    assert len(positions) == sum(start <= t.start < start + 4 for seg in tokens for t in seg)


def test_states_are_put_in_place_one_by_one(adapter: PipelineAdapter, prompt: Conditioning) -> None:
    other = conditioning.encode(adapter, "a book")
    found = conditioning.put(prompt, other, {4: 1, 2: 0}).states_1ND
    assert torch.equal(found[:, 4], other.states_1ND[:, 1])
    assert torch.equal(found[:, 2], other.states_1ND[:, 0])
    rest = [n for n in range(adapter.positions) if n not in (2, 4)]
    assert torch.equal(found[:, rest], prompt.states_1ND[:, rest])


def test_a_prompt_beyond_the_encoder_is_refused(adapter: PipelineAdapter) -> None:
    with pytest.raises(PromptTooLong, match="tokens"):
        conditioning.encode(adapter, "a red ball " * 300)


def test_an_unknown_class_is_refused_naming_the_known(
    model: ImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conditioning, "FAMILIES", {"OtherPipeline": FAMILIES["FluxPipeline"]})
    with pytest.raises(ModelIncompatible, match="OtherPipeline"):
        conditioning.open_pipeline(model)


def test_batches_never_exceed_the_limit(adapter: PipelineAdapter) -> None:
    sizes = [conditioning.pictures_per_batch(adapter, SAMPLING, limit) for limit in (1, 3, 256)]
    assert sizes[0] == 1
    assert 1 <= sizes[1] <= 3
    assert sizes == sorted(sizes)
    many = DrawingSettings(steps=200, guidance=2.0, size=2048)
    assert conditioning.pictures_per_batch(adapter, many, 256) < sizes[2]
