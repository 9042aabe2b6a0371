"""Counts and faults of one part of the soak."""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class SoakOutcome:
    """`counts`: tests by name; `faults`: a sentence for each fault."""

    part: str
    counts: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def check(self, fault: str, *, holds: bool) -> None:
        """Record the fault unless the expectation holds."""
        if not holds:
            self.faults.append(fault)

    def summary(self) -> str:
        """One line of counts, then the faults."""
        counted = ", ".join(f"{count} {name}" for name, count in self.counts.items())
        return "\n".join([f"{self.part}: {counted}; {len(self.faults)} faults", *self.faults])


def unbroken(seqs: Iterable[int]) -> bool:
    """Whether the numbers are 1, 2, 3, … without a gap or a duplicate."""
    return all(seq == place for place, seq in enumerate(seqs, start=1))
