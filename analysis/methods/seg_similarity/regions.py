"""The region of an answer: points of the map, masks, and the mask decoder's own map.

Shape legend: L layers and one more (0: what enters the first block; last: after the final norm),
N positions, P patches row by row, S scores, M measures, Q queries of the mask decoder, T points,
H, W pixel rows and columns.
"""

from collections.abc import Generator, Iterator

import numpy as np
import torch

from analysis.events import Event, Progress
from analysis.methods.seg_similarity import segmentation, similarity
from analysis.methods.seg_similarity.events import DecoderMap, MapPoints, Mask, Prompted
from analysis.methods.seg_similarity.patch_frame import PatchFrame, longest_square, shares
from analysis.methods.seg_similarity.points import Points, select_points
from analysis.methods.seg_similarity.segmentation import Seen, Segmentation
from analysis.methods.seg_similarity.states import AnswerStates, PictureQuestion, measures_of


def pointed(looked: AnswerStates) -> Generator[Event, None, list[int]]:
    """Yield points, masks and the second map; return the patches of the mask.

    Without a token that prompts the decoder there is no region.
    """
    params, asked = looked.params, looked.asked
    map_P = looked.chosen_map(looked.first.states_LND)
    points = select_points(
        map_P, looked.grid, asked.size, looked.frame,
        variant=params.points, count=params.point_count, sigmas=params.sigmas,
    )  # fmt: skip
    yield _points_event(points)
    decoder = segmentation.decoder_of(looked.model)
    if decoder is None:
        mask_HW = similarity.threshold_mask(map_P, looked.grid, asked.size, looked.frame)
        yield _mask_event("map", mask_HW, asked, None)
        return _region(mask_HW, looked)
    at = segmentation.seg_position(looked.model, looked.answer)
    if at is None:
        yield Mask(source="none", mask=None, iou=None, quality=None)
        return []
    yield Progress(stage="masking", done=0, total=3, unit="masks")
    seen = segmentation.see(decoder, asked.picture, looked.model.device)
    state_D = looked.first.states_LND[-1, at - 1].to(looked.model.device)
    by_state = segmentation.segment(seen, state_D, continuous=params.continuous)
    yield _mask_event("mask_decoder", by_state.mask_HW, asked, by_state.quality)
    yield _decoder_map(looked, by_state, map_P)
    yield from _point_masks(looked, seen, state_D, points)
    return _region(by_state.mask_HW, looked)


def _region(mask_HW: torch.Tensor, looked: AnswerStates) -> list[int]:
    inside_P = similarity.inside_patches(mask_HW, looked.grid, looked.frame)
    cells: list[int] = inside_P.nonzero()[:, 0].tolist()
    return cells


def _point_masks(
    looked: AnswerStates, seen: Seen, state_D: torch.Tensor, points: Points
) -> Iterator[Mask]:
    prompts: tuple[tuple[Prompted, torch.Tensor | None], ...] = (
        ("points", None),
        ("both", state_D),
    )
    for source, state in prompts if len(points.labels_T) else ():
        found = segmentation.segment(seen, state, points, continuous=looked.params.continuous)
        yield _mask_event(source, found.mask_HW, looked.asked, found.quality)


def _points_event(points: Points) -> MapPoints:
    return MapPoints(
        labels=points.labels_T.numpy().astype(np.int32),
        centres=points.centres_T2.numpy(),
        continuous=points.continuous_T2.numpy(),
    )


def _decoder_map(looked: AnswerStates, found: Segmentation, map_P: torch.Tensor) -> DecoderMap:
    """The map of the decoder's cells, and its agreement with the first map."""
    assert found.maps_QP is not None
    asked, frame = looked.asked, longest_square(looked.asked.size)
    maps_Q1P = found.maps_QP[:, None]
    over = [
        similarity.spread_maps(one[None, None], grid, asked.size, where)[0, 0]
        for one, grid, where in (
            (map_P, looked.grid, looked.frame),
            (found.maps_QP[0], found.grid, frame),
        )
    ]
    own_P = shares(over[1], looked.grid, looked.frame).flatten()
    return DecoderMap(
        scores=found.maps_QP.numpy(),
        rows=found.grid[0],
        columns=found.grid[1],
        frame=corners(frame),
        measures=measures_of(maps_Q1P, asked, found.grid, frame),
        iou=float(similarity.overlap(*(one > similarity.THRESHOLD for one in over))),
        rank_correlation=similarity.rank_correlation(map_P, own_P),
    )


def _mask_event(
    source: Prompted, mask_HW: torch.Tensor, asked: PictureQuestion, quality: float | None
) -> Mask:
    truth_HW = asked.measured_HW
    return Mask(
        source=source,
        mask=mask_HW.numpy().astype(np.uint8),
        iou=None if truth_HW is None else float(similarity.overlap(mask_HW, truth_HW)),
        quality=quality,
    )


def corners(frame: PatchFrame) -> list[float]:
    return [frame.left, frame.top, frame.width, frame.height]
