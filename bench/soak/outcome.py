"""What a part of the soak tried and what went wrong."""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """`counts`: what was tried, by name; `faults`: a sentence for each thing that went wrong."""

    part: str
    counts: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def check(self, fault: str, *, holds: bool) -> None:
        """Note the fault unless what was expected holds."""
        if not holds:
            self.faults.append(fault)

    def summary(self) -> str:
        """One line of counts, then the faults."""
        counted = ", ".join(f"{count} {name}" for name, count in self.counts.items())
        return "\n".join([f"{self.part}: {counted}; {len(self.faults)} faults", *self.faults])


def unbroken(seqs: Iterable[int]) -> bool:
    """Whether the numbers are 1, 2, 3, … without a hole or a double."""
    return all(seq == place for place, seq in enumerate(seqs, start=1))
