"""The grid of patches that a picture forms in a language model's input.

A picture may be one square of patches, patches merged two by two, lines with a token behind each,
tiles behind one another, or one grid of tiles with a newline after each row. A picture that is also
given as a whole beside its tiles is read from the tiles, which show more.

Shape legend: P patches row by row.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from transformers.image_processing_utils import get_patch_output_size, select_best_resolution
from transformers.image_utils import ChannelDimension
from transformers.models.llava_next.modeling_llava_next import unpad_image

from analysis.errors import ModelIncompatible
from analysis.methods.seg_similarity.patch_frame import PatchFrame, frame_of, whole
from analysis.model import VisionLanguageModel

PLACE = re.compile(r"<row_(\d+)_col_(\d+)>")  # before each tile of Idefics 3 and SmolVLM


@dataclass(frozen=True)
class PictureGrid:
    """Patches in `rows` and `columns` that divide `frame`, and their places in the sequence."""

    positions_P: tuple[int, ...]
    rows: int
    columns: int
    frame: PatchFrame

    @property
    def size(self) -> tuple[int, int]:
        return self.rows, self.columns


@dataclass(frozen=True)
class EncodedPicture:
    """A picture of height and width `size` in the model's inputs.

    `runs`: places of picture tokens that follow one another directly.
    """

    model: VisionLanguageModel
    ids: Sequence[int]
    inputs: dict[str, torch.Tensor]
    runs: list[list[int]]
    size: tuple[int, int]

    @property
    def config(self) -> Any:
        return self.model.plain.config

    @property
    def places(self) -> list[int]:
        return [place for run in self.runs for place in run]

    def refuse(self) -> ModelIncompatible:
        return ModelIncompatible(
            f"{self.model.info.architecture} encodes a picture as {len(self.places)} tokens, which "
            "do not form a single grid of patches.",
            remedy="Choose another model, such as LLaVA, Qwen-VL, Gemma 3, SmolVLM or PaliGemma.",
            field="model",
        )


def picture_grid(
    model: VisionLanguageModel,
    ids: Sequence[int],
    inputs: dict[str, torch.Tensor],
    *,
    token: int,
    size: tuple[int, int],
) -> PictureGrid:
    """The patches of a picture of height and width `size`, whose places in `ids` have `token`.

    Raises ModelIncompatible.
    """
    runs = _runs([place for place, one in enumerate(ids) if one == token])
    encoded = EncodedPicture(model, ids, inputs, runs, size)
    found = LAYOUTS.get(str(encoded.config.model_type), _square)(encoded)
    if not runs or len(found.positions_P) != found.rows * found.columns:
        raise encoded.refuse()
    return found


def _runs(places: Sequence[int]) -> list[list[int]]:
    runs = [list(places[:1])] if places else []
    for before, place in pairwise(places):
        if place == before + 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    return runs


def _square(encoded: EncodedPicture) -> PictureGrid:
    """As in LLaVA 1.5, PaliGemma and Gemma 3, whose picture comes before its crops, if any."""
    if "image_sizes" in encoded.inputs:  # tiles, or lines
        raise encoded.refuse()
    first = encoded.runs[0] if encoded.runs else []
    side = round(len(first) ** 0.5)
    if len(encoded.runs) > 1 and encoded.config.model_type != "gemma3":
        raise encoded.refuse()
    frame = frame_of(encoded.model.processor.image_processor, encoded.size)
    return PictureGrid(tuple(first), side, side, frame)


def _merged(encoded: EncodedPicture) -> PictureGrid:
    """As in Qwen-VL: patches of the whole picture, merged to squares."""
    merge = int(encoded.config.vision_config.spatial_merge_size)
    _, rows, columns = (int(size) for size in encoded.inputs["image_grid_thw"][0])
    places = tuple(encoded.places)
    return PictureGrid(places, rows // merge, columns // merge, whole(encoded.size))


def _lines(encoded: EncodedPicture) -> PictureGrid:
    """As in Mistral 3: each run is a row of patches of the whole picture."""
    if len({len(run) for run in encoded.runs}) != 1:
        raise encoded.refuse()
    rows, columns = len(encoded.runs), len(encoded.runs[0])
    return PictureGrid(tuple(encoded.places), rows, columns, whole(encoded.size))


def _tiles(encoded: EncodedPicture) -> PictureGrid:
    """As in Idefics 3 and SmolVLM: tiles row by row, then the whole picture; or that alone."""
    *tiles, last = encoded.runs or [[]]
    side, frame = round(len(last) ** 0.5), whole(encoded.size)
    if not tiles:
        return PictureGrid(tuple(last), side, side, frame)
    before = encoded.model.tokenizer.decode(list(encoded.ids[: tiles[-1][0]]))
    named = PLACE.findall(str(before))
    rows, columns = (int(count) for count in named[-1]) if named else (0, 0)
    if len(tiles) != rows * columns or {len(tile) for tile in encoded.runs} != {side * side}:
        raise encoded.refuse()
    apart = np.array(tiles).reshape(rows, columns, side, side)
    joined = apart.transpose(0, 2, 1, 3).ravel().tolist()
    return PictureGrid(tuple(joined), rows * side, columns * side, frame)


def _tiles_in_one_grid(encoded: EncodedPicture) -> PictureGrid:
    """As in LLaVA-Next: the whole picture, then its tiles without most of their padding."""
    vision, places = encoded.config.vision_config, encoded.places
    side = vision.image_size // vision.patch_size
    height, width = (int(edge) for edge in encoded.inputs["image_sizes"][0])
    canvas = select_best_resolution((height, width), encoded.config.image_grid_pinpoints)
    padded = tuple(edge * side // vision.image_size for edge in canvas)
    rows, columns = unpad_image(torch.empty(1, *padded), (height, width)).shape[1:]
    whole_picture = len(places) - rows * (columns + 1)
    if whole_picture not in (side**2, side**2 + 1):  # with CLIP's class token
        raise encoded.refuse()
    lines = np.array(places[whole_picture:]).reshape(rows, columns + 1)
    patches = tuple(lines[:, :columns].ravel().tolist())
    cut = ((padded[0] - rows) // 2, (padded[1] - columns) // 2)
    frame = _unpadded(encoded.size, canvas, canvas[0] / padded[0], (rows, columns), cut)
    return PictureGrid(patches, rows, columns, frame)


def _unpadded(
    size: tuple[int, int],
    canvas: tuple[int, int],
    patch: float,
    grid: tuple[int, int],
    cut: tuple[int, int],
) -> PatchFrame:
    """The area of a picture that patches of a canvas show, on whose centre it was scaled.

    `cut`: rows and columns of patches left out before the first.
    """
    drawn = get_patch_output_size(np.broadcast_to(0, (*size, 3)), canvas, ChannelDimension.LAST)
    start, length = [], []
    for axis in (0, 1):
        scale = size[axis] / drawn[axis]
        start.append(scale * (cut[axis] * patch - (canvas[axis] - drawn[axis]) // 2))
        length.append(scale * grid[axis] * patch)
    return PatchFrame(start[1], start[0], length[1], length[0])


LAYOUTS: dict[str, Callable[[EncodedPicture], PictureGrid]] = {
    "qwen2_vl": _merged,
    "qwen2_5_vl": _merged,
    "qwen3_vl": _merged,
    "mistral3": _lines,
    "idefics3": _tiles,
    "smolvlm": _tiles,
    "llava_next": _tiles_in_one_grid,
}
