"""How many forward passes a generator makes between two events."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TypeVar

from analysis.model import Model

Step = TypeVar("Step")
Result = TypeVar("Result")


@contextmanager
def counted(model: Model) -> Iterator[list[int]]:
    """A list whose only number grows with each forward pass of `plain`."""
    passes = [0]

    def count(*_: object) -> None:
        passes[0] += 1

    handle = model.plain.register_forward_pre_hook(count)
    try:
        yield passes
    finally:
        handle.remove()


def gaps(model: Model, steps: Generator[Step, None, Result]) -> tuple[list[int], Result]:
    """Passes before each event and after the last, and the result."""
    found: list[int] = []
    with counted(model) as passes:
        while True:
            before = passes[0]
            try:
                next(steps)
            except StopIteration as end:
                return [*found, passes[0] - before], end.value
            found.append(passes[0] - before)
