"""The mask prompted by a token, for vision-language models with a mask decoder.

Shape legend: D width of the language model's states, H, W pixel rows and columns, Q queries (the
prompt's state, the mask's token), P cells of the decoder's grid, row by row, C, h, w its channels
and grid, S pixels of the decoder's side, T points.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F
from transformers import AutoImageProcessor

from analysis.catalog.files import MASK_DECODER
from analysis.images import mask_decoder
from analysis.images.mask_decoder import MaskDecoder
from analysis.methods.seg_similarity.answer import GreedyAnswer
from analysis.methods.seg_similarity.points import Points
from analysis.methods.seg_similarity.states import SEG_TOKENS
from analysis.model import VisionLanguageModel

MASK_TOKEN = 1  # index among the decoder's queries; the first predicts the quality


@dataclass(frozen=True)
class SegmentationDecoder:
    """A decoder with its image processor."""

    decoder: MaskDecoder
    processor: Any


def decoder_of(model: VisionLanguageModel) -> SegmentationDecoder | None:
    """The decoder in the model's folder, or None."""
    folder = model.path / MASK_DECODER
    if not (folder / mask_decoder.HEAD_NAME).is_file():
        return None
    processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    return SegmentationDecoder(mask_decoder.load(folder).to(model.device), processor)


def seg_position(model: VisionLanguageModel, answer: GreedyAnswer) -> int | None:
    """Position of the answer's first `<SEG>`, or `[SEG]` of READ's models; None without one."""
    entries = model.tokenizer.get_vocab()
    known = {entries[token] for token in SEG_TOKENS if token in entries}
    written = range(answer.prompt_length, len(answer.ids))
    return next((n for n in written if answer.ids[n] in known), None)


@dataclass(frozen=True)
class Seen:
    """A picture as input to the decoder: `pixels` is the length of the longer side after
    processing, `size` the picture's original height and width.
    """

    decoder: SegmentationDecoder
    seen_1Chw: torch.Tensor
    pixels: int
    size: tuple[int, int]


@dataclass(frozen=True)
class Segmentation:
    """A mask over the picture, the IoU predicted by the decoder, and the decoder's map.

    `maps_QP` are the dot products of the picture's cells with the prompt's state and with the mask
    token after the two-way transformer; None if the prompt has only points.
    """

    mask_HW: torch.Tensor
    quality: float
    maps_QP: torch.Tensor | None
    grid: tuple[int, int]


@torch.no_grad()
def see(decoder: SegmentationDecoder, picture: np.ndarray, device: torch.device) -> Seen:
    """Encode a picture once, for any number of prompts."""
    pixels = decoder.processor(images=[Image.fromarray(picture)], return_tensors="pt")
    pixels_13SS = pixels["pixel_values"].to(device)
    seen_1Chw = mask_decoder.see(decoder.decoder, pixels_13SS)
    size = (picture.shape[0], picture.shape[1])
    return Seen(decoder, seen_1Chw, pixels_13SS.shape[-1], size)


@torch.no_grad()
def segment(
    seen: Seen, state_D: torch.Tensor | None, points: Points | None = None, *, continuous: bool
) -> Segmentation:
    """The mask prompted by a state, by points, or by both.

    `state_D` predicts `<SEG>`, after the final norm. The picture's longer side is scaled to the
    decoder's side; the padding below and to the right is removed.
    """
    device = seen.seen_1Chw.device
    given = {} if points is None else _prompt(points, seen, continuous=continuous)
    created = mask_decoder.masks_of_seen(
        seen.decoder.decoder,
        seen.seen_1Chw,
        None if state_D is None else state_D[None, None],
        **{name: value.to(device) for name, value in given.items()},
    )
    longest = max(seen.size)
    logits_HW = F.interpolate(
        created.logits_BKHW[:, :1], size=(longest, longest), mode="bilinear", align_corners=False
    )[0, 0, : seen.size[0], : seen.size[1]]
    queries_QC = created.queries_BKQC[0, 0][[-1, MASK_TOKEN]]
    maps_QP = None if state_D is None else (queries_QC @ created.cells_BKPC[0, 0].T).cpu()
    grid = (seen.seen_1Chw.shape[-2], seen.seen_1Chw.shape[-1])
    return Segmentation((logits_HW > 0).cpu(), float(created.quality_BK[0, 0]), maps_QP, grid)


def _prompt(points: Points, seen: Seen, *, continuous: bool) -> dict[str, torch.Tensor]:
    places_T2 = points.continuous_T2 if continuous else points.centres_T2
    scale = seen.pixels / max(seen.size)
    return {
        "points_BKT2": (scale * places_T2).float()[None, None],
        "labels_BKT": points.labels_T[None, None],
    }
