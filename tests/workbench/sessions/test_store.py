"""Saving a document: each update has its own number, and none is lost by folding."""

import threading
import uuid
from typing import Any
from unittest.mock import Mock

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection
from pycrdt import Map, Text

from workbench.errors import SessionNotFound
from workbench.runs.models import Run
from workbench.sessions import store
from workbench.sessions.crdt import SharedDocument
from workbench.sessions.document import PanelNote, SessionDocument
from workbench.sessions.models import Session, SessionRun, SessionUpdate
from workbench.sessions.store import (
    document_append,
    document_change,
    document_create,
    document_fold,
    document_get,
    document_index,
    document_load,
    document_rename,
    runs_unattached,
)

pytestmark = pytest.mark.django_db(transaction=True)
NOTE = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
def session(anna: User) -> Session:
    return Session.objects.create(owner=anna, title="Who has the ball?")


def append(session: Session, seq: int, data: bytes = b"?", title: str = "") -> bool:
    return document_append(session=session.pk, seq=seq, update=data, title=title)


def test_an_update_is_saved_under_the_next_number_alone(session: Session) -> None:
    assert append(session, 0, b"one")
    assert not append(session, 0, b"late")
    assert not append(session, 2, b"early")
    assert append(session, 1, b"two", title="Another title")
    saved = document_load(session=session.pk)
    assert (saved.seq, saved.updates) == (2, [b"one", b"two"])
    assert document_load(session=session.pk, after=1).updates == [b"two"]
    assert document_load(session=session.pk, after=2).updates == []
    before = session.changed_at
    session.refresh_from_db()
    assert session.title == "Another title"
    assert session.changed_at > before


def test_a_page_behind_a_fold_receives_the_whole_document(session: Session) -> None:
    for seq in range(5):
        append(session, seq, str(seq + 1).encode())
    assert document_fold(session=session.pk, seq=3, state=b"1-3")
    assert not document_fold(session=session.pk, seq=3, state=b"again")
    assert not document_fold(session=session.pk, seq=2, state=b"less")
    assert not document_fold(session=session.pk, seq=6, state=b"more than there is")
    assert document_load(session=session.pk).updates == [b"1-3", b"4", b"5"]
    assert document_load(session=session.pk, after=2).updates == [b"1-3", b"4", b"5"]
    assert document_load(session=session.pk, after=3).updates == [b"4", b"5"]
    assert SessionUpdate.objects.filter(session=session).count() == 2


def test_a_fold_between_the_queries_is_read_again(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seq in range(4):
        append(session, seq, str(seq + 1).encode())
    seen = Session.objects.filter

    def fold_after(*args: Any, **given: Any) -> Any:
        found = seen(*args, **given)
        row = list(found.values_list("seq", "folded", "state"))
        monkeypatch.setattr(Session.objects, "filter", seen)
        document_fold(session=session.pk, seq=4, state=b"1-4")
        return Mock(values_list=lambda *_: Mock(first=lambda: row[0]))

    monkeypatch.setattr(Session.objects, "filter", fold_after)
    assert document_load(session=session.pk).updates == [b"1-4"]


def test_a_missing_update_is_said_and_not_skipped(session: Session) -> None:
    append(session, 0)
    append(session, 1)
    SessionUpdate.objects.filter(seq=1).delete()
    with pytest.raises(DatabaseError, match="missing"):
        document_load(session=session.pk)


def test_a_deleted_session_is_said(session: Session) -> None:
    gone = session.pk
    session.delete()
    assert not document_append(session=gone, seq=0, update=b"", title="")
    for call in (document_load, document_get):
        with pytest.raises(SessionNotFound):
            call(session=gone)
    assert not SessionUpdate.objects.exists()


def test_a_document_is_made_read_and_renamed(session: Session) -> None:
    content = SessionDocument(title="New", panels=(PanelNote(id=NOTE, place="a0", text="Tom."),))
    document_create(session=session, document=content)
    assert document_get(session=session.pk) == content
    assert (session.title, session.text) == ("New", "New\nTom.")
    document_rename(session=session.pk, title="Newer")
    assert document_get(session=session.pk).title == "Newer"
    session.refresh_from_db()
    assert (session.title, session.seq, session.folded) == ("Newer", 2, 1)
    document_index(session=session.pk, text="other")
    session.refresh_from_db()
    assert session.text == "other"


def test_many_writers_lose_nothing(session: Session) -> None:
    """Threads with a connection each write at once, and fold meanwhile."""
    document_create(
        session=session,
        document=SessionDocument(title="t", panels=(PanelNote(id=NOTE, place="a0"),)),
    )

    def write(number: int) -> None:
        for round in range(5):

            def insert(document: SharedDocument, mark: str = f"[{number}.{round}]") -> None:
                panel = document.doc.get("panels", type=Map)[NOTE]
                text: Text = panel["text"]
                text.insert(0, mark)

            document_change(session=session.pk, change=insert)
            if round == number:
                seq, document = store.document_open(session=session.pk)
                document_fold(session=session.pk, seq=seq, state=document.update())
        connection.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (panel,) = document_get(session=session.pk).panels
    assert isinstance(panel, PanelNote)
    marks = {f"[{number}.{round}]" for number in range(4) for round in range(5)}
    assert set(panel.text.replace("]", "] ").split()) == marks
    session.refresh_from_db()
    assert session.seq == 21


def test_runs_that_are_not_attached_are_named(session: Session, make_run: Any) -> None:
    run: Run = make_run()
    SessionRun.objects.create(session=session, run=run)
    other = uuid.uuid4()
    assert runs_unattached(session=session.pk, runs={run.pk, other}) == {other}
    assert runs_unattached(session=session.pk, runs={run.pk}) == set()
