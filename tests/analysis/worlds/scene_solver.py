"""Finds what a question about a scene means by trying every thing, from geometry alone."""

import re

from analysis.worlds.scenes import SIZE, Scene
from analysis.worlds.shapes import Shape, coverage

QUESTION = re.compile(
    r"(?:Where is|Find|Show) the (?:(?P<most>\w+most|largest|smallest) )?(?P<group>[\w ]+?)"
    r"(?: (?P<relation>left of|right of|above|below) the (?P<anchor>\w+ \w+))?[.?]"
)
PLACES = {"top": 0, "middle": 1, "bottom": 2, "left": 0, "centre": 1, "right": 2}


def size_of(thing: Shape) -> str:
    """The word for a radius."""
    return "small" if thing.radius < 7 else "medium" if thing.radius < 10 else "large"


def fits(words: str, thing: Shape) -> bool:
    """Whether every word holds of the thing."""
    return set(words.split()) <= {"thing", size_of(thing), thing.colour, thing.shape}


def solve(scene: Scene, question: str) -> list[int]:
    """Indices of all things that the question can mean."""
    asked = QUESTION.fullmatch(question)
    assert asked is not None, question
    drawn = [thing.drawn for thing in scene.things]
    found = [n for n, thing in enumerate(drawn) if fits(asked["group"], thing)]
    if asked["relation"]:
        (anchor,) = [thing for thing in drawn if fits(asked["anchor"], thing)]
        found = [n for n in found if _lies(asked["relation"], drawn[n], anchor)]
    if asked["most"] and found:
        marks = {n: _mark(asked["most"], drawn[n]) for n in found}
        found = [n for n in found if marks[n] == max(marks.values())]
    return found


def _lies(relation: str, thing: Shape, anchor: Shape) -> bool:
    """Whether the one centre lies to that side of the other; a thing does not of itself."""
    across, down = thing.x - anchor.x, thing.y - anchor.y
    return {
        "left of": across < 0,
        "right of": across > 0,
        "above": down < 0,
        "below": down > 0,
    }[relation]


def _mark(most: str, thing: Shape) -> float:
    return {
        "leftmost": -thing.x,
        "rightmost": thing.x,
        "topmost": -thing.y,
        "bottommost": thing.y,
        "largest": float(coverage(thing, SIZE).sum()),
        "smallest": -float(coverage(thing, SIZE).sum()),
    }[most]


def describes(answer: str, thing: Shape) -> bool:
    """Whether an answer of the form "The small red circle at the top left <SEG>." is right."""
    told = re.fullmatch(r"The (\w+ \w+ \w+) at the (\w+) (\w+) <SEG>\.", answer)
    assert told is not None, answer
    row, column = PLACES[told[2]], PLACES[told[3]]
    third = SIZE / 3
    in_row, in_column = (
        row * third < thing.y < (row + 1) * third,
        (column * third < thing.x < (column + 1) * third),
    )
    return fits(told[1], thing) and in_row and in_column
