"""Which updates a document accepts, and that edits merge in any order."""

import json
import random
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pycrdt import Array, Doc, Map, Text, merge_updates

from tests.workbench.sessions.documents import PANEL, RUN, YJS, DocumentClient, refused
from workbench.errors import UpdateRefused
from workbench.sessions.crdt import MAX_PANELS, SharedDocument, UpdateIncomplete
from workbench.sessions.document import (
    PanelNote,
)
from workbench.sessions.updates import read_update


def test_what_yjs_writes_is_read() -> None:
    document = SharedDocument()
    for update in YJS:
        assert document.apply(bytes.fromhex(update)).update
    assert document.title == "Who has the ball? 🏀"
    assert document.read().panels == (
        PanelNote(
            id=PANEL,
            place="a0",
            span=12,
            height=None,
            state={"layer": "3"},
            text="Notes of Anna\n😀 ok",
        ),
    )


def test_the_bytes_of_yjs_are_walked_to_their_end() -> None:
    contents = read_update(bytes.fromhex(YJS[0]))
    assert contents.roots == {"meta", "panels"}
    assert contents.runs == [(7, 0, 24)]
    assert (contents.structs, contents.types) == (12, 4)
    assert read_update(bytes.fromhex(YJS[1])).runs == [(7, 24, 32)]
    assert read_update(bytes.fromhex(YJS[2])).needs == {7: 10}
    for update in map(bytes.fromhex, YJS):
        for end in range(len(update)):
            with pytest.raises(UpdateRefused):
                read_update(update[:end])
        with pytest.raises(UpdateRefused, match="follow its end"):
            read_update(update + b"\0")


def test_an_update_known_already_brings_nothing() -> None:
    document = SharedDocument()
    first = bytes.fromhex(YJS[0])
    assert document.apply(first).update
    assert document.apply(first).update == b""
    assert document.apply(document.update()).update == b""
    assert document.apply(b"\0\0").update == b""


def test_an_update_without_its_predecessor_waits_for_it() -> None:
    document = SharedDocument()
    first, *later = map(bytes.fromhex, YJS)
    for update in later:
        with pytest.raises(UpdateIncomplete):
            document.apply(update)
    assert document.update() == b"\0\0"
    for update in (first, *later):
        document.apply(update)
    assert document.read() == SharedDocument(map(bytes.fromhex, YJS)).read()


def test_runs_new_to_the_document_are_named_once() -> None:
    page, document = DocumentClient(), SharedDocument()
    run = uuid.UUID(RUN)
    assert document.apply(page.write(kind="run", place="a0", run=RUN)).runs == {run}
    assert document.apply(page.write(caption=Text("why"))).runs == frozenset()
    assert document.apply(page.write(str(uuid.uuid4()), kind="run", run=RUN)).runs == frozenset()
    assert SharedDocument([document.update()]).apply(page.write(span=6)).runs == frozenset()


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "script"},
        {"kind": 1},
        {"place": 7},
        {"place": "a" * 300},
        {"span": 5},
        {"span": True},
        {"span": "12"},
        {"height": 0},
        {"height": -1},
        {"height": "100%"},
        {"height": float("inf")},
        {"height": float("nan")},
        {"height": 1e9},
        {"run": "../../etc/passwd"},
        {"run": RUN.replace("-", "")},
        {"run": None},
        {"text": "not shared"},
        {"text": Map({})},
        {"caption": "not shared"},
        {"state": {}},
        {"state": Map({"layer": 3.0})},
        {"state": Map({"layer": Text("3")})},
        {"state": Map({"k" * 65: "3"})},
        {"state": Map({"layer": "3" * 4001})},
        {"state": Map({str(key): "" for key in range(65)})},
        {"report": "yes"},
        {"onclick": "alert(1)"},
        {"text": Array([])},
        {"state": Map({"deeper": Map({})})},
    ],
)
def test_wrong_fields_are_refused(fields: dict[str, Any]) -> None:
    page = DocumentClient()
    before = page.note("stays")
    assert refused(page.write(**fields), before)


def test_wrong_panels_and_titles_are_refused() -> None:
    for key in ("", "first", PANEL.upper().replace("1", "A"), "1" * 36):
        assert "panel" in refused(DocumentClient().write(key, kind="note"))
    page = DocumentClient()
    page.panels[PANEL] = "a text"
    assert "map" in refused(page.sent[0])
    for title in (7, Text("shared"), "t" * 201):
        page = DocumentClient()
        page.meta["title"] = title
        assert "title" in refused(page.sent[0])
    page = DocumentClient()
    page.meta["author"] = "me"
    assert refused(page.sent[0])
    page = DocumentClient()
    for _ in range(MAX_PANELS + 1):
        page.note(panel=str(uuid.uuid4()))
    assert f"limit is {MAX_PANELS}" in refused(page.doc.get_update())


def test_other_root_types_are_refused() -> None:
    other: Doc[Any] = Doc()
    other.get("scripts", type=Map)["a"] = "b"
    assert "scripts" in refused(other.get_update())


def test_a_document_has_a_largest_size(settings: Any) -> None:
    settings.MAX_DOCUMENT_BYTES = 10_000
    page = DocumentClient()
    before = page.note("a" * 9_000)
    document = SharedDocument([before])
    page.sent.clear()
    page.panels[PANEL]["text"] += "b" * 2_000
    assert "limit is 10000" in refused(page.sent[0], before)
    # What was deleted leaves room again.
    for _ in range(20):
        page = DocumentClient(document.update())
        with page.doc.transaction():
            page.panels[PANEL]["text"].clear()
            page.panels[PANEL]["text"] += "c" * 9_000
        document.apply(page.sent[0])
    assert len(document.update()) < 10_000


def edit(page: DocumentClient, kind: int, chance: random.Random) -> bytes:
    """One edit, as a person makes them; every text it inserts is unlike all others."""
    page.sent.clear()
    keys = sorted(page.panels)
    with page.doc.transaction():
        if not keys or kind == 0:
            page.panels[str(uuid.UUID(int=chance.getrandbits(128)))] = Map(
                {"kind": "note", "place": f"a{chance.randrange(9)}", "text": Text()}
            )
        elif kind == 1:
            del page.panels[chance.choice(keys)]
        elif kind == 2:
            page.panels[chance.choice(keys)]["span"] = chance.choice([4, 6, 12])
        else:
            text = page.panels[chance.choice(keys)]["text"]
            at = chance.randrange(len(str(text)) + 1)
            text.insert(len(str(text)[:at].encode()), f"<{chance.getrandbits(60):x}>")
    return page.sent[0] if page.sent else b""


@hypothesis_settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), min_size=5, max_size=40),
    st.randoms(use_true_random=False),
)
def test_edits_converge_whatever_the_order(
    edits: list[tuple[int, int]], chance: random.Random
) -> None:
    """Three pages edit apart; updates arrive late, twice and merged; all end alike."""
    pages = [DocumentClient(number=number) for number in (1, 2, 3)]
    server = SharedDocument()
    waiting: list[tuple[int, bytes]] = []
    saved: list[bytes] = []

    def deliver(index: int, update: bytes) -> None:
        try:
            change = server.apply(update)
        except UpdateIncomplete:  # the server asks, the page brings all that is missing
            change = server.apply(pages[index].doc.get_update(server.state()))
        if change.update:
            saved.append(change.update)

    for index, kind in edits:
        if update := edit(pages[index], kind, chance):
            waiting += [(index, update)] * chance.choice([1, 1, 2])
        while waiting and chance.random() < 0.5:
            deliver(*waiting.pop(chance.randrange(len(waiting))))
        if chance.random() < 0.3:
            behind = chance.choice(pages).doc
            behind.apply_update(server.update(behind.get_state()))
    for index, update in chance.sample(waiting, len(waiting)):
        deliver(index, update)
    for page in pages:
        page.doc.apply_update(server.update(page.doc.get_state()))
    expected = server.read()
    assert [SharedDocument([page.doc.get_update()]).read() for page in pages] == [expected] * 3
    # What was saved leads there too: one by one, merged, and folded at any point.
    assert SharedDocument(saved).read() == expected
    fold = chance.randrange(len(saved) + 1)
    assert SharedDocument([SharedDocument(saved[:fold]).update(), *saved[fold:]]).read() == expected
    if len(saved) > 1:
        assert SharedDocument([merge_updates(*saved)]).read() == expected


def test_texts_written_apart_are_all_kept() -> None:
    first, server = DocumentClient(), SharedDocument()
    server.apply(first.note("Anna has the ball."))
    pages = [DocumentClient(server.update()) for _ in range(10)]
    updates = []
    for number, page in enumerate(pages):
        page.panels[PANEL]["text"].insert(number, f"[{number}]")
        updates.append(page.sent[0])
    for update in reversed(updates):
        server.apply(update)
    (panel,) = server.read().panels
    assert isinstance(panel, PanelNote)
    for number in range(10):
        assert f"[{number}]" in panel.text
    assert json.dumps(panel.text).count("[") == 10
