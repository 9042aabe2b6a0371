"""Who is in a session and what they look at: the newest saying of each client, never saved."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

from workbench.sessions.protocol import GONE, Entry

EXPIRE_SECONDS = 30.0  # as y-protocols; a client repeats itself every 15 s


@dataclass(frozen=True)
class Saying:
    """`speaker`: whose client it is; `at`: when it was heard, in seconds of the loop's clock."""

    entry: Entry
    speaker: str
    at: float


class Presence:
    def __init__(self) -> None:
        self.sayings: dict[int, Saying] = {}
        self._news: set[int] = set()

    def hear(self, entry: Entry, *, speaker: str, at: float, told: bool = False) -> bool:
        """Keep a saying, unless it is older than what is known or the client is another's.

        `told`: other processes know of it.
        """
        known = self.sayings.get(entry.client)
        if known and (known.speaker != speaker or _is_older(entry, known.entry)):
            return False
        self.sayings[entry.client] = Saying(entry, speaker, at)
        if not told:
            self._news.add(entry.client)
        return True

    def drop(self, client: int, *, at: float) -> None:
        """A client has left without saying so."""
        saying = self.sayings.get(client)
        if saying and saying.entry.state != GONE:
            gone = Entry(client, saying.entry.clock + 1, GONE)
            self.sayings[client] = replace(saying, entry=gone, at=at)
            self._news.add(client)

    def expire(self, *, at: float) -> None:
        """Drop clients of which nothing was heard for long: their process was killed."""
        for client, saying in list(self.sayings.items()):
            if at - saying.at > EXPIRE_SECONDS:
                if saying.entry.state == GONE:
                    del self.sayings[client]
                else:
                    self.drop(client, at=at)

    def entries(self) -> list[Entry]:
        """Everybody who is here."""
        return [said.entry for said in self.sayings.values() if said.entry.state != GONE]

    def about(self, client: int) -> list[Entry]:
        """What is known of a client, also that it is gone."""
        return [self.sayings[client].entry] if client in self.sayings else []

    def news(self) -> list[Saying]:
        """What was heard since the last call."""
        told = [self.sayings[client] for client in self._news if client in self.sayings]
        self._news.clear()
        return told


def _is_older(entry: Entry, known: Entry) -> bool:
    if entry.clock == known.clock:
        return not (entry.state == GONE and known.state != GONE)
    return entry.clock < known.clock


def packed(sayings: Iterable[Saying]) -> str:
    """As text, for the other processes."""
    return json.dumps([[*said.entry, said.speaker] for said in sayings])


def unpacked(text: str) -> list[tuple[Entry, str]]:
    return [(Entry(*entry), speaker) for *entry, speaker in json.loads(text)]
