"""Presence in a session: the newest state of each client, never saved."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

from workbench.sessions.protocol import GONE, PresenceEntry

EXPIRE_SECONDS = 30.0  # as in y-protocols; a client repeats its state every 15 s


@dataclass(frozen=True)
class ClientState:
    """`speaker`: the visitor whose client it is; `at`: seconds of the loop's clock on arrival."""

    entry: PresenceEntry
    speaker: str
    at: float


class Presence:
    def __init__(self) -> None:
        self.states: dict[int, ClientState] = {}
        self._pending: set[int] = set()

    def receive(
        self, entry: PresenceEntry, *, speaker: str, at: float, from_peer: bool = False
    ) -> bool:
        """Store a state, unless it is outdated or the client belongs to another visitor.

        `from_peer`: it came from another process, so it need not be broadcast.
        """
        known = self.states.get(entry.client)
        if known and (known.speaker != speaker or _is_older(entry, known.entry)):
            return False
        self.states[entry.client] = ClientState(entry, speaker, at)
        if not from_peer:
            self._pending.add(entry.client)
        return True

    def drop(self, client: int, *, at: float) -> None:
        """A client has left without a last message."""
        state = self.states.get(client)
        if state and state.entry.state != GONE:
            gone = PresenceEntry(client, state.entry.clock + 1, GONE)
            self.states[client] = replace(state, entry=gone, at=at)
            self._pending.add(client)

    def expire(self, *, at: float) -> None:
        """Drop clients without a message for EXPIRE_SECONDS: their process was killed."""
        for client, state in list(self.states.items()):
            if at - state.at > EXPIRE_SECONDS:
                if state.entry.state == GONE:
                    del self.states[client]
                else:
                    self.drop(client, at=at)

    def entries(self) -> list[PresenceEntry]:
        """The states of all who are connected."""
        return [state.entry for state in self.states.values() if state.entry.state != GONE]

    def about(self, client: int) -> list[PresenceEntry]:
        """The client's state, also if it has left."""
        return [self.states[client].entry] if client in self.states else []

    def pending(self) -> list[ClientState]:
        """The states that arrived since the last call."""
        states = [self.states[client] for client in self._pending if client in self.states]
        self._pending.clear()
        return states


def _is_older(entry: PresenceEntry, known: PresenceEntry) -> bool:
    if entry.clock == known.clock:
        return not (entry.state == GONE and known.state != GONE)
    return entry.clock < known.clock


def packed(states: Iterable[ClientState]) -> str:
    """The states as text, for other processes."""
    return json.dumps([[*state.entry, state.speaker] for state in states])


def unpacked(text: str) -> list[tuple[PresenceEntry, str]]:
    return [(PresenceEntry(*entry), speaker) for *entry, speaker in json.loads(text)]
