"""The cost of a run: the last event of a method on text, and its meter."""

from dataclasses import replace
from typing import Literal

from pydantic import Field

from analysis.events import Event
from analysis.model import Model


class Cost(Event):
    """Cost of the run; the last event of a method."""

    kind: Literal["cost"] = "cost"
    rows: dict[str, int] = Field(description="Sequences run, per stage.")
    forwards: dict[str, int] = Field(description="Forward passes, per stage.")


class PassMeter:
    """Rows and forwards of a model, per stage."""

    def __init__(self, model: Model) -> None:
        self.passes, self.before = model.passes, replace(model.passes)
        self.spent: dict[str, tuple[int, int]] = {}

    def book(self, name: str) -> None:
        """Record the passes since the last call."""
        now, before = replace(self.passes), self.before
        self.spent[name] = (now.rows - before.rows, now.forwards - before.forwards)
        self.before = now

    def cost(self) -> Cost:
        return Cost(
            rows={name: rows for name, (rows, _) in self.spent.items()},
            forwards={name: forwards for name, (_, forwards) in self.spent.items()},
        )
