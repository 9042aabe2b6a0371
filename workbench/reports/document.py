"""A report as plain data: the panels of a session in order, each with its run's results.

All formats are written from it, and an imported bundle is read into it. Access is checked by the
code that builds a report, not here.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from analysis.catalog.dtypes import AUTO, Dtype

HASH = re.compile(r"[0-9a-f]{64}")
ARRAY_KEYS = frozenset({"dtype", "shape", "sha256", "data"})
PICTURE_KEYS = frozenset({"width", "height", "sha256", "data"})


@dataclass(frozen=True)
class EventRecord:
    """A stored event; `payload` is its JSON text, unchanged."""

    seq: int
    at: str
    payload: str

    @cached_property
    def value(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.payload)
        return value


@dataclass(frozen=True)
class RunRecord:
    """A run that has ended. Times are ISO 8601.

    `files`: by hash, the arrays (bytes) and pictures (PNG) that are not inside events. `uploads`:
    by hash, the PNG files that params name. `environment`: versions and machine of the run; None if
    not recorded. `defaults`: the method's default params at the time of the export. `dtype`: as
    asked for.
    """

    id: str
    method: str
    method_version: str
    model: str
    revision: str | None
    params: dict[str, Any]
    status: Literal["done", "failed", "cancelled"]
    error: dict[str, Any] | None
    attempt: int
    created_at: str
    started_at: str | None
    finished_at: str | None
    events: tuple[EventRecord, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    uploads: Mapping[str, bytes] = field(default_factory=dict)
    environment: dict[str, Any] | None = None
    defaults: dict[str, Any] = field(default_factory=dict)
    dtype: Dtype = AUTO

    @cached_property
    def info(self) -> dict[str, Any] | None:
        """ModelInfo of the loaded model, with its self-check; None if none was loaded."""
        for event in self.events:
            if event.value.get("kind") == "model":
                info: dict[str, Any] = event.value["info"]
                return info
        return None

    @cached_property
    def arrays(self) -> dict[str, dict[str, Any]]:
        """The references of all arrays in events, by hash, in order."""
        return self._references(ARRAY_KEYS)

    @cached_property
    def pictures(self) -> dict[str, dict[str, Any]]:
        """The references of all pictures in events, by hash, in order."""
        return self._references(PICTURE_KEYS)

    def content(self, ref: Mapping[str, Any]) -> bytes:
        """The bytes of an array or the PNG file of a picture. Raises KeyError."""
        if ref["data"] is not None:
            return base64.b64decode(ref["data"])
        return self.files[ref["sha256"]]

    def _references(self, keys: frozenset[str]) -> dict[str, dict[str, Any]]:
        refs = (ref for event in self.events for ref in references(event.value, keys))
        return {ref["sha256"]: ref for ref in refs}


@dataclass(frozen=True)
class PanelRecord:
    """A panel of a session: a run with its caption, or a note.

    `text` is Markdown: the caption of a run, or the note. `state` is the view's state, as in the
    address of a run's page. `span` counts columns of 12, `height` pixels.
    """

    id: str
    text: str = ""
    run: RunRecord | None = None
    state: dict[str, str] = field(default_factory=dict)
    span: int = 12
    height: float | None = None


@dataclass(frozen=True)
class CommentRecord:
    id: str
    author: str
    body: str
    created_at: str
    edited_at: str | None = None


@dataclass(frozen=True)
class ThreadRecord:
    """Comments on one thing: `anchor` names it by the run's own indices."""

    id: str
    panel: str
    anchor: dict[str, Any]
    comments: tuple[CommentRecord, ...]
    created_at: str
    resolved_at: str | None = None


@dataclass(frozen=True)
class Report:
    """A report. `id` is that of its session; None for runs without a session."""

    title: str
    panels: tuple[PanelRecord, ...]
    threads: tuple[ThreadRecord, ...] = ()
    id: str | None = None
    owner: str = ""
    created_at: str | None = None

    @property
    def runs(self) -> list[RunRecord]:
        return [panel.run for panel in self.panels if panel.run]


def references(value: Any, keys: frozenset[str]) -> Iterator[dict[str, Any]]:
    """The references to arrays (or pictures) inside an event's value, in order."""
    if isinstance(value, dict):
        if value.keys() == keys:
            yield value
        else:
            for part in value.values():
                yield from references(part, keys)
    elif isinstance(value, list):
        for part in value:
            yield from references(part, keys)


def is_hash(value: Any) -> bool:
    """Whether the value is a SHA-256, by which params name uploaded pictures."""
    return isinstance(value, str) and HASH.fullmatch(value) is not None
