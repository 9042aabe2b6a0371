"""Scenes and questions: the same for a seed, correct by another computation, clear by a margin."""

from collections import Counter
from random import Random

import numpy as np
import pytest

from analysis.worlds.scene_questions import (
    FALSE_FORMS,
    KINDS,
    MARGIN,
    NONE,
    ORDERS,
    RATIO,
    SUPERLATIVES,
    FalseForm,
    Kind,
    SceneQuestion,
    expression,
    item,
    listing,
)
from analysis.worlds.scenes import RADII, SIZE, Split, scene
from analysis.worlds.shapes import coverage, picture
from tests.analysis.worlds.scene_solver import describes, fits, size_of, solve

COUNT = 400


def items(kind: Kind | None = None, *, split: Split = "train") -> list[SceneQuestion]:
    return [item(Random(f"test {n}"), kind=kind, split=split) for n in range(COUNT)]


def test_same_seed_same_item() -> None:
    one, again, other = (item(Random(seed)) for seed in (5, 5, 6))
    assert one == again != other
    assert np.array_equal(one.picture, again.picture)
    assert np.array_equal(one.mask, again.mask)


@pytest.mark.parametrize("kind", KINDS)
def test_solver_finds_what_is_meant(kind: Kind) -> None:
    for each in items(kind):
        meant = each.expression.referent
        assert each.kind == kind
        assert solve(each.scene, each.question) == ([] if meant is None else [meant])


def test_answer_describes_what_is_meant() -> None:
    for each in items():
        if each.expression.referent is None:
            assert (each.kind, each.answer) == ("none", NONE)
        else:
            drawn = [thing.drawn for thing in each.scene.things]
            assert describes(each.answer, drawn[each.expression.referent])


def test_mask_is_what_is_seen_of_it() -> None:
    for each in items()[:100]:
        meant = each.expression.referent
        if meant is None:
            assert not each.mask.any()
            continue
        above = each.scene.things[meant + 1 :]
        covered = [coverage(thing.drawn, SIZE) >= 0.5 for thing in above]
        own = coverage(each.scene.things[meant].drawn, SIZE) >= 0.5
        assert np.array_equal(each.mask, own & ~np.any([np.zeros_like(own), *covered], axis=0))


def test_picture_is_what_the_shapes_paint() -> None:
    for each in items()[:20]:
        things = [thing.drawn for thing in each.scene.things]
        assert np.array_equal(each.picture, picture(things, ground=each.scene.ground, size=SIZE))


def test_things_are_seen_and_their_words_are_clear() -> None:
    shown = []
    for n in range(COUNT):
        where = scene(Random(n))
        for index, thing in enumerate(where.things):
            drawn = thing.drawn
            assert drawn.radius == RADII[thing.size]
            assert thing.size == size_of(drawn)
            assert min(abs(at - SIZE * k / 3) for at in (drawn.x, drawn.y) for k in (1, 2)) > 1
            shown.append(where.mask(index).sum() / (coverage(drawn, SIZE) >= 0.5).sum())
    assert 0.5 < min(shown) < 0.9 < max(shown) == 1


def test_superlatives_and_relations_hold_by_the_margin() -> None:
    for each in items("superlative"):
        word, *group = each.question.split(" the ")[-1].rstrip("?.").split()
        best = each.expression.referent
        drawn = [thing.drawn for thing in each.scene.things if fits(" ".join(group), thing.drawn)]
        first = each.scene.things[best].drawn
        others = [thing for thing in drawn if thing != first]
        assert others
        if word in ("largest", "smallest"):
            ratios = [first.radius / thing.radius for thing in others]
            assert min(ratios) >= RATIO or 1 / max(ratios) >= RATIO
        else:
            axis = "x" if word in ("leftmost", "rightmost") else "y"
            gaps = [abs(getattr(first, axis) - getattr(thing, axis)) for thing in others]
            assert min(gaps) >= MARGIN


def test_held_out_things_never_stand_together_in_training() -> None:
    def inventory(each: SceneQuestion) -> tuple[str, ...]:
        return tuple(sorted(f"{it.colour} {it.shape}" for it in each.scene.things))

    trained = {inventory(each) for each in items()}
    held_out = {inventory(each) for each in items(split="held out")}
    assert not trained & held_out
    assert len(held_out) > COUNT / 4


def test_kinds_and_wordings_are_all_drawn() -> None:
    drawn = items()
    kinds = Counter(each.kind for each in drawn)
    forms = Counter(each.expression.form for each in drawn if each.kind == "none")
    starts = Counter(each.question.split(" the ")[0] for each in drawn)
    assert all(kinds[kind] > COUNT / 6 for kind in KINDS)
    assert all(forms[form] > COUNT / 30 for form in KINDS[:3])
    assert all(starts[start] > COUNT / 5 for start in ("Where is", "Find", "Show"))


@pytest.mark.parametrize("form", FALSE_FORMS)
def test_false_premises_fail_in_the_form_that_is_asked_for(form: FalseForm) -> None:
    made = 0
    for n in range(COUNT // 4):
        where = scene(Random(n))
        found = expression(Random(n), where, kind="none", false_forms={form: 1.0})
        if found is None:
            continue
        made += 1
        assert found.form in (("attribute", "superlative") if form == "crossed" else (form,))
        assert (found.referent, solve(where, f"Find {found.words}.")) == (None, [])
        words = found.words.removeprefix("the ").split()
        told = {word for thing in where.things for word in str(thing).split()} | set(SUPERLATIVES)
        assert form != "crossed" or set(words) <= told
    assert made > COUNT / 8


def test_listing_names_all_things_in_order() -> None:
    orders = set()
    for n in range(60):
        rng = Random(n)
        where = scene(rng)
        found = listing(rng, where)
        if found is None:
            continue
        order = found[0].removeprefix("List all things from ").rstrip(".")
        orders.add(order)
        mark = {
            "left to right": lambda it: it.drawn.x,
            "top to bottom": lambda it: it.drawn.y,
            "large to small": lambda it: -it.drawn.radius,
        }[order]
        named = ", ".join(f"the {thing}" for thing in sorted(where.things, key=mark))
        assert found[1] == f"T{named[1:]}."
    assert orders == set(ORDERS)
