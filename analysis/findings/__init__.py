"""The findings of a run as sentences: one module per method, with the method's name.

Each has `model_output(run)` (None: no output), `findings(run)`, sentences with the number, its
error and its unit, and `tokens(run)`, the texts to which comments refer by index. A sentence
consists of plain texts and tokens; tokens are `quote`d to distinguish them from words.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from analysis.events import ArrayRef, array_from_ref

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Recorded:
    """A run's events as they are stored; `fetch` reads an array's bytes by its hash."""

    events: tuple[Event, ...]
    fetch: Callable[[str], bytes]

    def all(self, kind: str) -> Iterator[Event]:
        return (event for event in self.events if event.get("kind") == kind)

    def last(self, kind: str) -> Event | None:
        return next((event for event in reversed(self.events) if event.get("kind") == kind), None)

    def array(self, ref: Mapping[str, Any]) -> np.ndarray:
        return array_from_ref(ArrayRef.model_validate(ref), self.fetch)


def model_output(stem: str, run: Recorded) -> str | None:
    """The model's output; None: nothing, or the method is unknown here."""
    found = _module(stem)
    text: str | None = found.model_output(run) if found else None
    return text


def asked(stem: str, run: Recorded) -> str | None:
    """The question chosen by the run, as for a bundled scene; None: it is in the params."""
    ask = getattr(_module(stem), "asked", None)
    return str(ask(run)) if ask and ask(run) else None


def findings(stem: str, run: Recorded) -> list[str]:
    """The method's findings, then the analyses that were left out."""
    found = _module(stem)
    sentences = list(found.findings(run)) if found else []
    omitted = run.all("omitted")
    return sentences + [f"{one['analysis']} was left out. {one['reason']}" for one in omitted]


def tokens(stem: str, run: Recorded) -> list[str]:
    """Text of each token by its position in the run; empty: comments do not refer to tokens."""
    found = _module(stem)
    return list(found.tokens(run)) if found else []


def quote(token: str) -> str:
    """A token without text is part of a character that another token completes."""
    return f"“{token}”" if token else "(no text of its own)"


def number(value: float, unit: str = "", *, error: float | None = None) -> str:
    """Three digits, with the unit, and the standard error if there is one."""
    if error is None:
        return f"{_digits(value, 3)} {unit}".strip()
    return f"{_digits(value, 3)} ± {_digits(error, 2)} {unit} (± standard error)"


def _digits(value: float, count: int) -> str:
    """With a real minus sign, a power of ten without leading zeros."""
    mantissa, e, power = f"{value:.{count}g}".partition("e")
    return f"{mantissa}{e}{int(power) if e else ''}".replace("-", "−")


def texts(parts: Iterable[Event]) -> list[str]:
    return [str(part["text"]) for part in parts]


def _module(stem: str) -> ModuleType | None:
    known = {found.name for found in pkgutil.iter_modules(__path__)}
    return importlib.import_module(f"{__name__}.{stem}") if stem in known else None
