"""Rules of canvas decoders: properties over arbitrary confidences."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analysis.decoding import selection
from analysis.decoding.selection import MaskedState

share = st.floats(0, 1, width=32)


@st.composite
def views(draw: st.DrawFn) -> MaskedState:
    block = draw(st.integers(1, 24))
    positions = sorted(draw(st.sets(st.integers(0, block - 1), min_size=1)))
    count = len(positions)
    column = st.lists(share, min_size=count, max_size=count)
    return MaskedState(
        positions_M=np.array(positions),
        doubt_M=np.array([selection.doubt(c) for c in draw(column)]),
        entropy_M=np.array(draw(column)) * 8,
        stable_M=np.array(draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))),
        first=0,
        last=block - 1,
    )


def places(choice: selection.Choice) -> set[int]:
    return {pick.place for pick in choice.picks}


@given(views(), share, share, st.integers(0, 30))
def test_every_rule_commits_something_once(
    view: MaskedState, a: float, b: float, width: int
) -> None:
    kappa, tau = max(a, b), min(a, b)
    rules = [
        selection.local_leap(kappa, tau, width), selection.fixed(3), selection.threshold(a),
        selection.factor(0.1 + a), selection.entropy_bound(8 * a), selection.klass(a, 2),
    ]  # fmt: skip
    for rule in rules:
        picks = rule(view).picks
        assert picks
        assert len({pick.place for pick in picks}) == len(picks)


@given(views(), share)
def test_without_width_it_is_the_threshold(view: MaskedState, kappa: float) -> None:
    leap = selection.local_leap(kappa, 0.0, 0)(view)
    assert places(leap) == places(selection.threshold(kappa)(view))
    assert leap.near_misses == []


@given(views(), share, share)
def test_with_all_width_it_is_threshold_tau_where_there_is_an_anchor(
    view: MaskedState, a: float, b: float
) -> None:
    kappa, tau = max(a, b), min(a, b)
    leap = selection.local_leap(kappa, tau, 24)(view)
    if leap.anchors:
        assert places(leap) == places(selection.threshold(tau)(view))


@given(views(), share, share, st.integers(0, 30))
def test_a_wider_neighbourhood_and_a_lower_tau_commit_no_less(
    view: MaskedState, a: float, b: float, width: int
) -> None:
    kappa, tau = max(a, b), min(a, b)
    narrow = selection.local_leap(kappa, tau, width)(view)
    if narrow.anchors:
        assert places(narrow) <= places(selection.local_leap(kappa, tau, width + 1)(view))
        assert places(narrow) <= places(selection.local_leap(kappa, tau / 2, width)(view))


@given(views(), share, st.integers(0, 30))
def test_intervals_hold_what_is_near_and_nothing_else(
    view: MaskedState, kappa: float, width: int
) -> None:
    choice = selection.local_leap(kappa, 0.0, width)(view)
    inside = [at for low, high in choice.neighbourhood for at in range(low, high + 1)]
    near = [
        at
        for at in range(view.first, view.last + 1)
        if any(abs(at - anchor) <= width for anchor in choice.anchors)
    ]
    assert inside == near


@given(views())
def test_vanilla_takes_the_first_of_the_most_confident(view: MaskedState) -> None:
    (pick,) = selection.fixed(1)(view).picks
    assert pick.place == int(np.argmin(view.doubt_M))
