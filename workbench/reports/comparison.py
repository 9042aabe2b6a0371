"""Compares recorded events with recomputed ones, number by number.

Numbers are grouped by name: their path inside the event, without list indices. Two numbers are the
same if |a − b| ≤ tolerance · max(1, |a|, |b|). Integers, texts and pixels must be equal.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from analysis.errors import shortened
from analysis.summary import SILENT
from workbench.reports.document import ARRAY_KEYS, PICTURE_KEYS

# By the dtype of storage or of computation, whichever is coarser.
TOLERANCES = {"float64": 1e-10, "float32": 1e-5, "float16": 1e-3, "bfloat16": 1e-2}
EXACT = 0.0
# Durations and cost differ between machines.
COST = "cost"
NOT_COMPARED = SILENT | {COST}


@dataclass
class NamedValues:
    """The values of one name: their number, how many differ, and the largest differences."""

    name: str
    tolerance: float
    count: int = 0
    different: int = 0
    max_abs: float = 0.0
    max_rel: float = 0.0
    example: str = ""

    @property
    def same(self) -> bool:
        return self.different == 0

    def take(
        self, count: int, different: int, *, max_abs: float = 0.0, max_rel: float = 0.0
    ) -> None:
        self.count += count
        self.different += different
        self.max_abs, self.max_rel = max(self.max_abs, max_abs), max(self.max_rel, max_rel)

    def differ(self, why: str) -> None:
        self.take(1, 1)
        self.example = self.example or why


class Comparison:
    """Compared values by name, in order of appearance; `dtype` is that of the model."""

    def __init__(self, dtype: str | None) -> None:
        self.names: dict[str, NamedValues] = {}
        self._coarsest = TOLERANCES.get(dtype or "", TOLERANCES["float32"])

    @property
    def same(self) -> bool:
        return all(named.same for named in self.names.values())

    def event(self, was: dict[str, Any], now: dict[str, Any], files: "Files") -> None:
        """Compare two events; the arrays and pictures of both are read from `files`."""
        kind = str(was.get("kind"))
        if kind != now.get("kind"):
            return self._named("order of events").differ(f"{kind}, now {now.get('kind')}")
        self._value(kind, was, now, files)

    def missing(self, what: str) -> None:
        self._named("number of events").differ(what)

    def _value(self, name: str, was: Any, now: Any, files: "Files") -> None:
        if isinstance(was, dict) and isinstance(now, dict):
            self._object(name, was, now, files)
        elif isinstance(was, list) and isinstance(now, list):
            if len(was) != len(now):
                return self._named(name).differ(f"{len(was)} values, now {len(now)}")
            for old, new in zip(was, now, strict=True):
                self._value(name, old, new, files)
        elif type(was) is not type(now):
            self._named(name).differ(f"{shortened(was)}, now {shortened(now)}")
        elif was == now:
            self._named(name, self._coarsest if isinstance(was, float) else EXACT).take(1, 0)
        elif isinstance(was, float):
            self._numbers(name, was, now, self._coarsest)
        else:
            self._named(name).differ(f"{shortened(was)}, now {shortened(now)}")

    def _object(self, name: str, was: dict[str, Any], now: dict[str, Any], files: "Files") -> None:
        if was.keys() == now.keys() == ARRAY_KEYS:
            return self._arrays(name, files.array(was), files.array(now))
        if was.keys() == now.keys() == PICTURE_KEYS:
            return self._arrays(name, files.picture(was), files.picture(now))
        if was.keys() != now.keys():
            return self._named(name).differ(f"fields {shortened(sorted(was.keys() ^ now.keys()))}")
        for key in was:
            if not _is_timing(key):
                self._value(f"{name}.{key}", was[key], now[key], files)

    def _arrays(self, name: str, was: np.ndarray, now: np.ndarray) -> None:
        if was.dtype != now.dtype or was.shape != now.shape:
            before, after = (f"{side.dtype} {side.shape}" for side in (was, now))
            return self._named(name).differ(f"{before}, now {after}")
        real = np.issubdtype(was.dtype, np.floating)
        tolerance = max(self._coarsest, TOLERANCES.get(was.dtype.name, 0.0)) if real else EXACT
        self._numbers(name, was, now, tolerance)

    def _numbers(self, name: str, was: Any, now: Any, tolerance: float) -> None:
        was, now = np.asarray(was, np.float64), np.asarray(now, np.float64)
        if not was.size:
            return
        apart, size = np.abs(was - now), np.maximum(np.abs(was), np.abs(now))
        relative = np.divide(apart, size, out=np.zeros_like(apart), where=size > 0)
        wrong = ~(apart <= tolerance * np.maximum(1, size))
        named = self._named(name, tolerance)
        named.take(was.size, int(wrong.sum()), max_abs=apart.max(), max_rel=relative.max())
        if wrong.any() and not named.example:
            worst = np.unravel_index(np.argmax(apart), apart.shape)
            named.example = f"{was[worst]:.6g}, now {now[worst]:.6g}"

    def _named(self, name: str, tolerance: float = EXACT) -> NamedValues:
        named = self.names.setdefault(name, NamedValues(name, tolerance))
        named.tolerance = max(named.tolerance, tolerance)
        return named


class Files:
    """Arrays and pictures by reference, both recorded and recomputed."""

    def __init__(self, content: dict[str, bytes]) -> None:
        self.content = content

    def array(self, ref: dict[str, Any]) -> np.ndarray:
        dtype = np.dtype(ref["dtype"]).newbyteorder("<")
        return np.frombuffer(self._bytes(ref), dtype).reshape(ref["shape"])

    def picture(self, ref: dict[str, Any]) -> np.ndarray:
        return np.asarray(Image.open(BytesIO(self._bytes(ref)), formats=("PNG",)))

    def _bytes(self, ref: dict[str, Any]) -> bytes:
        return base64.b64decode(ref["data"]) if ref["data"] else self.content[ref["sha256"]]


def results(values: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The events that are compared."""
    return (value for value in values if value.get("kind") not in NOT_COMPARED)


def _is_timing(name: str) -> bool:
    return name in (COST, "seconds") or name.endswith("_seconds")
