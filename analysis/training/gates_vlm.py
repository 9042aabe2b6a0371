"""What a vision-language model of the scene world must reach, measured on held-out items.

Shape legend: L layers (0: what enters the first block; last: after the final norm), N token
positions, P patches of the picture, row by row, S scores, H, W pixel rows and columns, D width of
states.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from PIL import Image
from torch import Tensor
from transformers import (
    AutoImageProcessor,
    AutoProcessor,
    BaseImageProcessor,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)

from analysis.images.mask_decoder import MaskDecoder, load, masks
from analysis.methods.seg_similarity.similarity import SCORES, Patches, similarity
from analysis.training.report import Measured
from analysis.training.scene_batches import IMAGE, patch_shares
from analysis.training.vlm import DECODER_NAME, FOLDER
from analysis.worlds.scene_questions import KINDS, SEG, Kind, SceneQuestion, item

ITEMS = 250  # per kind
INSIDE_SHARE = 0.25  # of a patch that the thing fills, for the patch to be within it
MAX_NEW_TOKENS = 20
REQUIRED_IOU, REQUIRED_REFERENTS, REQUIRED_NONE, REQUIRED_AUC = 0.7, 0.9, 0.9, 0.9


@dataclass(frozen=True, slots=True)
class LoadedVlm:
    """All that is loaded from the model's folder."""

    llava: LlavaForConditionalGeneration
    processor: LlavaProcessor
    decoder: MaskDecoder
    decoder_processor: BaseImageProcessor


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """What the model makes of an item.

    `answer`: its greedy answer. `mask_HW`: the mask of its first `<SEG>`, empty without one.
    `maps_SLP`: how like the state that predicts that `<SEG>` is to the states of the patches, by
    each of `similarity.SCORES` and layer; None without one. The first score is the dot product.
    """

    item: SceneQuestion
    answer: str
    mask_HW: Bool[np.ndarray, "H W"]
    maps_SLP: Float[np.ndarray, "S L P"] | None

    @property
    def iou(self) -> float:
        """Intersection over union of the mask with the truth; of an item that has a referent."""
        truth_HW = self.item.mask
        return float((self.mask_HW & truth_HW).sum() / (self.mask_HW | truth_HW).sum())

    @property
    def referent(self) -> int | None:
        """The thing that the mask overlaps best, None if it overlaps none."""
        truths = [self.item.scene.mask(n) for n in range(len(self.item.scene.things))]
        shares = [(self.mask_HW & it).sum() / (self.mask_HW | it).sum() for it in truths]
        return int(np.argmax(shares)) if max(shares) > 0 else None

    @property
    def inside_P(self) -> Bool[np.ndarray, "P"]:
        """Which patches the referent fills to a quarter or more."""
        inside_P: np.ndarray = patch_shares(self.item.mask[None])[0] >= INSIDE_SHARE
        return inside_P


def model_load(folder: Path = FOLDER) -> LoadedVlm:
    """The model of a folder, in float32."""
    return LoadedVlm(
        LlavaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32),
        AutoProcessor.from_pretrained(folder),
        load(folder / DECODER_NAME),
        AutoImageProcessor.from_pretrained(folder / DECODER_NAME),
    )


def held_out_items(count: int, *, kind: Kind) -> list[SceneQuestion]:
    """`count` items of things that never stand together in training, the same at every call."""
    return [item(Random(f"{kind} {n}"), kind=kind, split="held out") for n in range(count)]


def read(model: LoadedVlm, items: Sequence[SceneQuestion], *, batch: int = 50) -> list[ModelAnswer]:
    """What the model makes of each item, in their order."""
    lengths = [len(model.processor.tokenizer(it.question).input_ids) for it in items]
    order = sorted(range(len(items)), key=lengths.__getitem__)
    found: dict[int, ModelAnswer] = {}
    for _, group in groupby(order, key=lengths.__getitem__):
        indices = list(group)
        for at in range(0, len(indices), batch):
            chosen = indices[at : at + batch]
            found |= zip(chosen, _read_batch(model, [items[n] for n in chosen]), strict=True)
    return [found[n] for n in range(len(items))]


@torch.inference_mode()
def _read_batch(model: LoadedVlm, items: Sequence[SceneQuestion]) -> list[ModelAnswer]:
    """Items whose questions have as many tokens."""
    pictures = [Image.fromarray(it.picture) for it in items]
    texts = [f"{IMAGE}{it.question}" for it in items]
    inputs = model.processor(images=pictures, text=texts, return_tensors="pt")
    ids_BN: Tensor = cast(Any, model.llava).generate(
        **inputs, do_sample=False, max_new_tokens=MAX_NEW_TOKENS
    )
    before_B = before_seg(model.processor, ids_BN)
    states_LBND = torch.stack(
        model.llava(
            input_ids=ids_BN, pixel_values=inputs["pixel_values"], output_hidden_states=True
        ).hidden_states
    )
    query_LBD = states_LBND[:, torch.arange(len(items)), before_B]
    is_patch_BN = ids_BN == model.llava.config.image_token_id
    patches_LBPD = states_LBND[:, is_patch_BN].unflatten(1, (len(items), -1))
    first_word = int(is_patch_BN[0].nonzero().max()) + 1  # neutral, as in the method's defaults
    maps_BSLP = torch.stack(
        [
            similarity(Patches.prepare(patches_LPD), query_LD[:, None], states_LND[:, first_word])[
                0
            ]
            for patches_LPD, query_LD, states_LND in zip(
                patches_LBPD.unbind(1), query_LBD.unbind(1), states_LBND.unbind(1), strict=True
            )
        ]
    )
    pixels = model.decoder_processor(images=pictures, return_tensors="pt")["pixel_values"]
    created = masks(model.decoder, pixels, query_LBD[-1][:, None])
    inside_BHW = (created.logits_BKHW[:, 0] > 0) & (before_B > 0)[:, None, None]
    new_BN = ids_BN[:, inputs["input_ids"].shape[1] :]
    answers = model.processor.batch_decode(new_BN, skip_special_tokens=True)
    return [
        ModelAnswer(
            it, answers[n].strip(), inside_BHW[n].numpy(), maps_BSLP[n].numpy() if at else None
        )
        for n, (it, at) in enumerate(zip(items, before_B.tolist(), strict=True))
    ]


def before_seg(processor: LlavaProcessor, ids_BN: Int[Tensor, "B N"]) -> Int[Tensor, "B"]:
    """The position before the first `<SEG>`: its state predicts it. 0 without one."""
    is_seg_BN = ids_BN == processor.tokenizer.convert_tokens_to_ids(SEG)
    return torch.where(is_seg_BN.any(1), is_seg_BN.int().argmax(1) - 1, 0)


def area_under_curve(
    map_LP: Float[np.ndarray, "L P"], inside_P: Bool[np.ndarray, "P"]
) -> Float[np.ndarray, "L"]:
    """Per layer, how often a patch within the mask scores above one outside; a tie is half."""
    inside, outside = map_LP[:, inside_P, None], map_LP[:, None, ~inside_P]
    shares: np.ndarray = ((inside > outside) + 0.5 * (inside == outside)).mean(axis=(1, 2))
    return shares


def vlm_rows(folder: Path = FOLDER, *, items: int = ITEMS) -> list[Measured]:
    """The gates of the model in `folder` on `items` held-out items of each kind."""
    model = model_load(folder)
    return rows_of({kind: read(model, held_out_items(items, kind=kind)) for kind in KINDS})


def rows_of(readings: Mapping[Kind, Sequence[ModelAnswer]]) -> list[Measured]:
    """The gates of readings of each kind, and what they are made of."""
    asked = [kind for kind in KINDS if kind != "none"]
    meant = [reading for kind in asked for reading in readings[kind]]
    none = readings["none"]
    rows = [
        Measured("mask IoU, mean", _iou(meant), len(meant), REQUIRED_IOU),
        *(Measured(f"- {kind}", _iou(readings[kind]), len(readings[kind])) for kind in asked),
        Measured("referent segmented", _referents(meant), len(meant), REQUIRED_REFERENTS),
        *(Measured(f"- {kind}", _referents(readings[kind]), len(readings[kind])) for kind in asked),
        Measured("absence recognised", _right(none), len(none), REQUIRED_NONE),
        Measured("exact match", _right(meant), len(meant)),
        *(Measured(f"- {kind}", _right(readings[kind]), len(readings[kind])) for kind in asked),
    ]
    return rows + map_rows(meant)


def map_rows(readings: Sequence[ModelAnswer]) -> list[Measured]:
    """How well the map of the state that predicts `<SEG>` shows the referent.

    The gate is on the dot product, layer by layer; of the other scores the best layer is given.
    """
    mapped = [(it.maps_SLP, it.inside_P) for it in readings if it.maps_SLP is not None]
    if not mapped:
        return [Measured("SEG map: no answer contains <SEG>", 0.0, 0, REQUIRED_AUC)]
    curves_NSL = [
        [area_under_curve(map_LP, inside_P) for map_LP in maps] for maps, inside_P in mapped
    ]
    hits_NSL = [inside_P[maps_SLP.argmax(axis=-1)] for maps_SLP, inside_P in mapped]
    auc_SL, hit_SL = np.mean(curves_NSL, axis=0), np.mean(hits_NSL, axis=0)
    best_S = auc_SL.argmax(axis=1)
    count, best = len(mapped), best_S[0]
    rows = [
        Measured("SEG map, best layer: AUC", float(auc_SL[0, best]), count, REQUIRED_AUC),
        *(Measured(f"- layer {n}: AUC", float(auc), count) for n, auc in enumerate(auc_SL[0])),
        Measured(
            f"SEG map, layer {best}: highest patch inside the object", float(hit_SL[0, best]), count
        ),
    ]
    for score, best, auc_L, hit_L in zip(
        SCORES[1:], best_S[1:], auc_SL[1:], hit_SL[1:], strict=True
    ):
        name = f"- by score {score}, layer {best}"
        rows.append(Measured(f"{name}: AUC", float(auc_L[best]), count))
        rows.append(Measured(f"{name}: highest patch inside the object", float(hit_L[best]), count))
    return rows


def _iou(readings: Sequence[ModelAnswer]) -> float:
    return fmean(reading.iou for reading in readings)


def _referents(readings: Sequence[ModelAnswer]) -> float:
    """Share of items whose mask overlaps the referent better than any other thing."""
    return fmean(each.referent == each.item.expression.referent for each in readings)


def _right(readings: Sequence[ModelAnswer]) -> float:
    """Share of exact answers; for questions without a match, of answers without an object."""
    return fmean(reading.answer == reading.item.answer for reading in readings)
