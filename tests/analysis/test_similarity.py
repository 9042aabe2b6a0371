"""Maps and measures by hand, and by another way of computing them."""

import numpy as np
import pytest
import torch

from analysis import similarity
from analysis.similarity import MEASURES, SCORES


def by_hand(patches: np.ndarray, query: np.ndarray) -> dict[str, np.ndarray]:
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
    }


@pytest.mark.parametrize("patches", [1, 2, 63])
def test_scores_are_their_definitions(patches: int) -> None:
    rng = np.random.default_rng(patches)
    states = rng.normal(size=(3, patches, 8))
    states[..., 5] = 0.5  # the same in every patch: tells none from another
    query = rng.normal(size=(3, 8))
    found = similarity.similarity(torch.from_numpy(states), torch.from_numpy(query))
    for layer in range(3):
        expected = by_hand(states[layer], query[layer])
        for number, name in enumerate(SCORES):
            np.testing.assert_allclose(
                found[number, layer], expected[name], atol=1e-9, err_msg=name
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
    assert measured(-cells, mask) == {"auc": 0.0, "iou": pytest.approx(0, abs=0.1), "pointing": 0.0}


def test_a_flat_map_tells_nothing() -> None:
    mask = torch.zeros(64, 64, dtype=torch.bool)
    mask[:8, 8:16] = True
    assert measured(torch.ones(8, 8), mask) == {"auc": 0.5, "iou": 0.0, "pointing": 0.0}


def test_a_patch_is_inside_from_a_quarter_on() -> None:
    mask = torch.zeros(16, 16, dtype=torch.bool)
    mask[0:4, 0:4] = True  # a quarter of the first patch of 8 × 8
    mask[0:4, 8:11] = True  # less of the second
    assert similarity.inside_patches(mask, (2, 2)).tolist() == [True, False, False, False]
    mask[0, 0] = False
    assert similarity.inside_patches(mask, (2, 2)).tolist() == [True, False, False, False]
    assert not similarity.inside_patches(torch.zeros(16, 16, dtype=torch.bool), (2, 2)).any()


def test_the_overlap_of_nothing_with_nothing_is_none() -> None:
    nothing, all_of_it = torch.zeros(4, 4, dtype=torch.bool), torch.ones(4, 4, dtype=torch.bool)
    assert similarity.overlap(nothing, nothing) == 0
    assert similarity.overlap(all_of_it, all_of_it) == 1
    assert similarity.overlap(all_of_it, nothing) == 0
