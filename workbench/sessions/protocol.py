"""Messages of a session's binary socket: those of y-websocket, and `saved`.

sync 0 {step 1: 0, a state vector | step 2: 1, an update | update: 2, an update}, awareness 1
{entries of people}, refused 2 {0, reason} (y-protocols/auth), query awareness 3, saved 4 {number of
saved updates of this connection}. Numbers have 7 bits a byte, lowest first; texts and byte strings
are preceded by their length.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from pycrdt import write_message, write_var_uint

from workbench.errors import InvalidMessage
from workbench.sessions.updates import Reader

SYNC, AWARENESS, REFUSED, ASK_PEOPLE, SAVED = range(5)
STEP_1, STEP_2, UPDATE = range(3)
MAX_ENTRIES = 500
GONE = "null"
COLOUR = re.compile(r"[a-z]{1,16}")  # a name in the page's palette


class PresenceEntry(NamedTuple):
    """A client's presence state; `clock` counts its states, GONE is the last one."""

    client: int
    clock: int
    state: str


@dataclass(frozen=True)
class Sync:
    step: int
    data: bytes


@dataclass(frozen=True)
class People:
    entries: list[PresenceEntry]


@dataclass(frozen=True)
class AskPeople:
    pass


def frame_read(frame: bytes) -> Sync | People | AskPeople:
    """A message of a page. Raises InvalidMessage."""
    reader = Reader(frame)
    try:
        kind = reader.number()
        if kind == SYNC:
            step, data = reader.number(), reader.bytes()
            if step in (STEP_1, STEP_2, UPDATE):
                return Sync(step, data)
        if kind == AWARENESS:
            return People(_entries(Reader(reader.bytes())))
        if kind == ASK_PEOPLE:
            return AskPeople()
    except (IndexError, UnicodeDecodeError):
        raise invalid("It ends too early, or a text in it is not UTF-8") from None
    raise invalid(f"Its kind {kind} is unknown")


def sync_frame(step: int, data: bytes) -> bytes:
    return bytes([SYNC, step]) + write_message(data)


def people_frame(entries: Iterable[PresenceEntry]) -> bytes:
    parts = [
        write_var_uint(entry.client) + write_var_uint(entry.clock) + text_bytes(entry.state)
        for entry in entries
    ]
    return bytes([AWARENESS]) + write_message(write_var_uint(len(parts)) + b"".join(parts))


def refused_frame(why: str) -> bytes:
    return bytes([REFUSED, 0]) + text_bytes(why)


def saved_frame(count: int) -> bytes:
    return bytes([SAVED]) + write_var_uint(count)


def text_bytes(text: str) -> bytes:
    encoded: bytes = write_message(text.encode())
    return encoded


def state_signed(text: str, *, id: str, name: str) -> str:
    """A client's state with the server's id and name of its user. Raises InvalidMessage."""
    try:
        state = json.loads(text)
        if isinstance(state, dict):
            claimed = state.get("user")
            colour = claimed.get("colour") if isinstance(claimed, dict) else None
            safe = isinstance(colour, str) and COLOUR.fullmatch(colour)
            state["user"] = {"id": id, "name": name, "colour": colour if safe else None}
        elif state is not None:
            raise invalid("The state of its user is not a JSON object")
        # Other pages parse this text: without NaN and lone surrogates.
        return json.dumps(state, allow_nan=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        raise invalid("The state of its user is not JSON") from None


def invalid(why: str) -> InvalidMessage:
    return InvalidMessage(
        f"This message of the session's socket cannot be read. {why}.",
        remedy="Load the page again.",
    )


def _entries(reader: Reader) -> list[PresenceEntry]:
    count = reader.number()
    if count > MAX_ENTRIES:
        raise invalid(f"It names {count} people; the limit is {MAX_ENTRIES}")
    return [PresenceEntry(reader.number(), reader.number(), reader.text()) for _ in range(count)]
