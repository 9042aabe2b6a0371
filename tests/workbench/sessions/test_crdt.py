"""Which updates a document accepts, and that edits merge in any order."""

import json
import random
import subprocess
import sys
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pycrdt import Array, Doc, Map, Text, merge_updates, write_message, write_var_uint

from workbench.errors import SessionDamaged, UpdateRefused
from workbench.sessions import crdt
from workbench.sessions.crdt import MAX_PANELS, SharedDocument, UpdateIncomplete
from workbench.sessions.document import (
    PanelNote,
    PanelRun,
    SessionDocument,
    document_bytes,
    in_order,
    place,
)
from workbench.sessions.updates import MAX_CLIENTS, MAX_RIVALS, MAX_TYPES, read_state, read_update

PANEL = "11111111-1111-4111-8111-111111111111"
RUN = "22222222-2222-4222-8222-222222222222"

# Written by Yjs 13.6: a title and a note, then an insertion, a deletion, a value replaced.
YJS = [
    "010c07002801046d657461057469746c6501771657686f20686173207468652062616c6c3f20f09f8f802701067061"
    "6e656c732431313131313131312d313131312d343131312d383131312d313131313131313131313131012800070104"
    "6b696e640177046e6f74652800070105706c616365017702613028000701047370616e017d0c280007010668656967"
    "6874017c4370800028000701067265706f7274017827000701047465787402040007070f23204e6f7465730af09f98"
    "80206f6b270007010763617074696f6e02270007010573746174650128000716056c617965720177013300",
    "01010718c4070e070f08206f6620416e6e6100",
    "000107010802",
    "01010720a80705017e0107010501",
]


class Client:
    """A page's document; its updates are collected as Yjs would send them."""

    def __init__(self, *updates: bytes, number: int | None = None) -> None:
        self.doc: Doc[Any] = Doc(client_id=number)
        self.meta = self.doc.get("meta", type=Map)
        self.panels = self.doc.get("panels", type=Map)
        for update in updates:
            self.doc.apply_update(update)
        self.sent: list[bytes] = []
        self._watching = self.doc.observe(lambda event: self.sent.append(event.update))

    def write(self, panel: str = PANEL, **fields: Any) -> bytes:
        """Set fields of a panel, made where it is missing; one update."""
        self.sent.clear()
        with self.doc.transaction():
            if panel not in self.panels:
                self.panels[panel] = Map()
            for key, value in fields.items():
                self.panels[panel][key] = value
        return self.sent[0]

    def note(self, text: str = "", panel: str = PANEL) -> bytes:
        return self.write(panel, kind="note", place="a0", text=Text(text))


def refused(update: bytes, *before: bytes) -> str:
    with pytest.raises(UpdateRefused) as caught:
        SharedDocument(before).apply(update)
    assert caught.value.remedy
    return caught.value.message


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
    page, document = Client(), SharedDocument()
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
    page = Client()
    before = page.note("stays")
    assert refused(page.write(**fields), before)


def test_wrong_panels_and_titles_are_refused() -> None:
    for key in ("", "first", PANEL.upper().replace("1", "A"), "1" * 36):
        assert "panel" in refused(Client().write(key, kind="note"))
    page = Client()
    page.panels[PANEL] = "a text"
    assert "map" in refused(page.sent[0])
    for title in (7, Text("shared"), "t" * 201):
        page = Client()
        page.meta["title"] = title
        assert "title" in refused(page.sent[0])
    page = Client()
    page.meta["author"] = "me"
    assert refused(page.sent[0])
    page = Client()
    for _ in range(MAX_PANELS + 1):
        page.note(panel=str(uuid.uuid4()))
    assert f"limit is {MAX_PANELS}" in refused(page.doc.get_update())


def test_other_root_types_are_refused() -> None:
    other: Doc[Any] = Doc()
    other.get("scripts", type=Map)["a"] = "b"
    assert "scripts" in refused(other.get_update())


def test_a_document_has_a_largest_size(settings: Any) -> None:
    settings.MAX_DOCUMENT_BYTES = 10_000
    page = Client()
    before = page.note("a" * 9_000)
    document = SharedDocument([before])
    page.sent.clear()
    page.panels[PANEL]["text"] += "b" * 2_000
    assert "limit is 10000" in refused(page.sent[0], before)
    # What was deleted leaves room again.
    for _ in range(20):
        page = Client(document.update())
        with page.doc.transaction():
            page.panels[PANEL]["text"].clear()
            page.panels[PANEL]["text"] += "c" * 9_000
        document.apply(page.sent[0])
    assert len(document.update()) < 10_000


def item(*, client: int, clock: int, key: str, content: bytes, kind: int, root: str) -> bytes:
    """An update of one item, set under a key of a root map."""
    parent = b"\1" + write_message(root.encode()) + write_message(key.encode())
    head = b"\1\1" + write_var_uint(client) + write_var_uint(clock)
    return head + bytes([0x20 | kind]) + parent + content + b"\0"


def hostile() -> dict[str, bytes]:
    def any_item(value: bytes) -> bytes:
        return item(client=1, clock=0, key=PANEL, content=b"\1" + value, kind=8, root="panels")

    nested_types = [b"\1" + write_message(b"panels") + write_message(PANEL.encode())]
    nested_types += [b"\0" + write_var_uint(1) + write_var_uint(n) + b"\1a" for n in range(200_000)]
    types = b"".join(b"\x27" + parent + b"\1" for parent in nested_types)
    head = b"\1" + write_var_uint(len(nested_types)) + b"\1\0"
    return {
        "lists in lists": any_item(b"\x75\1" * 200_000 + b"\x7e"),
        "objects in objects": any_item(b"\x76\1\1a" * 200_000 + b"\x7e"),
        "types in types, deleted": head + types + b"\1\1\1\0\1",
        "few types in types": head.replace(write_var_uint(200_001), write_var_uint(3000))
        + b"".join(b"\x27" + parent + b"\1" for parent in nested_types[:3000])
        + b"\0",
        "a clock beyond its range": b"\1\1\1\0\0" + write_var_uint(2**40) + b"\0",
        "a client beyond its range": b"\1\1" + write_var_uint(2**60) + b"\0\0\1\0",
        "a number without end": b"\xff" * 1000,
        "many pieces": b"\1" + write_var_uint(10**9) + b"\1\0" + b"\0\1" * 100,
        "a long text announced": item(
            client=1, clock=0, key=PANEL, content=write_var_uint(2**50), kind=4, root="panels"
        ),
        "not UTF-8": item(
            client=1, clock=0, key=PANEL, content=b"\2\xff\xfe", kind=4, root="panels"
        ),
        "a document in the document": item(
            client=1, clock=0, key=PANEL, content=b"\1a\x76\0", kind=9, root="panels"
        ),
        "JSON": item(client=1, clock=0, key=PANEL, content=b"\1\1[", kind=2, root="panels"),
        "nothing": b"",
    }


@pytest.mark.parametrize("name", sorted(hostile()))
def test_hostile_bytes_are_refused_before_the_library_sees_them(name: str) -> None:
    with pytest.raises(UpdateRefused):
        read_update(hostile()[name])
    refused(hostile()[name])


@pytest.mark.parametrize(
    ("update", "after"),
    [
        # A field whose parent is a value, and one that follows and deletes itself.
        (YJS[0].replace("2800070105706c", "2800070005706c"), 0),
        ("01010720a80701000107010001", 3),
    ],
)
def test_what_the_library_fails_at_is_refused_too(update: str, after: int) -> None:
    refused(bytes.fromhex(update), *map(bytes.fromhex, YJS[:after]))


def test_as_many_types_as_are_taken_can_be_nested_and_deleted() -> None:
    """The bound on types keeps the library's recursion within the stack of a thread."""
    code = f"""
import threading
from pycrdt import Doc, Map
doc = Doc(); at = panels = doc.get("panels", type=Map)
with doc.transaction():
    for _ in range({MAX_TYPES}):
        at["a"] = Map(); at = at["a"]
def delete():
    copy = Doc(); copy.apply_update(doc.get_update()); del copy.get("panels", type=Map)["a"]
    print(len(copy.get_update()) > 0)
threading.stack_size(512 * 1024)
thread = threading.Thread(target=delete); thread.start(); thread.join()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


@hypothesis_settings(max_examples=40, deadline=None)
@given(st.data())
def test_changed_bytes_are_refused_or_leave_a_document(data: st.DataObject) -> None:
    whole = bytearray(bytes.fromhex(YJS[0]))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    document = SharedDocument()
    try:
        document.apply(bytes(whole))
    except (UpdateRefused, UpdateIncomplete):
        return
    again = SharedDocument([document.update()])
    assert again.read() == document.read()


def rivals(clients: range) -> bytes:
    """An update in which each client sets the title, none having seen another's."""
    value = b"\1\x77" + write_message(b"x")
    written = b"\x28\1" + write_message(b"meta") + write_message(b"title") + value
    blocks = [b"\1" + write_var_uint(client) + b"\0" + written for client in clients]
    return write_var_uint(len(blocks)) + b"".join(blocks) + b"\0"


def test_many_clients_at_one_place_are_refused_unmerged() -> None:
    document = SharedDocument()
    with pytest.raises(UpdateRefused, match=f"the limit is {MAX_CLIENTS}"):
        document.apply(rivals(range(1, 49_001)))
    assert read_state(document.state()) == {}


def test_they_are_counted_over_all_updates() -> None:
    document = SharedDocument([rivals(range(1, MAX_RIVALS + 1))])
    document.apply(rivals(range(1, 9)))  # known already
    with pytest.raises(UpdateRefused, match="write at one place"):
        document.apply(rivals(range(MAX_RIVALS + 1, MAX_RIVALS + 2)))


def test_an_update_that_takes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """One client sets the title again and again; others follow each of the earlier titles."""
    value = b"\1\x77" + write_message(b"x")
    first = b"\x28\1" + write_message(b"meta") + write_message(b"title") + value
    after = [b"\x88\1" + write_var_uint(clock) + value for clock in range(1_999)]
    chain = b"\1" + write_var_uint(2_000) + b"\1\0" + first + b"".join(after) + b"\0"
    late = [b"\1" + write_var_uint(clock + 2) + b"\0" + after[clock] for clock in range(400)]
    update = write_var_uint(len(late)) + b"".join(late) + b"\0"
    document = SharedDocument()
    document.apply(chain)
    monkeypatch.setattr(crdt, "SLOW_SECONDS", 0.001)
    monkeypatch.setattr(crdt, "MOST_SECONDS", 0.002)
    with pytest.raises(UpdateRefused, match="seconds"):
        document.apply(update)


def test_a_document_that_was_poisoned_before_is_not_opened() -> None:
    with pytest.raises(SessionDamaged) as caught:
        SharedDocument([rivals(range(1, 49_001))])
    assert caught.value.remedy


def test_many_clients_one_after_another_are_taken() -> None:
    document = SharedDocument()
    for _ in range(MAX_RIVALS + 200):
        page: Doc[Any] = Doc()
        page.apply_update(document.update())
        before = page.get_state()
        page.get("meta", type=Map)["title"] = "Balls"
        document.apply(page.get_update(before))
    assert len(read_state(document.state())) == MAX_RIVALS + 200


def test_a_state_vector_is_read() -> None:
    document = SharedDocument(map(bytes.fromhex, YJS))
    assert read_state(document.state()) == {7: 33}
    for wrong in (b"", b"\1", b"\1\1", b"\xff" * 20):
        with pytest.raises(UpdateRefused):
            read_state(wrong)


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
    page, document = Client(), SharedDocument()
    document.apply(page.write(span=6))
    document.apply(page.write(kind="run"))
    assert document.read().panels == ()
    document.apply(page.write(run=RUN))
    assert [panel.id for panel in document.read().panels] == [PANEL]


def edit(page: Client, kind: int, chance: random.Random) -> bytes:
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
    pages = [Client(number=number) for number in (1, 2, 3)]
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
    first, server = Client(), SharedDocument()
    server.apply(first.note("Anna has the ball."))
    pages = [Client(server.update()) for _ in range(10)]
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
