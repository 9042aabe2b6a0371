"""The map of a picture lies on the right patches, whatever the order of its tokens."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from analysis.methods.seg_similarity.answer import picture_token, write
from analysis.methods.seg_similarity.patch_frame import cells_of
from analysis.methods.seg_similarity.picture_grid import PictureGrid, picture_grid
from analysis.model import VisionLanguageModel
from analysis.model.media_tokens import media_tokens
from analysis.steps import follow
from tests.load_folder import load_folder
from tests.tiny_pictures import make_llava, make_qwen2_5_vl
from tests.vision_models import (
    make_gemma3,
    make_idefics3,
    make_llava_next,
    make_mistral3,
    make_qwen2_vl,
    make_qwen3_vl,
)

MIXES = re.compile(r"vision|visual")
OUTPUT = re.compile(r"(out_proj|o_proj|attn\.proj)\.(weight|bias)$")
SHOWN = 3  # patches that are changed, one at a time
MAKERS = {
    make_llava: (4, 4),
    make_qwen2_5_vl: (3, 5),
    make_llava_next: (4, 8),
    make_qwen2_vl: (3, 5),
    make_qwen3_vl: (3, 5),
    make_gemma3: (4, 4),
    make_idefics3: (4, 6),
    make_mistral3: (3, 4),
}


@pytest.fixture(scope="module", params=MAKERS, ids=lambda make: make.__name__)
def model(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> VisionLanguageModel:
    """A model whose vision tower mixes no patches: a token tells the pixels of its own."""
    made: Callable[[Path], Path] = request.param
    found = load_folder(made(tmp_path_factory.mktemp("vision") / "model"))
    assert isinstance(found, VisionLanguageModel)
    with torch.no_grad():
        for name, weight in found.plain.named_parameters():
            if MIXES.search(name) and OUTPUT.search(name):
                weight.zero_()
    return found


@torch.no_grad()
def read(model: VisionLanguageModel, picture: np.ndarray) -> tuple[torch.Tensor, PictureGrid]:
    """What enters the first block, [N, D], and the picture's grid."""
    inputs = model.inputs(Image.fromarray(picture), "Where is it?")
    ids = inputs["input_ids"][0].tolist()
    grid = picture_grid(model, ids, inputs, token=picture_token(model), size=picture.shape[:2])
    out = model.forward(**inputs, output_hidden_states=True, use_cache=False)
    return out.hidden_states[0][0], grid


def most_changed(model: VisionLanguageModel, size: tuple[int, int], cell: int) -> int:
    """The patch of the map whose state changes most with the pixels under `cell`."""
    picture = np.full((*size, 3), 128, np.uint8)
    before_ND, grid = read(model, picture)
    inside_HW = cells_of(size, grid.size, grid.frame).numpy() == cell
    assert inside_HW.any()
    picture[inside_HW] = 255
    after_ND, _ = read(model, picture)
    change_P = (after_ND - before_ND).norm(dim=-1)[list(grid.positions_P)]
    return int(change_P.argmax())


@pytest.mark.parametrize("size", [(96, 160), (160, 96)])
def test_a_patch_of_the_map_is_the_one_that_its_pixels_change(
    model: VisionLanguageModel, size: tuple[int, int], request: pytest.FixtureRequest
) -> None:
    rows, columns = read(model, np.zeros((*size, 3), np.uint8))[1].size
    expected = MAKERS[request.node.callspec.params["model"]]
    assert (rows, columns) == (expected if size[1] > size[0] else expected[::-1])
    drawn = np.random.default_rng(5).permutation(rows * columns)[:SHOWN].tolist()
    for cell in (0, columns - 1, rows * columns - 1, *drawn):
        assert most_changed(model, size, cell) == cell


@torch.no_grad()
def test_the_answer_is_the_one_that_generate_writes(model: VisionLanguageModel) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (96, 160, 3), np.uint8)
    picture = Image.fromarray(pixels)
    steps = follow(write(model, picture, "Where is it?", 5), lambda event: None)
    with pytest.raises(StopIteration) as ended:
        next(steps)
    never = [[token] for token in {*media_tokens(model.plain.config), picture_token(model)}]
    ids = model.plain.generate(
        **model.inputs(picture, "Where is it?"), do_sample=False, max_new_tokens=5,
        bad_words_ids=never,
    )  # fmt: skip
    assert ended.value.value.ids == ids[0].tolist()
