"""Saves and loads a session's document; no other code writes it.

An update is saved under the next number if no other process has saved meanwhile (compare and swap),
so no process needs a lock. Folding merges the first updates into one state; the session's row
records how many.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import DatabaseError, transaction
from django.utils import timezone
from pycrdt import Map

from workbench.broadcast import group_send
from workbench.errors import SessionNotFound
from workbench.sessions.crdt import SharedDocument
from workbench.sessions.document import SessionDocument, document_bytes
from workbench.sessions.models import Session, SessionRun, SessionUpdate

READS = 20
MAX_BROADCAST_BYTES = 256 * 2**10


@dataclass(frozen=True)
class Saved:
    """The updates up to number `seq`, from the requested number or an earlier one."""

    seq: int
    updates: list[bytes]


def document_load(*, session: UUID, after: int = 0) -> Saved:
    """The updates after number `after`; the whole document if they are folded.

    Reads without a lock: a fold between the two queries is detected and read again. Raises
    SessionNotFound.
    """
    for _ in range(READS):
        row = Session.objects.filter(pk=session).values_list("seq", "folded", "state").first()
        if row is None:
            raise session_missing(session)
        seq, folded, state = row
        first = max(after, folded)
        updates = SessionUpdate.objects.filter(session=session, seq__gt=first, seq__lte=seq)
        newer = [bytes(data) for data in updates.order_by("seq").values_list("data", flat=True)]
        if len(newer) == max(0, seq - first):
            return Saved(max(seq, after), [bytes(state), *newer] if folded > after else newer)
    raise DatabaseError(f"Updates of session {session} are missing before number {seq}.")


def document_append(*, session: UUID, seq: int, update: bytes, title: str) -> bool:
    """Save an update as number `seq` + 1. False if that number is taken or the session deleted."""
    changes = {"title": _plain(title)} if title else {}
    with transaction.atomic():
        unchanged = Session.objects.filter(pk=session, seq=seq)
        if not unchanged.update(seq=seq + 1, changed_at=timezone.now(), **changes):
            return False
        SessionUpdate.objects.create(session_id=session, seq=seq + 1, data=update)
    return True


def document_fold(*, session: UUID, seq: int, state: bytes) -> bool:
    """Replace the updates up to `seq` by one state. False if they are folded already."""
    with transaction.atomic():
        older = Session.objects.filter(pk=session, folded__lt=seq, seq__gte=seq)
        if not older.update(state=state, folded=seq):
            return False
        SessionUpdate.objects.filter(session=session, seq__lte=seq).delete()
    return True


def document_index(*, session: UUID, text: str) -> None:
    """Store the plain text for searches."""
    Session.objects.filter(pk=session).exclude(text=_plain(text)).update(text=_plain(text))


def document_open(*, session: UUID) -> tuple[int, SharedDocument]:
    """The document, and the number of the last update in it. Raises SessionNotFound."""
    saved = document_load(session=session)
    return saved.seq, SharedDocument(saved.updates)


def document_get(*, session: UUID) -> SessionDocument:
    """The document as plain data. Raises SessionNotFound."""
    return document_open(session=session)[1].read()


def document_create(*, session: Session, document: SessionDocument) -> None:
    """Create the document of a session that has none yet."""
    state = document_bytes(document)
    with transaction.atomic():
        Session.objects.filter(pk=session.pk, seq=0).update(
            title=_plain(document.title),
            text=_plain(document.plain_text),
            state=state,
            seq=1,
            folded=1,
        )
    session.refresh_from_db()


def document_rename(*, session: UUID, title: str) -> None:
    """Change the title, also on open pages. Raises SessionNotFound."""

    def rename(document: SharedDocument) -> None:
        document.doc.get("meta", type=Map)["title"] = title

    document_change(session=session, change=rename)


def document_change(*, session: UUID, change: Callable[[SharedDocument], None]) -> None:
    """Apply a change made by the server, and broadcast it to open pages.

    `change` is called again if another process saved meanwhile. Raises SessionNotFound.
    """
    while True:
        seq, document = document_open(session=session)
        before = document.state()
        change(document)
        update = document.update(before)
        if document_append(session=session, seq=seq, update=update, title=document.title):
            group_send(document_group(session), update_message(seq=seq + 1, update=update))
            return


def runs_unattached(*, session: UUID, runs: set[UUID]) -> set[UUID]:
    """The runs among these that are not attached to the session."""
    attached = SessionRun.objects.filter(session=session, run__in=runs)
    return runs - set(attached.values_list("run_id", flat=True))


def _plain(text: str) -> str:
    """The text without NUL, which PostgreSQL refuses."""
    return text.replace("\0", "")


def document_group(session: UUID) -> str:
    """The group of the processes that have the session open."""
    return f"document.{session}"


def update_message(*, seq: int, update: bytes) -> dict[str, Any]:
    """The message about a saved update; long updates are read from the database."""
    data = update if len(update) <= MAX_BROADCAST_BYTES else None
    return {"type": "document.update", "seq": seq, "update": data}


def session_missing(session: UUID) -> SessionNotFound:
    return SessionNotFound(
        f"There is no session {session}.", remedy="Choose one from the list of sessions."
    )
