"""The prefix tree of trials: equal prefixes share a path."""

from collections.abc import Sequence


def count(paths: Sequence[Sequence[int]]) -> int:
    """Number of distinct nodes, without the root."""
    return len({tuple(path[:n]) for path in paths for n in range(1, len(path) + 1)})


def first_equal(paths: Sequence[Sequence[int]]) -> list[int | None]:
    """For each path, the index of the first equal one before it, or None."""
    first: dict[tuple[int, ...], int] = {}
    found: list[int | None] = []
    for number, path in enumerate(map(tuple, paths)):
        found.append(first.get(path))
        first.setdefault(path, number)
    return found


def merge(parents: Sequence[int], tokens: Sequence[int]) -> tuple[list[tuple[int, int]], list[int]]:
    """Children that differ in parent or token, and the index of each given child among them."""
    children: dict[tuple[int, int], int] = {}
    places = [children.setdefault(key, len(children)) for key in zip(parents, tokens, strict=True)]
    return list(children), places
