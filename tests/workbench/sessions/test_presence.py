"""Presence: the newest state wins, visitors cannot set states of others, silent clients expire."""

import json
import uuid

import pytest
from pycrdt import write_message, write_var_uint

from workbench.errors import InvalidMessage
from workbench.sessions.presence import EXPIRE_SECONDS, Presence, packed, unpacked
from workbench.sessions.protocol import (
    GONE,
    AskPeople,
    People,
    PresenceEntry,
    Sync,
    frame_read,
    people_frame,
    refused_frame,
    saved_frame,
    state_signed,
    sync_frame,
)


def test_the_newest_saying_is_kept() -> None:
    presence = Presence()
    assert presence.receive(PresenceEntry(1, 2, "{}"), speaker="anna", at=0)
    assert not presence.receive(PresenceEntry(1, 2, '{"a":1}'), speaker="anna", at=1)
    assert not presence.receive(PresenceEntry(1, 1, GONE), speaker="anna", at=1)
    assert not presence.receive(PresenceEntry(1, 9, GONE), speaker="tom", at=1)
    assert [state.entry for state in presence.pending()] == [PresenceEntry(1, 2, "{}")]
    assert presence.pending() == []
    assert presence.receive(PresenceEntry(1, 2, GONE), speaker="anna", at=2)
    assert presence.entries() == []
    assert presence.about(1) == [PresenceEntry(1, 2, GONE)]
    assert presence.receive(PresenceEntry(1, 3, "{}"), speaker="anna", at=3, from_peer=True)
    assert presence.entries() == [PresenceEntry(1, 3, "{}")]


def test_who_left_or_was_cut_off_is_dropped() -> None:
    presence = Presence()
    presence.receive(PresenceEntry(1, 4, "{}"), speaker="anna", at=0)
    presence.receive(PresenceEntry(2, 1, "{}"), speaker="tom", at=20)
    presence.pending()
    presence.drop(2, at=20)
    presence.drop(3, at=20)
    assert [state.entry for state in presence.pending()] == [PresenceEntry(2, 2, GONE)]
    presence.expire(at=EXPIRE_SECONDS + 1)
    assert [state.entry for state in presence.pending()] == [PresenceEntry(1, 5, GONE)]
    presence.expire(at=3 * EXPIRE_SECONDS)
    assert presence.states == {}


def test_sayings_travel_between_processes() -> None:
    presence = Presence()
    presence.receive(PresenceEntry(2**53 - 1, 4, '{"a":"\u202e😀"}'), speaker="guest-7", at=0)
    assert unpacked(packed(presence.pending())) == [
        (PresenceEntry(2**53 - 1, 4, '{"a":"\u202e😀"}'), "guest-7")
    ]


def test_frames_are_read_as_they_are_written() -> None:
    assert frame_read(sync_frame(2, b"abc")) == Sync(2, b"abc")
    entries = [PresenceEntry(2**40, 3, '{"name":"😀"}'), PresenceEntry(0, 0, GONE)]
    assert frame_read(people_frame(entries)) == People(entries)
    assert frame_read(b"\3") == AskPeople()
    assert refused_frame("é") == b"\2\0\2\xc3\xa9"
    assert saved_frame(300) == b"\4\xac\2"


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\0",
        b"\0\2",
        b"\0\2\5abc",
        b"\0\7\0",
        b"\1\3\1\1",
        b"\1" + write_message(write_var_uint(501)),
        b"\1" + write_message(b"\1\1\1\2\xff\xfe"),
        b"\2\0\1a",
        b"\4\1",
        b"\x63",
    ],
)
def test_wrong_frames_are_refused(frame: bytes) -> None:
    with pytest.raises(InvalidMessage):
        frame_read(frame)


def test_a_state_is_signed_by_the_server() -> None:
    given = {"user": {"id": "1", "name": "Tom", "colour": "blue"}, "view": {"panel": "\u202e"}}
    signed = json.loads(state_signed(json.dumps(given), id="7", name="Anna"))
    assert signed == {**given, "user": {"id": "7", "name": "Anna", "colour": "blue"}}
    for colour in ("url(x)", "Blue", 7, None, "b" * 17):
        text = json.dumps({"user": {"colour": colour}})
        assert json.loads(state_signed(text, id="7", name="Anna"))["user"]["colour"] is None
    for user in (None, "anna", [], 3):
        text = json.dumps({"user": user, "x": uuid.uuid4().hex})
        assert json.loads(state_signed(text, id="7", name="Anna"))["user"]["name"] == "Anna"
    assert state_signed("null", id="7", name="Anna") == GONE
    assert "\\ud800" in state_signed('{"a":"\\ud800"}', id="7", name="Anna")


@pytest.mark.parametrize("text", ["", "{", "[1]", "7", '{"a":NaN}', '{"a":1e999}', "[" * 4000])
def test_a_state_that_would_trip_others_is_refused(text: str) -> None:
    with pytest.raises(InvalidMessage):
        state_signed(text, id="7", name="Anna")
