import numpy as np
import pytest

from analysis.worlds.shapes import COLOURS, GROUNDS, SHAPES, Shape, coverage, picture

AREAS = {"circle": np.pi, "square": 1.72**2, "triangle": 1.71, "cross": 4 * 0.5556}


@pytest.mark.parametrize("shape", SHAPES)
def test_coverage_is_the_area(shape: str) -> None:
    covered = coverage(Shape(shape, "red", 16, 16, 10), 32)
    assert covered.sum() == pytest.approx(AREAS[shape] * 100, rel=0.06)
    assert covered.min() == 0
    assert covered.max() == 1


def test_the_last_is_on_top() -> None:
    pixels = picture(
        [Shape("circle", "red", 8, 8, 6), Shape("square", "blue", 8, 8, 2)], ground="grey", size=16
    )
    assert tuple(pixels[8, 8]) == COLOURS["blue"]
    assert tuple(pixels[8, 4]) == COLOURS["red"]
    assert tuple(pixels[0, 0]) == GROUNDS["grey"]


def test_what_lies_outside_is_cut_off() -> None:
    assert coverage(Shape("circle", "red", 0, 0, 6), 16).sum() == pytest.approx(np.pi * 9, rel=0.2)
