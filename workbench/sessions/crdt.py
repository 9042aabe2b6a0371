"""A session's document in memory, and the checks of its changes.

The CRDT library merges updates; this module decides which ones are accepted. `updates` checks the
form of an update; after the merge, each changed panel must have known fields of the right types.
A refused update leaves the document unusable, and the caller must load it again.
"""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from pycrdt import Doc, Map, Text

from analysis.errors import shortened
from workbench.errors import SessionDamaged, UpdateRefused
from workbench.sessions.document import (
    NOTE,
    RUN,
    SPANS,
    SessionDocument,
    document_read,
)
from workbench.sessions.updates import (
    MAX_RIVALS,
    Contents,
    Rivals,
    clients_in,
    read_state,
    read_update,
    refuse,
)

ROOTS = {"meta", "panels"}
# Some updates take the CRDT library quadratic time. Processor seconds above which a merge counts as
# slow, and the limit of all slow merges of a document.
SLOW_SECONDS, MOST_SECONDS = 0.1, 2.0
MAX_PANELS = 500
MAX_TITLE = 200
MAX_PLACE = 256
MAX_HEIGHT = 20_000
MAX_STATE_KEYS, MAX_STATE_KEY, MAX_STATE_VALUE = 64, 64, 4_000


class UpdateIncomplete(Exception):
    """The update depends on missing ones: request them from its sender."""


@dataclass(frozen=True)
class Change:
    """`update`: the new part of the update; empty if all was known. `runs`: runs that appear in the
    document for the first time; they must be attached to the session."""

    update: bytes
    runs: frozenset[UUID]


class SharedDocument:
    """The Yjs document of a session, made of saved updates."""

    def __init__(self, updates: Iterable[bytes] = ()) -> None:
        """Raises SessionDamaged."""
        updates = list(updates)
        self._rivals = _rivals_saved(updates)
        self.doc: Doc[Any] = Doc()
        self._meta = self.doc.get("meta", type=Map)
        self._panels = self.doc.get("panels", type=Map)
        began = time.thread_time()
        for update in updates:
            self.doc.apply_update(update)
        self._seconds = time.thread_time() - began
        self._runs = {key: self._run(key) for key in set(self._panels.keys())}
        self._bytes = len(self.doc.get_update())
        self._touched: set[str] = set()
        self._unread_updates: list[bytes] = []
        self._watching = (
            self._panels.observe_deep(self._note),
            self.doc.observe(lambda event: self._unread_updates.append(event.update)),
        )

    @property
    def title(self) -> str:
        return str(self._meta.get("title") or "")

    def read(self) -> SessionDocument:
        return document_read(self.doc)

    def state(self) -> bytes:
        """The state vector."""
        return self.doc.get_state()

    def update(self, state: bytes | None = None) -> bytes:
        """The update for a page with this state vector; the whole document without one."""
        return self.doc.get_update(state)

    def apply_saved(self, update: bytes) -> None:
        """Merge an update that another process has checked and saved."""
        self._apply(update)
        self._runs.update({key: self._run(key) for key in self._touched})

    def apply(self, update: bytes, contents: Contents | None = None) -> Change:
        """Merge a page's update; `contents`: the result of `read_update`, if known.

        Raises UpdateIncomplete (the document is unchanged), UpdateRefused (it is unusable).
        """
        contents = contents or read_update(update)
        if unknown := contents.roots - ROOTS:
            raise refuse(f"{shortened(min(unknown))} is no part of a session; meta and panels are")
        if not contents.applies_to(read_state(self.state())):
            raise UpdateIncomplete
        self._check_rivals(contents)
        began = time.thread_time()
        new = self._apply(update)
        self._check_time(time.thread_time() - began)
        self._check_size()
        self._check_meta()
        return Change(new, frozenset(self._check_panels()))

    def _apply(self, update: bytes) -> bytes:
        self._touched.clear()
        self._unread_updates.clear()
        try:
            self.doc.apply_update(update)
        except (ValueError, RuntimeError) as error:
            raise refuse(str(error)) from None
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # from Rust; the class is not importable
                raise
            raise refuse("The CRDT library failed at it") from None
        new = b"".join(self._unread_updates)  # one transaction, so at most one
        self._bytes += len(new)
        return new

    def _note(self, events: list[Any]) -> None:
        for event in events:
            self._touched.update([event.path[0]] if event.path else event.keys)

    def _run(self, key: str) -> Any:
        panel = self._panels.get(key)
        return panel.get("run") if isinstance(panel, Map) else None

    def _check_rivals(self, contents: Contents) -> None:
        """Count rival clients only once the document has more than MAX_RIVALS clients."""
        clients = clients_in(self.state()) + len(contents.runs)
        if self._rivals is None and clients > MAX_RIVALS:
            self._rivals = Rivals([self.update()])
        if self._rivals:
            self._rivals.add(contents)

    def _check_time(self, seconds: float) -> None:
        """Refuse updates that are slow to merge: they would slow down each opening."""
        if seconds < SLOW_SECONDS:
            return
        self._seconds += seconds
        if self._seconds > MOST_SECONDS:
            raise refuse(f"Merging it takes {seconds:.1f} seconds")

    def _check_size(self) -> None:
        limit = settings.MAX_DOCUMENT_BYTES
        if self._bytes > limit:  # counted update by update; merged it is less
            self._bytes = len(self.doc.get_update())
        if self._bytes > limit:
            raise refuse(f"The session would have {self._bytes} bytes; the limit is {limit}")

    def _check_meta(self) -> None:
        for key, value in self._meta.items():
            if key != "title" or not _is_text(value, MAX_TITLE):
                raise refuse(f"The title must be a text of at most {MAX_TITLE} characters")

    def _check_panels(self) -> set[UUID]:
        if len(self._panels) > MAX_PANELS:
            raise refuse(f"It would have {len(self._panels)} panels; the limit is {MAX_PANELS}")
        known = set(self._runs.values())
        for key in self._touched & set(self._panels.keys()):
            if not _is_uuid(key):
                raise refuse(f"{shortened(key)} is no id of a panel; a UUID in small letters is")
            _check_panel(self._panels[key])
        self._runs.update({key: self._run(key) for key in self._touched})
        now = {self._runs[key] for key in self._touched}
        return {UUID(run) for run in now - known if run is not None}


def _rivals_saved(updates: list[bytes]) -> Rivals | None:
    """Raises SessionDamaged: merging the updates would block the server."""
    try:
        return Rivals(updates) if sum(map(clients_in, updates)) > MAX_RIVALS else None
    except UpdateRefused as error:
        raise SessionDamaged(
            f"The document of this session cannot be opened. {error.message}",
            remedy="Create a new session and add its runs there; they are intact.",
        ) from None


def _check_panel(panel: Any) -> None:
    if not isinstance(panel, Map):
        raise refuse("A panel must be a map of its fields")
    for key, value in panel.items():
        allowed = FIELDS.get(key)
        if allowed is None:
            raise refuse(f"{shortened(key)} is no field of a panel; {', '.join(FIELDS)} are")
        if not allowed(value):
            raise refuse(f"The field {key} of a panel has a wrong value")


def _is_text(value: Any, most: int) -> bool:
    return isinstance(value, str) and len(value) <= most


def _is_uuid(value: Any) -> bool:
    try:
        return bool(str(UUID(value)) == value)
    except (ValueError, AttributeError, TypeError):
        return False


def _is_height(value: Any) -> bool:
    if value is None:
        return True
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return math.isfinite(value) and 0 < value <= MAX_HEIGHT


def _is_state(value: Any) -> bool:
    if not isinstance(value, Map) or len(value) > MAX_STATE_KEYS:
        return False
    keys = all(len(key) <= MAX_STATE_KEY for key in value.keys())  # noqa: SIM118
    return keys and all(_is_text(text, MAX_STATE_VALUE) for text in value.values())


FIELDS: dict[str, Callable[[Any], bool]] = {
    "kind": lambda value: value in (RUN, NOTE),
    "place": lambda value: _is_text(value, MAX_PLACE),
    "span": lambda value: type(value) is not bool and value in SPANS,
    "height": _is_height,
    "run": _is_uuid,
    "text": lambda value: isinstance(value, Text),
    "caption": lambda value: isinstance(value, Text),
    "state": _is_state,
    "report": lambda value: isinstance(value, bool),
}
