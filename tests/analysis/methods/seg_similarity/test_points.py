"""Points of hand-made maps, in both variants."""

import numpy as np
import pytest
import torch

from analysis.methods.seg_similarity.patch_frame import PatchFrame, whole
from analysis.methods.seg_similarity.points import Points, Variant, select_points

SIZE = (40, 40)
CELLS = torch.tensor(
    [[9.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 5.0, 0.0], [0.0, 0.0, 0.0, -9.0]]
)


def select(
    cells: torch.Tensor = CELLS,
    variant: Variant = "paper",
    count: int = 30,
    frame: PatchFrame | None = None,
    sigmas: float = 0.5,
) -> Points:
    grid = (cells.shape[0], cells.shape[1])
    return select_points(
        cells.flatten(), grid, SIZE, frame or whole(SIZE),
        variant=variant, count=count, sigmas=sigmas,
    )  # fmt: skip


def places(points: Points, label: int) -> list[tuple[float, float]]:
    return [(x, y) for x, y in points.centres_T2[points.labels_T == label].tolist()]


def test_the_papers_points_lie_half_a_deviation_from_the_mean() -> None:
    points = select()
    values = CELLS.double()
    mean, half = values.mean(), 0.5 * values.std(correction=0)
    assert (values >= mean + half).sum() == 2
    assert places(points, 1) == [(5.0, 5.0), (25.0, 25.0)]  # the highest first
    assert places(points, 0) == [(35.0, 35.0)]
    assert (points.labels_T == -1).sum() == 13
    assert points.labels_T.tolist()[:4] == [1, 1, 0, -1]


def test_more_deviations_leave_fewer_points() -> None:
    assert places(select(sigmas=2.0), 1) == [(5.0, 5.0)]
    assert len(places(select(sigmas=0.0), 1)) >= 2


def test_the_codes_points_are_those_of_the_halved_grid() -> None:
    """Halving bilinearly is the mean of four: 2.25, 0, 0, −1; the range is from −1 to 2.25."""
    points = select(variant="code")
    assert places(points, 1) == [(10.0, 10.0)]  # 1.0 of the range
    assert places(points, 0) == [(30.0, 30.0)]
    assert places(points, -1) == [(30.0, 10.0), (10.0, 30.0)]  # 0.31 of it


def test_the_codes_thresholds_are_shares_of_the_range() -> None:
    cells = torch.tensor([[1.0, 0.8], [0.2, 0.0]]).repeat_interleave(2, 0).repeat_interleave(2, 1)
    points = select(cells, variant="code")
    assert points.labels_T.tolist() == [1, 1, 0, 0]
    assert places(points, 1) == [(10.0, 10.0), (30.0, 10.0)]
    assert places(points, 0) == [(30.0, 30.0), (10.0, 30.0)]


def test_the_first_so_many_are_kept() -> None:
    assert select(count=2).labels_T.tolist() == [1, 1]
    assert len(select(count=30).labels_T) == 16


def test_no_point_lies_in_the_padding() -> None:
    padded = PatchFrame(-20.0, 0.0, 80.0, 40.0)  # the picture is the middle two columns
    points = select(frame=padded)
    assert (points.centres_T2 >= 0).all()
    assert (points.centres_T2 < 40).all()
    assert places(points, 1) == [(30.0, 25.0)]


def test_a_flat_map_has_undecided_points_alone() -> None:
    for variant in ("paper", "code"):
        assert set(select(torch.ones(4, 4), variant).labels_T.tolist()) == {-1}  # type: ignore[arg-type]


def test_continuous_points_are_weighted_means_of_all_pixels() -> None:
    points = select(count=3)
    cells = CELLS.double()
    unit = ((cells - cells.min()) / (cells.max() - cells.min()))[None, None]
    over = torch.nn.functional.interpolate(unit, SIZE, mode="bilinear")[0, 0].numpy()
    y, x = np.mgrid[0:40, 0:40] + 0.5
    soft = np.exp(over) / np.exp(over).sum()
    for centre, moved in zip(points.centres_T2.numpy(), points.continuous_T2.numpy(), strict=True):
        weights = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2)) * soft
        weights /= weights.sum()
        np.testing.assert_allclose(moved, [(weights * x).sum(), (weights * y).sum()], atol=1e-9)
        assert np.abs(moved - centre).max() < 1


def test_a_point_moves_towards_what_is_higher() -> None:
    cells = torch.arange(16.0).reshape(4, 4)
    points = select(cells, count=16, sigmas=0.0)
    inner = [n for n, (x, y) in enumerate(points.centres_T2.tolist()) if (x, y) == (15.0, 15.0)]
    assert (points.continuous_T2[inner[0]] > points.centres_T2[inner[0]]).all()


@pytest.mark.parametrize("count", [1, 5])
def test_places_and_labels_go_together(count: int) -> None:
    points = select(count=count)
    assert points.centres_T2.shape == points.continuous_T2.shape == (count, 2)
