"""A session's document as plain data, for reports, duplicates, templates and imports.

In Yjs: the root map `meta` {title}, and the root map `panels` from a panel's id to its fields.
Concurrent edits may leave a panel without required fields; such a panel is skipped.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from pycrdt import Doc, Map, Text

SPANS = (4, 6, 12)
RUN, NOTE = "run", "note"
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, kw_only=True)
class Panel:
    """`place`: the sort key; `span`: of 12 columns; `height`: in pixels, None: that of the content;
    `state`: the view's state; `report`: whether exports include it."""

    id: str
    place: str
    span: int = 12
    height: float | None = None
    caption: str = ""
    state: Mapping[str, str] = field(default_factory=dict)
    report: bool = True


@dataclass(frozen=True, kw_only=True)
class PanelRun(Panel):
    run: UUID


@dataclass(frozen=True, kw_only=True)
class PanelNote(Panel):
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class SessionDocument:
    """`panels` in their order."""

    title: str = ""
    panels: tuple[PanelRun | PanelNote, ...] = ()

    @property
    def plain_text(self) -> str:
        """The text for searches: title, notes, captions."""
        texts = [self.title]
        for panel in self.panels:
            texts += [panel.caption, panel.text if isinstance(panel, PanelNote) else ""]
        return "\n".join(text for text in texts if text)


def place(index: int) -> str:
    """The fractional-indexing key of the panel at that index of a new document."""
    length, first = 1, 0
    while index >= first + len(DIGITS) ** length:
        first += len(DIGITS) ** length
        length += 1
    index -= first
    digits = ""
    for _ in range(length):
        index, digit = divmod(index, len(DIGITS))
        digits = DIGITS[digit] + digits
    return chr(ord("a") + length - 1) + digits


def document_read(doc: Doc[Any]) -> SessionDocument:
    """The current document."""
    meta, panels = doc.get("meta", type=Map), doc.get("panels", type=Map)
    parsed = [_panel(key, fields) for key, fields in panels.items()]
    ordered = sorted(
        (panel for panel in parsed if panel), key=lambda panel: (panel.place, panel.id)
    )
    return SessionDocument(title=str(meta.get("title") or ""), panels=tuple(ordered))


def document_bytes(document: SessionDocument) -> bytes:
    """A new Yjs document of this content, as one update."""
    doc: Doc[Any] = Doc()
    meta, panels = doc.get("meta", type=Map), doc.get("panels", type=Map)
    with doc.transaction():
        meta["title"] = document.title
        for panel in document.panels:
            panels[panel.id] = Map(_fields(panel))
    return doc.get_update()


def _panel(key: str, fields: Map[Any]) -> PanelRun | PanelNote | None:
    shared: dict[str, Any] = {
        "id": key,
        "place": fields.get("place", ""),
        "span": int(fields.get("span", 12)),
        "height": fields.get("height"),
        "caption": str(fields.get("caption", "")),
        "state": _items(fields.get("state")),
        "report": fields.get("report", True),
    }
    kind, run = fields.get("kind"), fields.get("run")
    if kind == NOTE:
        return PanelNote(**shared, text=str(fields.get("text", "")))
    return PanelRun(**shared, run=UUID(run)) if kind == RUN and run else None


def _items(state: Map[Any] | None) -> dict[str, str]:
    return {} if state is None else dict(state.items())


def _fields(panel: PanelRun | PanelNote) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "place": panel.place,
        "span": panel.span,
        "height": panel.height,
        "caption": Text(panel.caption),
        "state": Map(dict(panel.state)),
        "report": panel.report,
    }
    if isinstance(panel, PanelRun):
        return {"kind": RUN, "run": str(panel.run), **fields}
    return {"kind": NOTE, "text": Text(panel.text), **fields}


def in_order(panels: Iterable[PanelRun | PanelNote]) -> tuple[PanelRun | PanelNote, ...]:
    """The panels with sort keys in the given order."""
    return tuple(replace(panel, place=place(index)) for index, panel in enumerate(panels))
