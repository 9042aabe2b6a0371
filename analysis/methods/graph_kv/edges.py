"""Edges derived from a ranking of segments, random edges, and validation of given edges.

An edge is a pair of numbers (source, target): the target attends to the source.
"""

from collections.abc import Sequence
from itertools import product
from random import Random

Edge = tuple[int, int]
CHAIN_MIDDLE = 3  # segments between the best and the rest


def ranking(scores: Sequence[float | None]) -> list[int]:
    """Segments by descending score; ties and missing scores keep the given order."""
    return sorted(range(len(scores)), key=lambda n: -(scores[n] or 0.0))


def top_m(ranked: Sequence[int], m: int) -> list[Edge]:
    """Each of the other segments attends to each of the m best."""
    return list(product(ranked[:m], ranked[m:]))


def chains(ranked: Sequence[int]) -> list[Edge]:
    """Each of the next three attends to the best, and each of the rest to these three."""
    best, middle, rest = ranked[:1], ranked[1 : 1 + CHAIN_MIDDLE], ranked[1 + CHAIN_MIDDLE :]
    return [*product(best, middle), *product(middle, rest)]


def star(ranked: Sequence[int]) -> list[Edge]:
    """The best attends to all others."""
    return list(product(ranked[1:], ranked[:1]))


def draw(segments: int, given: Sequence[Edge], rng: Random, *, cycles: bool) -> list[Edge]:
    """The same number of random edges, different from the given ones if possible.

    Without `cycles` they all point forwards in a random order of the segments.
    """
    order = rng.sample(range(segments), segments)
    pairs = [
        (order[a], order[b])
        for a, b in product(range(segments), repeat=2)
        if a < b or (cycles and a != b)
    ]
    rng.shuffle(pairs)
    known = set(given)
    return sorted(pairs, key=lambda pair: pair in known)[: len(given)]


def find_cycle(segments: int, edges: Sequence[Edge]) -> list[int] | None:
    """Segments of a cycle in order, the first repeated at the end; None: there is no cycle."""
    targets: list[list[int]] = [[] for _ in range(segments)]
    for source, target in edges:
        targets[source].append(target)
    done: set[int] = set()
    for start in range(segments):
        found = _walk(start, targets, done)
        if found:
            return found
    return None


def _walk(start: int, targets: list[list[int]], done: set[int]) -> list[int] | None:
    """Depth first from `start`; an edge back to the path closes a cycle."""
    path, turns = [start], [iter(targets[start])]
    while path:
        step = next(turns[-1], None)
        if step is None:
            done.add(path.pop())
            turns.pop()
        elif step in path:
            return [*path[path.index(step) :], step]
        elif step not in done:
            path.append(step)
            turns.append(iter(targets[step]))
    return None
