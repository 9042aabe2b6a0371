"""Following a generator that yields steps and returns a result."""

from collections.abc import Callable, Generator
from contextlib import closing
from typing import TypeVar

Step = TypeVar("Step")
Seen = TypeVar("Seen")
Result = TypeVar("Result")


def follow(
    steps: Generator[Step, None, Result], event: Callable[[Step], Seen | None]
) -> Generator[Seen, None, Result]:
    """Yield the event of each step, skipping steps whose event is None; return the result."""
    with closing(steps):
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                result: Result = end.value
                return result
            found = event(step)
            if found is not None:
                yield found
