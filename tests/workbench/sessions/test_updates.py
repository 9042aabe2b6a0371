"""Updates that would end the process or block it are refused before they are merged."""

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pycrdt import Doc, Map, write_message, write_var_uint

from tests.workbench.sessions.documents import PANEL, YJS, refused, rivals
from workbench.errors import SessionDamaged, UpdateRefused
from workbench.sessions import crdt
from workbench.sessions.crdt import SharedDocument, UpdateIncomplete
from workbench.sessions.updates import MAX_CLIENTS, MAX_RIVALS, MAX_TYPES, read_state, read_update


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
