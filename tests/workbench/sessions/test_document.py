"""A document as plain data."""

import uuid

from tests.workbench.sessions.documents import PANEL, RUN, DocumentClient
from workbench.sessions.crdt import SharedDocument
from workbench.sessions.document import (
    PanelNote,
    PanelRun,
    SessionDocument,
    document_bytes,
    in_order,
    place,
)


def test_places_are_in_order() -> None:
    keys = [place(index) for index in range(5000)]
    assert keys == sorted(keys)
    assert keys[:2] == ["a0", "a1"]
    assert (keys[61], keys[62]) == ("az", "b00")
    assert len(set(keys)) == len(keys)


def test_a_document_goes_through_bytes_unchanged() -> None:
    panels = in_order(
        [
            PanelRun(id=RUN, place="", run=uuid.UUID(RUN), caption="<b>*why*</b>", span=6),
            PanelNote(id=PANEL, place="", text="\u202e# 😀\n", height=10.5, report=False),
            PanelRun(id=str(uuid.uuid4()), place="", run=uuid.uuid4(), state={"layer": "3"}),
        ]
    )
    document = SessionDocument(title="Wer? \u0000", panels=panels)
    data = document_bytes(document)
    assert SharedDocument([data]).read() == document
    assert SharedDocument().apply(data).runs == {p.run for p in panels if isinstance(p, PanelRun)}
    assert document.plain_text == "Wer? \u0000\n<b>*why*</b>\n\u202e# 😀\n"


def test_a_panel_that_lacks_what_its_kind_needs_is_not_there_yet() -> None:
    page, document = DocumentClient(), SharedDocument()
    document.apply(page.write(span=6))
    document.apply(page.write(kind="run"))
    assert document.read().panels == ()
    document.apply(page.write(run=RUN))
    assert [panel.id for panel in document.read().panels] == [PANEL]
