"""The prefix tree of trials."""

from hypothesis import given
from hypothesis import strategies as st

from analysis.decoding import trie

paths = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=5), min_size=1, max_size=8)


@given(paths)
def test_nodes_are_distinct_beginnings(found: list[list[int]]) -> None:
    tree: dict[int, dict] = {}  # type: ignore[type-arg]
    for path in found:
        node = tree
        for token in path:
            node = node.setdefault(token, {})

    def size(node: dict) -> int:  # type: ignore[type-arg]
        return sum(1 + size(child) for child in node.values())

    assert trie.count(found) == size(tree)


@given(paths)
def test_duplicates_point_to_the_first(found: list[list[int]]) -> None:
    for number, first in enumerate(trie.first_equal(found)):
        earlier = [other for other in range(number) if found[other] == found[number]]
        assert first == (earlier[0] if earlier else None)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=12))
def test_equal_children_are_one_row(pairs: list[tuple[int, int]]) -> None:
    children, places = trie.merge([p for p, _ in pairs], [t for _, t in pairs])
    assert [children[place] for place in places] == pairs
    assert len(set(children)) == len(children)
