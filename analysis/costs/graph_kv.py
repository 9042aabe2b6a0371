"""What Graph-KV costs: the answer in each mode, its attention, cut edges and other orders."""

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.costs.case import CostCase
from analysis.costs.cheaper import Change
from analysis.costs.outputs import written
from analysis.workload import Stage

MODES = ("graph", "graph_ordered", "sequential", "parallel", "full", "random_edges")
DENSE_TOKENS = 2048  # limit for patterns
CHAIN_MIDDLE = 3
BLANK_LINE = re.compile(r"\n\s*\n")

CHEAPER = (
    Change("permutations", value=0, lacks="no other orders of the segments"),
    Change("with_full", value=False, lacks="no comparison with every segment twice"),
    Change("with_random_edges", value=False, lacks="no comparison with random edges"),
    Change("knock_outs", value=False, lacks="no cut edges"),
    Change("with_graph_ordered", value=False, lacks="no comparison with consecutive positions"),
    Change("patterns", value=False, lacks="no attention per token"),
    Change("max_new_tokens", value=8, lacks="outputs of at most 8 tokens"),
)


@dataclass(frozen=True)
class Parts:
    """Tokens of the parts, and the edges, in numbers."""

    prefix: int
    segments: list[int]
    question: int
    answer: int  # tokens of the answer, given or to be written
    edges: int
    copies: list[int]  # of each segment, in the modes that use the edges


def stages(case: CostCase) -> Iterator[Stage]:
    """In the order of the run, named as in its Cost event."""
    parts = _parts(case)
    modes = [mode for mode in MODES if mode == case["mode"] or case[f"with_{mode}"]]
    tokens = {mode: _tokens(parts, mode) for mode in modes}
    length, own = case["max_new_tokens"], tokens[case["mode"]]
    if not case["answer"]:
        yield from written("answer", own, length)
    for mode in modes:
        yield _answers(case, parts, tokens[mode], 1, "arrangements")
        yield from written("arrangements", tokens[mode], length)
    if case["patterns"] and own <= DENSE_TOKENS:
        yield Stage(
            name="attention", rows=1, tokens=own + parts.answer - 1, kept=parts.answer,
            forwards=1, eager=True, optional=True,
        )  # fmt: skip
    yield _answers(case, parts, own, 1, "attention")
    if case["knock_outs"] and parts.edges:
        yield _answers(case, parts, own, parts.edges, "cut edges")
    orders = min(case["permutations"], math.factorial(min(len(parts.segments), 12)))
    if orders > 1:
        for mode in modes:
            yield _answers(case, parts, tokens[mode], orders - 1, "orders")


def _answers(case: CostCase, parts: Parts, tokens: int, rows: int, name: str) -> Stage:
    return Stage(
        name=name,
        rows=rows,
        tokens=tokens + parts.answer - 1,
        kept=parts.answer,
        limit=case["rows_per_forward"],
        calls=100 * rows,
    )


def _tokens(parts: Parts, mode: str) -> int:
    """Tokens up to the end of the question."""
    around, whole = parts.prefix + parts.question, sum(parts.segments)
    if mode == "full":
        return around + 2 * whole
    if mode in ("sequential", "parallel"):
        return around + whole
    pairs = zip(parts.segments, parts.copies, strict=True)
    return around + sum(size * copies for size, copies in pairs)


def _parts(case: CostCase) -> Parts:
    segments, separator = given_segments(case["segments"]), str(case["separator"])
    edges = _edges(case, segments)
    answer = case.count(case["answer"]) if case["answer"] else int(case["max_new_tokens"])
    prefix = "" if not str(case["prefix"]).strip() else str(case["prefix"])
    return Parts(
        prefix=case.opening + case.count(prefix),
        segments=[case.continued(separator + text) for _, text in segments],
        question=case.continued(separator + str(case["question"])),
        answer=answer,
        edges=len(edges),
        copies=_copies(len(segments), edges, int(case["rounds"])),
    )


def given_segments(value: Any) -> list[tuple[str, str]]:
    """Id and text of each segment, in whichever form they are given."""
    if isinstance(value, str):
        listed = value.lstrip().startswith("[")
        value = json.loads(value) if listed else BLANK_LINE.split(value)
        value = [one for one in value if not isinstance(one, str) or one.strip()]
    return [_segment(one, number) for number, one in enumerate(value, 1)]


def _segment(one: Any, number: int) -> tuple[str, str]:
    if isinstance(one, str):
        return str(number), one
    return str(one.get("id", number)), str(one.get("text", ""))


def _edges(case: CostCase, segments: Sequence[tuple[str, str]]) -> list[tuple[int, int]]:
    """Source and target of each edge."""
    count = len(segments)
    if case["preset"] == "given":
        number = {name: n for n, (name, _) in enumerate(segments)}
        named = [(edge["source"], edge["target"]) for edge in case["edges"]]
        return [(number[s], number[t]) for s, t in named if s in number and t in number]
    best = {"top_m": int(case["top_m"]), "chains": 1, "star": count - 1}[case["preset"]]
    if case["preset"] == "chains":
        middle = range(1, min(1 + CHAIN_MIDDLE, count))
        rest = range(1 + CHAIN_MIDDLE, count)
        return [(0, m) for m in middle] + [(m, r) for m in middle for r in rest]
    if case["preset"] == "star":
        return [(source, 0) for source in range(1, best + 1)]
    return [(source, target) for source in range(best) for target in range(best, count)]


def _copies(count: int, edges: Sequence[tuple[int, int]], rounds: int) -> list[int]:
    """How often each segment is encoded; once, unless there are rounds."""
    if not rounds:
        return [1] * count
    sources, targets = {s for s, _ in edges}, {t for _, t in edges}
    found = []
    for segment in range(count):
        first = int(segment in sources or segment not in targets)
        later = rounds if segment in sources else 1
        found.append(first + (later if segment in targets else 0))
    return found
