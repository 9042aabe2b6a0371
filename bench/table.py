"""A line of the benchmark: what was measured, compared with which peer, against which goal."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Line:
    """One measurement.

    `ours` and `theirs` are in `unit`, less is better; `theirs` is None where there is no peer.
    `goal` bounds either `theirs / ours` from below (`at_least_times`) or `ours` from above
    (`at_most`). `refused` says why nothing was timed. `details` go into the results file.
    """

    what: str
    unit: str
    ours: float | None = None
    peer: str = ""
    theirs: float | None = None
    at_least_times: float | None = None
    at_most: float | None = None
    refused: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        if self.refused or self.ours is None or self.theirs is None:
            return None
        return self.theirs / self.ours if self.ours else float("inf")

    @property
    def goal(self) -> str:
        if self.at_least_times is not None:
            return f"≥ {self.at_least_times:g} ×"
        return f"≤ {self.at_most:g} {self.unit}" if self.at_most is not None else "none"

    @property
    def verdict(self) -> str:
        """`met`, `not met`, `refused`, or `-` where there is no goal."""
        if self.refused:
            return "refused"
        if self.at_least_times is not None:
            return _met(self.ratio is not None and self.ratio >= self.at_least_times)
        if self.at_most is not None:
            return _met(self.ours is not None and self.ours <= self.at_most)
        return "-"

    def as_dict(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "unit": self.unit,
            "ours": self.ours,
            "peer": self.peer,
            "theirs": self.theirs,
            "ratio": self.ratio,
            "goal": self.goal,
            "verdict": self.verdict,
            "refused": self.refused,
            **self.details,
        }


HEADINGS = ("what", "ours", "peer", "ratio", "goal", "")


def table(lines: Iterable[Line]) -> str:
    """The lines in aligned columns; a refusal is printed in full below its line."""
    listed = list(lines)
    rows = [HEADINGS, *(_cells(line) for line in listed)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    printed = []
    for row, line in zip(rows, [None, *listed], strict=True):
        joined = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        printed.append(joined.rstrip())
        if line is not None and line.refused:
            printed.append(f"    not timed: {line.refused}")
    return "\n".join(printed)


def _cells(line: Line) -> tuple[str, ...]:
    ours, theirs = (None, None) if line.refused else (line.ours, line.theirs)
    ratio = "" if line.ratio is None else f"{line.ratio:.3g} ×"
    return (
        line.what,
        _quantity(ours, line.unit),
        f"{line.peer} {_quantity(theirs, line.unit)}".strip(),
        ratio,
        line.goal,
        line.verdict,
    )


def _quantity(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:.3g} {unit}"


def _met(*conditions: bool) -> str:
    return "met" if all(conditions) else "not met"
