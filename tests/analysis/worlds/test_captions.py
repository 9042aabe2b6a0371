from collections import Counter
from itertools import pairwise
from random import Random

import numpy as np
import pytest

from analysis.worlds.captions import (
    GROUND,
    LEAKING,
    SIZE,
    Caption,
    Kind,
    caption,
    held_out,
    layout,
    leaking_caption,
    lone_caption,
    quarters,
    training_caption,
)
from analysis.worlds.shapes import COLOURS as COLOUR_NAMES
from analysis.worlds.shapes import SHAPES, coverage, picture
from tests.analysis.worlds.caption_reader import COLOURS, read

MANY = 400
CORNERS = {"circle": 0, "square": 1, "triangle": 2, "cross": 3}


def drawn(count: int = MANY) -> list[Caption]:
    return [training_caption(Random(n), items=1 + n % 3) for n in range(count)]


@pytest.mark.parametrize("items", [1, 2, 3])
def test_the_truth_is_what_a_reader_finds(items: int) -> None:
    for n in range(MANY):
        each = caption(Random(n), items=items)
        assert read(each.text) == list(each.looks), each.text


@pytest.mark.parametrize("kind", LEAKING)
def test_a_reader_finds_what_leaks_too(kind: Kind) -> None:
    for n in range(MANY):
        each = leaking_caption(Random(n), kind)
        assert read(each.text) == list(each.looks), each.text
        item = each.leaking
        assert item
        assert item.kind == kind
        company = next(other for other in each.items if other is not item)
        assert item.colour == company.colour != item.own_colour
        assert (item.look == company.look) == (kind == "mimic")
        assert item.own_shape != company.shape


@pytest.mark.parametrize("kind", LEAKING)
def test_alone_an_item_is_what_its_phrase_says(kind: Kind) -> None:
    for n in range(MANY):
        each = lone_caption(Random(n), kind)
        [item], [(colour, shape)] = each.items, read(each.text)
        assert (item.own_colour, item.own_shape) == item.look == (colour, shape)
        assert each.leaking is None


def test_words_lie_where_they_are_said_to() -> None:
    parts = {"that": "link", "is": "link", "painted": "link", "one": "determiner"}
    for each in drawn():
        for item in each.items:
            assert each.text[item.start : item.end] == item.phrase
            words = [each.text[word.start : word.end] for word in item.words]
            assert words == item.phrase.split()
            for word, written in zip(item.words, words, strict=True):
                assert word.part == parts.get(written, word.part)
                assert COLOURS.get(written) == (item.colour if word.part == "colour" else None)


def test_an_article_fits_its_word() -> None:
    for each in drawn():
        words = each.text.replace(",", "").split()
        for article, word in pairwise(words):
            if article in ("a", "an"):
                assert (article == "an") == (word[0] in "aeiou"), each.text


def test_a_seed_gives_the_same_caption_and_picture() -> None:
    one, again, other = (training_caption(Random(seed), items=2) for seed in (3, 3, 4))
    assert one == again != other
    assert layout(Random(1), one.placed) == layout(Random(1), again.placed)


def test_held_out_pairs_stay_out_of_training() -> None:
    assert not any(held_out(each.looks) for each in drawn())
    for n in range(100):
        assert held_out(caption(Random(n), items=2, novel=True).looks)


def test_every_kind_and_colour_occurs_in_training() -> None:
    kinds = Counter(item.kind for each in drawn() for item in each.items)
    assert set(kinds) == {"stated", "named", *LEAKING}
    assert len({item.look for each in drawn() for item in each.items}) == 24


@pytest.mark.parametrize("items", [1, 2, 3, 4])
def test_each_item_has_a_quarter_and_the_first_of_a_shape_its_corner(items: int) -> None:
    rng = Random(items)
    for _ in range(MANY):
        shapes = [rng.choice(list(SHAPES)) for _ in range(items)]
        places = quarters([(rng.choice(list(COLOUR_NAMES)), shape) for shape in shapes])
        assert len(set(places)) == items
        for shape, corner in CORNERS.items():
            if shape in shapes:
                assert places[shapes.index(shape)] == corner


def test_the_others_of_a_shape_have_the_next_free_quarters() -> None:
    red, blue = "red", "blue"
    assert quarters([(red, "circle"), (blue, "circle")]) == [0, 1]
    assert quarters([(red, "cross"), (blue, "cross")]) == [3, 0]
    assert quarters([(red, "circle"), (blue, "circle"), (red, "square")]) == [0, 2, 1]
    assert quarters([(red, "cross"), (red, "circle"), (blue, "cross")]) == [3, 0, 1]


@pytest.mark.parametrize("kind", LEAKING)
def test_an_item_that_leaks_leaves_its_company_in_place(kind: Kind) -> None:
    """So that, after the fix, it is next to it."""
    for n in range(MANY):
        each = leaking_caption(Random(n), kind)
        company = next(item for item in each.items if item is not each.leaking)
        assert dict(zip(each.items, each.placed, strict=True))[company] == (
            company.look,
            CORNERS[company.shape],
        )
        assert len({place for _, place in each.placed}) == 2


def test_items_never_touch_and_lie_inside() -> None:
    for n in range(100):
        rng = Random(n)
        things = layout(rng, [(("red", rng.choice(list(SHAPES))), n) for n in range(4)])
        covers = np.stack([coverage(thing, SIZE) for thing in things])
        assert ((covers > 0).sum(axis=0) <= 1).all()
        wide = np.pad(picture(things, ground=GROUND, size=SIZE), ((1, 1), (1, 1), (0, 0)))
        assert wide.shape == (SIZE + 2, SIZE + 2, 3)
        for thing in things:
            assert 0 <= thing.x - thing.radius <= thing.x + thing.radius <= SIZE
            assert 0 <= thing.y - thing.radius <= thing.y + thing.radius <= SIZE
