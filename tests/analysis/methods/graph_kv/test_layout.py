"""Layouts against the definition: a mask written out token by token, and positions counted."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.methods.graph_kv import edges as drawing
from analysis.methods.graph_kv.edges import Edge
from analysis.methods.graph_kv.events import Role
from analysis.methods.graph_kv.layout import (
    LayoutPlan,
    PromptParts,
    TokenLayout,
    arrange,
    random_orders,
)

often = settings(deadline=None, max_examples=60)
# Built in the test: the types are checked on random entries, which a strategy must not draw.
MakeCase = Callable[[], tuple[PromptParts, LayoutPlan]]
Token = tuple[Role, int, int, int]  # role, segment, round, number in its block


def parts_of(lengths: list[int], prefix: int = 1, question: int = 2) -> PromptParts:
    return PromptParts(
        [0] * prefix, [[10 + n] * size for n, size in enumerate(lengths)], [9] * question
    )


def tokens_of(layout: TokenLayout) -> list[Token]:
    """Every token with the copy that it belongs to; the answer's place counts as question."""
    ending = [b for b in layout.blocks if b.role in ("question", "answer")]
    copies = [b for b in layout.blocks if b not in ending]
    held: list[Token] = [
        (b.role, -1 if b.segment is None else b.segment, b.round or 0, at)
        for b in copies
        for at in range(len(b.ids))
    ]
    held += [("question", -1, 0, at) for at in range(sum(len(b.ids) for b in ending))]
    return held


def mask_by_definition(layout: TokenLayout, plan: LayoutPlan) -> np.ndarray:
    tokens = tokens_of(layout)
    return np.array([[_reads(i, j, plan) for j in tokens] for i in tokens])


def _reads(reader: Token, read: Token, plan: LayoutPlan) -> bool:
    if reader[:3] == read[:3]:
        return read[3] <= reader[3]
    if reader[0] == "question":
        return True
    if read[0] == "question" or reader[0] == "prefix":
        return False
    if read[0] == "prefix":
        return plan.prefix_to_all or plan.mode == "sequential"
    return _copy_reads(reader[1:3], read[1:3], plan)


def _copy_reads(reader: tuple[int, int], read: tuple[int, int], plan: LayoutPlan) -> bool:
    (target, target_round), (source, source_round) = reader, read
    order = plan.order or tuple(range(99))
    if plan.mode == "sequential":
        return order.index(source) < order.index(target)
    if plan.mode == "full":
        return target_round == 1 and source_round == 0
    if (source, target) not in plan.edges or plan.mode == "parallel":
        return False
    if plan.rounds == 0:
        return True
    is_target = any(t == source for _, t in plan.edges)
    return target_round > 0 and source_round == (target_round - 1 if is_target else 0)


def dense(layout: TokenLayout) -> np.ndarray:
    return layout.structure.mask().numpy()


@st.composite
def plans(draw: st.DrawFn) -> MakeCase:
    """Any lengths, edges without a cycle or unrolled ones, any order and mode that has edges."""
    lengths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=6))
    pairs = [(a, b) for a in range(len(lengths)) for b in range(len(lengths)) if a != b]
    rounds = draw(st.integers(0, 3))
    if not rounds:
        ranks = draw(st.permutations(range(len(lengths))))
        pairs = [(a, b) for a, b in pairs if ranks[a] < ranks[b]]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    plan = partial(
        LayoutPlan,
        mode=draw(st.sampled_from(["graph", "graph_ordered", "sequential", "parallel", "full"])),
        edges=tuple(edges),
        rounds=rounds,
        prefix_to_all=draw(st.booleans()),
        order=tuple(draw(st.permutations(range(len(lengths))))),
    )
    prefix, question = draw(st.integers(0, 3)), draw(st.integers(1, 4))
    return partial(make_case, lengths, prefix, question, plan)


def make_case(
    lengths: list[int], prefix: int, question: int, plan: Callable[[], LayoutPlan]
) -> tuple[PromptParts, LayoutPlan]:
    return parts_of(lengths, prefix, question), plan()


@often
@given(plans())
def test_the_mask_is_the_definition_written_out(make: MakeCase) -> None:
    parts, plan = make()
    layout = arrange(parts, plan)
    np.testing.assert_array_equal(dense(layout), mask_by_definition(layout, plan))


@often
@given(plans())
def test_runs_are_the_mask(make: MakeCase) -> None:
    layout = arrange(*make())
    rows, starts, stops = layout.mask_runs()
    found = np.zeros_like(dense(layout))
    for row in range(len(rows) - 1):
        for run in range(rows[row], rows[row + 1]):
            found[row, starts[run] : stops[run]] = True
            if run > rows[row]:
                assert starts[run] > stops[run - 1], "runs of a row ascend and do not adjoin"
    np.testing.assert_array_equal(found, dense(layout))


@often
@given(plans())
def test_reading_goes_backwards_so_that_a_cache_can_hold_it(make: MakeCase) -> None:
    mask = dense(arrange(*make()))
    assert not np.triu(mask, 1).any()
    assert mask.diagonal().all()


@often
@given(plans())
def test_positions_follow_the_rounds(make: MakeCase) -> None:
    parts, plan = make()
    layout = arrange(parts, plan)
    if plan.mode in ("graph_ordered", "sequential", "full"):
        assert layout.positions_N == list(range(len(layout.ids_N)))
        return
    before, longest = len(parts.prefix), parts.longest
    last = max(block.round or 0 for block in layout.blocks)
    question = 0
    for (role, _, turn, at), position in zip(tokens_of(layout), layout.positions_N, strict=True):
        if role == "prefix":
            assert position == at
        elif role == "segment":
            assert position == before + turn * longest + at
        else:
            assert position == before + (last + 1) * longest + question
            question += 1


@often
@given(plans())
def test_every_copy_holds_the_tokens_of_its_segment(make: MakeCase) -> None:
    parts, plan = make()
    layout = arrange(parts, plan)
    for block in layout.blocks:
        if block.segment is not None:
            assert list(block.ids) == parts.segments[block.segment]
    held = {block.segment for block in layout.blocks if block.segment is not None}
    assert held == set(range(len(parts.segments)))


@often
@given(plans(), st.lists(st.integers(0, 9), min_size=1, max_size=4))
def test_an_answer_goes_on_from_the_question(make: MakeCase, answer: list[int]) -> None:
    bare = arrange(*make())
    layout = bare.with_answer(answer)
    assert layout.ids_N == [*bare.ids_N, *answer[:-1]]
    size = len(bare.ids_N)
    more = [bare.positions_N[-1] + 1 + at for at in range(len(answer) - 1)]
    assert layout.positions_N == [*bare.positions_N, *more]
    np.testing.assert_array_equal(dense(layout)[:size, :size], dense(bare))
    assert dense(layout)[size - 1 :].sum() == sum(range(size, size + len(answer)))


@often
@given(plans())
def test_a_cut_takes_the_edge_and_nothing_else(make: MakeCase) -> None:
    layout = arrange(*make())
    for edge in layout.edges:
        cut = layout.without(edge)
        assert cut.positions_N == layout.positions_N
        tokens = tokens_of(layout)
        for i, j in np.argwhere(dense(layout) != dense(cut)):
            assert (tokens[j][1], tokens[i][1]) == edge
        between = [
            dense(cut)[i, j]
            for i, reader in enumerate(tokens)
            for j, read in enumerate(tokens)
            if (read[1], reader[1]) == edge
        ]
        assert not any(between)


def test_the_worked_example() -> None:
    """P = 1, S0 and T0 and T1 of two tokens, S1 of three; T0 reads S0 and S1, T1 reads S1."""
    parts = parts_of([2, 3, 2, 2])
    layout = arrange(parts, LayoutPlan("graph", ((0, 2), (1, 2), (1, 3))))
    drawn = "\n".join("".join(".#"[int(cell)] for cell in row) for row in dense(layout))
    assert layout.positions_N == [0, 1, 2, 1, 2, 3, 4, 5, 4, 5, 7, 8]
    assert drawn.splitlines() == [
        "#...........",
        ".#..........",
        ".##.........",
        "...#........",
        "...##.......",
        "...###......",
        ".######.....",
        ".#######....",
        "...###..#...",
        "...###..##..",
        "###########.",
        "############",
    ]  # fmt: skip


def test_a_cycle_is_unrolled_round_by_round() -> None:
    layout = arrange(parts_of([1, 1]), LayoutPlan("graph", ((0, 1), (1, 0)), rounds=2))
    copies = [(b.segment, b.round, b.reads) for b in layout.blocks if b.role == "segment"]
    assert copies == [
        (0, 0, ()),
        (1, 0, ()),
        (0, 1, (2,)),
        (1, 1, (1,)),
        (0, 2, (4,)),
        (1, 2, (3,)),
    ]
    assert layout.positions_N == [0, 1, 1, 2, 2, 3, 3, 4, 5]


def relative_area(plan: LayoutPlan, segments: int, size: int = 1000) -> float:
    layout = arrange(parts_of([size] * segments), plan)
    return layout.segment_area / (segments * size * (segments * size + 1) / 2)


def test_areas_are_those_of_equal_segments() -> None:
    """To the width of the diagonal, which the formulas leave out."""
    n, m = 6, 2
    ranked = range(n)
    cases = {
        LayoutPlan("sequential", ()): 1,
        LayoutPlan("parallel", ()): 1 / n,
        LayoutPlan("full", ()): 2 * (n + 1) / n,
        LayoutPlan("graph", tuple(drawing.top_m(ranked, m))): 1 / n + 2 * m * (n - m) / n**2,
        LayoutPlan("graph", tuple(drawing.star(ranked))): (3 * (n - 1) + 1) / n**2,
    }
    for plan, expected in cases.items():
        assert relative_area(plan, n) == pytest.approx(expected, abs=2e-3)


@often
@given(plans(), st.integers(0, 99))
def test_random_edges_are_as_many_and_others(make: MakeCase, seed: int) -> None:
    parts, plan = make()
    layout = arrange(parts, LayoutPlan("random_edges", plan.edges, plan.rounds, seed=seed))
    again = arrange(parts, LayoutPlan("random_edges", plan.edges, plan.rounds, seed=seed))
    assert layout.edges == again.edges
    assert len(set(layout.edges)) == len(plan.edges)
    if not plan.rounds:
        assert drawing.find_cycle(len(parts.segments), layout.edges) is None


@often
@given(st.integers(1, 5), st.integers(1, 40), st.integers(0, 9))
def test_orders_differ_and_begin_with_the_given_one(n: int, count: int, seed: int) -> None:
    orders = random_orders(n, count, Random(seed))
    assert orders[0] == tuple(range(n))
    assert len(orders) == len(set(orders)) == min(count, [1, 1, 2, 6, 24, 120][n])


def edges_without_cycle(count: int) -> st.SearchStrategy[list[Edge]]:
    pairs = [(a, b) for a in range(count) for b in range(a + 1, count)]
    return st.lists(st.sampled_from(pairs), unique=True)


@often
@given(edges_without_cycle(7), st.permutations(range(7)), st.data())
def test_a_cycle_is_found_where_one_was_closed(
    edges: list[Edge], names: list[int], data: st.DataObject
) -> None:
    renamed = [(names[a], names[b]) for a, b in edges]
    assert drawing.find_cycle(7, renamed) is None
    path = data.draw(st.lists(st.integers(0, 6), min_size=2, max_size=7, unique=True))
    ring = list(zip(path, [*path[1:], path[0]], strict=True))
    found = drawing.find_cycle(7, [*renamed, *ring])
    assert found is not None
    assert found[0] == found[-1]
    assert set(pairwise(found)) <= {*renamed, *ring}


def test_presets_follow_the_ranking() -> None:
    ranked = drawing.ranking([0.1, 0.9, 0.5, 0.9])
    assert ranked == [1, 3, 2, 0]
    assert drawing.top_m(ranked, 2) == [(1, 2), (1, 0), (3, 2), (3, 0)]
    assert drawing.star(ranked) == [(3, 1), (2, 1), (0, 1)]
    assert drawing.chains(range(6)) == [
        (0, 1), (0, 2), (0, 3), (1, 4), (1, 5), (2, 4), (2, 5), (3, 4), (3, 5),
    ]  # fmt: skip
    assert drawing.ranking([None, None]) == [0, 1]
