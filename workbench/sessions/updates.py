"""Parses Yjs updates before a document merges them, and refuses invalid ones.

The CRDT library's decoder trusts its input: an update with deeply nested values or types ends the
process, and one whose predecessors are missing is kept in memory but never saved. So each update is
parsed here first, without recursion, and accepted only if it consists of maps, texts, scalars and
deletions.

Format: Yjs, update encoding V1 (variable-length integers of 7 bits, lowest first).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from workbench.errors import UpdateRefused

MAX_STRUCTS = 50_000
# Deleting a type deletes its content recursively; this depth is far below a stack of 8 MB.
MAX_TYPES = 2_000
# Clients that insert concurrently at one position: the CRDT library compares all pairs. 2,000 take
# some milliseconds, 49,000 take nine seconds.
MAX_RIVALS = 2_000
# Clients in one update: a page sends the changes of one or few clients.
MAX_CLIENTS = 500
MAX_CLOCK = 2**31 - 1
MAX_CLIENT = 2**53 - 1

ORIGIN, RIGHT_ORIGIN, PARENT_KEY, KIND = 0x80, 0x40, 0x20, 0x1F
GC, DELETED, STRING, TYPE, ANY, SKIP = 0, 1, 4, 7, 8, 10
MAP, TEXT = 1, 2
ANY_INTEGER, ANY_STRING = 125, 119
ANY_BYTES = {127: 0, 126: 0, 124: 4, 123: 8, 122: 8, 121: 0, 120: 0}  # kinds of fixed size

StateVector = Mapping[int, int]
# The position of an item: after another item, or the beginning of a text or of a map's key.
WritePlace = tuple[object, object]


@dataclass
class Contents:
    """The contents of one update.

    `roots`: the root types that it names. `runs`: (client, first clock, clock after the last), in
    order. `needs`: by client, the clock after the last struct to which the update refers.
    `writers`: the positions at which each client inserts.
    """

    roots: set[str] = field(default_factory=set)
    runs: list[tuple[int, int, int]] = field(default_factory=list)
    needs: dict[int, int] = field(default_factory=dict)
    structs: int = 0
    types: int = 0
    writers: set[tuple[WritePlace, int]] = field(default_factory=set)

    def need(self, client: int, clock: int) -> None:
        self.needs[client] = max(self.needs.get(client, 0), clock)

    def applies_to(self, known: StateVector) -> bool:
        """Whether a document with this state vector has all structs that the update needs."""
        reached = dict(known)
        for client, first, end in self.runs:
            if first > reached.get(client, 0):
                return False
            reached[client] = max(reached.get(client, 0), end)
        return all(clock <= reached.get(client, 0) for client, clock in self.needs.items())


def read_update(data: bytes, *, most: int = MAX_STRUCTS, clients: int = MAX_CLIENTS) -> Contents:
    """The contents of an update of at most `most` structs and `clients` clients.

    Raises UpdateRefused.
    """
    reader, contents = Reader(data), Contents()
    try:
        count = reader.number()
        if count > clients:
            raise refuse(f"It is of {count} clients; the limit is {clients}")
        for _ in range(count):
            _read_client(reader, contents, most)
        _read_deletions(reader, contents)
    except (IndexError, UnicodeDecodeError):
        raise refuse("It ends too early, or a text in it is not UTF-8") from None
    if reader.at != len(data):
        raise refuse(f"{len(data) - reader.at} bytes follow its end")
    return contents


class Rivals:
    """Counts the clients that inserted at each position of a document."""

    def __init__(self, updates: Iterable[bytes]) -> None:
        """Raises UpdateRefused."""
        self._writers: set[tuple[WritePlace, int]] = set()
        self._counts: Counter[WritePlace] = Counter()
        for update in updates:
            self.add(read_update(update, most=MAX_CLOCK, clients=MAX_CLOCK))

    def add(self, contents: Contents) -> None:
        """Raises UpdateRefused if more than MAX_RIVALS clients inserted at one position."""
        fresh = contents.writers - self._writers
        self._writers |= fresh
        self._counts.update(place for place, _ in fresh)
        if self._counts and (most := max(self._counts.values())) > MAX_RIVALS:
            raise refuse(f"{most} clients write at one place; the limit is {MAX_RIVALS}")


def clients_in(data: bytes) -> int:
    """The number of clients in an update or a state vector. Raises UpdateRefused."""
    try:
        return Reader(data).number()
    except IndexError:
        raise refuse("It is empty") from None


def read_state(data: bytes) -> dict[int, int]:
    """A state vector: the number of known clocks by client. Raises UpdateRefused."""
    reader = Reader(data)
    try:
        return {reader.number(): reader.number() for _ in range(reader.number())}
    except IndexError:
        raise refuse("The state vector ends too early") from None


def refuse(why: str) -> UpdateRefused:
    return UpdateRefused(
        f"This change of the document cannot be taken. {why}.",
        remedy="Load the session again; your last changes are not saved.",
    )


class Reader:
    """Reads values from bytes. Raises IndexError at the end."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def byte(self) -> int:
        value = self.data[self.at]
        self.at += 1
        return value

    def number(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise refuse("A number in it is too long")

    def skip(self, count: int) -> None:
        if count > len(self.data) - self.at:
            raise IndexError
        self.at += count

    def bytes(self) -> bytes:
        length, first = self.number(), self.at
        self.skip(length)
        return self.data[first : self.at]

    def text(self) -> str:
        return self.bytes().decode()

    def id(self) -> tuple[int, int]:
        return self.number(), self.number()


def _read_client(reader: Reader, contents: Contents, most: int) -> None:
    count, client, clock = reader.number(), reader.number(), reader.number()
    contents.structs += count
    if contents.structs > most:
        raise refuse(f"It has more than {most} pieces")
    if client > MAX_CLIENT:
        raise refuse(f"Its client number {client} is too high")
    first = clock
    for _ in range(count):
        info = reader.byte()
        if info == SKIP:
            contents.runs.append((client, first, clock))
            first = clock = clock + reader.number()
        else:
            clock += reader.number() if info == GC else _read_item(reader, info, client, contents)
        if clock > MAX_CLOCK:
            raise refuse(f"Its clock {clock} is above {MAX_CLOCK}")
    contents.runs.append((client, first, clock))


def _read_item(reader: Reader, info: int, writer: int, contents: Contents) -> int:
    """Read an item; returns its number of clocks."""
    origins = [_read_id(reader, contents) for flag in (ORIGIN, RIGHT_ORIGIN) if info & flag]
    place: WritePlace = origins[0] if origins else _read_beginning(reader, info, contents)
    contents.writers.add((place, writer))
    return _read_content(reader, info & KIND, contents)


def _read_id(reader: Reader, contents: Contents) -> tuple[int, int]:
    client, clock = reader.id()
    contents.need(client, clock + 1)
    return client, clock


def _read_beginning(reader: Reader, info: int, contents: Contents) -> WritePlace:
    """The parent of the first item of a text or of a map's key, and that key."""
    parent: object
    if reader.number() == 1:
        parent = reader.text()
        contents.roots.add(parent)
    else:
        parent = _read_id(reader, contents)
    return parent, reader.text() if info & PARENT_KEY else ""


def _read_content(reader: Reader, kind: int, contents: Contents) -> int:
    if kind == DELETED:
        return reader.number()
    if kind == STRING:
        return len(reader.text().encode("utf-16-le")) // 2
    if kind == TYPE:
        return _read_type(reader, contents)
    if kind == ANY:
        length = reader.number()
        for _ in range(length):
            _read_scalar(reader)
        return length
    raise refuse(f"A piece of kind {kind} is no part of a session")


def _read_type(reader: Reader, contents: Contents) -> int:
    shared = reader.number()
    if shared not in (MAP, TEXT):
        raise refuse(f"A shared type of kind {shared} is no part of a session")
    contents.types += 1
    if contents.types > MAX_TYPES:
        raise refuse(f"It has more than {MAX_TYPES} maps and texts")
    return 1


def _read_scalar(reader: Reader) -> None:
    kind = reader.byte()
    if kind == ANY_STRING:
        reader.text()
    elif kind == ANY_INTEGER:
        while reader.byte() & 0x80:
            pass
    elif kind in ANY_BYTES:
        reader.skip(ANY_BYTES[kind])
    else:
        raise refuse("Lists and objects are no values of a session's document")


def _read_deletions(reader: Reader, contents: Contents) -> None:
    for _ in range(reader.number()):
        client = reader.number()
        for _ in range(reader.number()):
            clock, length = reader.id()
            contents.need(client, clock + length)
