"""Maps and metrics, computed explicitly and in another way."""

import numpy as np
import pytest
import torch

from analysis.methods.seg_similarity import similarity
from analysis.methods.seg_similarity.similarity import MEASURES, SCORES


def by_hand(patches: np.ndarray, query: np.ndarray, neutral: np.ndarray) -> dict[str, np.ndarray]:
    """The definitions patch by patch in float64, one layer: patches [P, D], query [D]."""
    mean, spread = patches.mean(0), patches.std(0)
    scaled = [np.divide(h - mean, spread, where=spread > 0, out=np.zeros_like(h)) for h in patches]
    asked = np.divide(query - mean, spread, where=spread > 0, out=np.zeros_like(query))
    return {
        "dot": np.array([h @ query for h in patches]),
        "cosine": np.array(
            [h @ query / np.linalg.norm(h) / np.linalg.norm(query) for h in patches]
        ),
        "centred": np.array([(h - mean) @ (query - mean) for h in patches]),
        "z_scored": np.array([h @ asked for h in scaled]),
        "minus_neutral": np.array([h @ query - h @ neutral for h in patches]),
    }


@pytest.mark.parametrize("patches", [1, 2, 63])
def test_scores_are_their_definitions(patches: int) -> None:
    rng = np.random.default_rng(patches)
    states = rng.normal(size=(3, patches, 8))
    states[..., 5] = 0.5  # the same in every patch: tells none from another
    queries, neutral = rng.normal(size=(3, 2, 8)), rng.normal(size=(3, 8))
    prepared = similarity.Patches.prepare(torch.from_numpy(states))
    found = similarity.similarity(prepared, torch.from_numpy(queries), torch.from_numpy(neutral))
    for layer, query in np.ndindex(3, 2):
        expected = by_hand(states[layer], queries[layer, query], neutral[layer])
        for number, name in enumerate(SCORES):
            np.testing.assert_allclose(
                found[query, number, layer], expected[name], atol=1e-9, err_msg=name
            )


def test_a_map_is_spread_from_its_least_to_its_greatest_value() -> None:
    maps = torch.tensor([[[-1.0, 3.0, 1.0, -1.0]]])
    spread = similarity.spread_maps(maps, (2, 2), (4, 4))[0, 0]
    assert spread[0, 0] == 0.0
    assert spread[0, 3] == 1.0
    assert spread[3, 0] == 0.5
    flat = similarity.spread_maps(torch.ones(1, 1, 4), (2, 2), (4, 4))
    assert (flat == 0).all()


def test_each_corner_of_the_grid_lies_in_its_corner_of_the_picture() -> None:
    for corner, (row, column) in enumerate([(0, 0), (0, 7), (7, 0), (7, 7)]):
        cells = torch.zeros(8, 8)
        cells[row, column] = 1.0
        mask = similarity.threshold_mask(cells.flatten(), (8, 8), (64, 64))
        rows, columns = mask.nonzero(as_tuple=True)
        assert (rows.min() >= 56) if row else (rows.max() < 8), corner
        assert (columns.min() >= 56) if column else (columns.max() < 8), corner


def measured(cells: torch.Tensor, mask: torch.Tensor) -> dict[str, float]:
    grid = (cells.shape[0], cells.shape[1])
    found = similarity.measures(cells.flatten()[None, None], mask, grid)
    return dict(zip(MEASURES, found[:, 0, 0].tolist(), strict=True))


def test_a_map_of_the_truth_itself_is_perfect() -> None:
    mask = torch.zeros(64, 64, dtype=torch.bool)
    mask[16:40, 8:32] = True
    cells = mask.reshape(8, 8, 8, 8).float().mean((1, 3))
    found = measured(cells, mask)
    assert (found["auc"], found["pointing"]) == (1.0, 1.0)
    assert found["iou"] > 0.8  # bilinear corners are round
    turned = measured(-cells, mask)
    assert (turned["auc"], turned["pointing"]) == (0.0, 0.0)
    assert max(turned["iou"], turned["iou_sigma"], turned["iou_area"]) < 0.1


def test_a_flat_map_tells_nothing() -> None:
    mask = torch.zeros(64, 64, dtype=torch.bool)
    mask[:8, 8:16] = True
    flat = measured(torch.ones(8, 8), mask)
    assert flat == {
        "auc": 0.5, "iou": 0.0, "iou_sigma": 0.0, "iou_area": pytest.approx(1 / 64), "pointing": 0.0
    }  # fmt: skip


def test_overlaps_at_each_threshold_are_their_definitions() -> None:
    rng = np.random.default_rng(4)
    cells = torch.from_numpy(rng.normal(size=(5, 7))).float()
    mask = torch.zeros(40, 56, dtype=torch.bool)
    mask[7:23, 18:40] = True
    found = measured(cells, mask)
    unit = ((cells - cells.min()) / (cells.max() - cells.min()))[None, None]
    over = torch.nn.functional.interpolate(unit, (40, 56), mode="bilinear")[0, 0]
    sigma = unit.mean() + 0.5 * unit.std(correction=0)
    highest = over.flatten().sort(descending=True).values[int(mask.sum()) - 1]
    for name, shown in [
        ("iou", over > 0.5), ("iou_sigma", over > sigma), ("iou_area", over >= highest)
    ]:  # fmt: skip
        expected = (shown & mask).sum() / (shown | mask).sum()
        assert found[name] == pytest.approx(float(expected), abs=2e-3), name


def test_a_large_picture_is_measured_scaled_down() -> None:
    cells = torch.from_numpy(np.random.default_rng(5).normal(size=(6, 6))).float()
    mask = torch.zeros(1024, 1024, dtype=torch.bool)
    mask[256:512, 512:768] = True
    large, small = measured(cells, mask), measured(cells, mask[::4, ::4])
    assert large == pytest.approx(small)


def test_rank_correlation_is_that_of_ranks() -> None:
    one, other = torch.tensor([3.0, 1.0, 2.0, 9.0]), torch.tensor([8.0, 2.0, 7.0, 9.0])
    assert similarity.rank_correlation(one, other) == pytest.approx(1.0)
    assert similarity.rank_correlation(one, -other) == pytest.approx(-1.0)
    assert similarity.rank_correlation(torch.ones(4), other) == 0.0


def test_a_patch_is_inside_from_a_quarter_on() -> None:
    mask = torch.zeros(16, 16, dtype=torch.bool)
    mask[0:4, 0:4] = True  # a quarter of the first patch of 8 × 8
    mask[0:4, 8:11] = True  # less of the second
    assert similarity.inside_patches(mask, (2, 2)).tolist() == [True, False, False, False]
    mask[0, 0] = False
    assert similarity.inside_patches(mask, (2, 2)).tolist() == [True, False, False, False]
    assert not similarity.inside_patches(torch.zeros(16, 16, dtype=torch.bool), (2, 2)).any()


@pytest.mark.parametrize(("pixels", "inside"), [(255, False), (256, True), (257, True)])
def test_a_quarter_is_256_of_1024_pixels(pixels: int, inside: bool) -> None:  # noqa: FBT001
    """Next to a patch that is filled completely, so that no patch counts as the fullest one."""
    mask = torch.zeros(64, 64, dtype=torch.bool)
    mask[32:, 32:] = True
    mask[torch.arange(pixels) // 32, torch.arange(pixels) % 32] = True
    assert similarity.inside_patches(mask, (2, 2)).tolist() == [inside, False, False, True]


def test_the_overlap_of_nothing_with_nothing_is_none() -> None:
    nothing, all_of_it = torch.zeros(4, 4, dtype=torch.bool), torch.ones(4, 4, dtype=torch.bool)
    assert similarity.overlap(nothing, nothing) == 0
    assert similarity.overlap(all_of_it, all_of_it) == 1
    assert similarity.overlap(all_of_it, nothing) == 0
