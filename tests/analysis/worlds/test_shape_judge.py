from random import Random

import numpy as np
import pytest

from analysis.training.gates_t2i import judged_right
from analysis.worlds import shape_judge
from analysis.worlds.captions import GROUND, SIZE, SLOTS, layout
from analysis.worlds.shapes import COLOURS, GROUNDS, SHAPES, Shape, picture

EVERY = [(colour, shape) for colour in COLOURS for shape in SHAPES]


def drawn(*looks: tuple[str, str], seed: int = 0) -> np.ndarray:
    """The looks, each in a quarter of its own, whichever the seed says."""
    return picture(placed(*looks, seed=seed), ground=GROUND, size=SIZE)


def placed(*looks: tuple[str, str], seed: int) -> list[Shape]:
    rng = Random(seed)
    quarters = rng.sample(range(len(SLOTS)), len(looks))
    return layout(rng, list(zip(looks, quarters, strict=True)))


@pytest.mark.parametrize("look", EVERY, ids=" ".join)
def test_each_look_is_seen_wherever_it_is(look: tuple[str, str]) -> None:
    for seed in range(20):
        [detection] = shape_judge.detections(drawn(look, seed=seed))
        [thing] = placed(look, seed=seed)
        assert detection.look == look
        assert detection.thing.x == pytest.approx(thing.x, abs=0.25)
        assert detection.thing.y == pytest.approx(thing.y, abs=0.25)
        assert detection.thing.radius == pytest.approx(thing.radius, rel=0.06)
        assert detection.overlap > 0.85


def test_clean_renders_are_judged_right() -> None:
    assert all(judged_right(300))


@pytest.mark.parametrize(("noise", "least"), [(20.0, 0.98), (40.0, 0.8)])
def test_noise_hurts_late(noise: float, least: float) -> None:
    right = judged_right(200, noise=noise)
    assert np.mean(right) >= least


def test_an_empty_picture_shows_nothing() -> None:
    assert shape_judge.detections(drawn()) == []
    blank = np.full((SIZE, SIZE, 3), GROUNDS[GROUND], dtype=np.uint8)
    rough = blank + np.random.default_rng(0).normal(0, 20, blank.shape)
    assert shape_judge.detections(rough.clip(0, 255).astype(np.uint8)) == []


def test_a_smear_is_no_shape() -> None:
    blank = drawn()
    blank[14:17] = COLOURS["red"]
    assert shape_judge.looks(blank) == []
    blank[:] = COLOURS["red"]
    blank[::2, ::2] = GROUNDS[GROUND]
    assert shape_judge.looks(blank) == []


def test_twice_wanted_is_twice_shown() -> None:
    red, blue = ("red", "circle"), ("blue", "cross")
    one, two = drawn(red, blue), drawn(red, red, blue)
    assert shape_judge.shows(one, [red])
    assert shape_judge.shows(one, [blue, red])
    assert not shape_judge.shows(one, [red, red])
    assert shape_judge.shows(two, [red, red])
    assert not shape_judge.shows(one, [("red", "cross")])


def test_half_a_shape_is_not_taken_for_another_colour() -> None:
    things = [Shape("circle", "orange", 10, 10, 5.5), Shape("square", "red", 24, 24, 5.5)]
    seen = shape_judge.looks(picture(things, ground=GROUND, size=SIZE))
    assert seen == [("orange", "circle"), ("red", "square")]
