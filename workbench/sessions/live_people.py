"""The presence of people in a room, broadcast to all its pages."""

import asyncio
from typing import Any

from workbench.sessions.connection import Connection, Connections
from workbench.sessions.peers import Peers
from workbench.sessions.presence import Presence, packed, unpacked
from workbench.sessions.protocol import PresenceEntry

# Interval between two broadcasts of presence: per connection, and at most.
PERSON_SECONDS, PEOPLE_SECONDS = 0.002, 0.1


class LivePeople:
    """`broadcast_changes` runs as long as the room is open."""

    def __init__(self, connections: Connections, peers: Peers) -> None:
        self.presence = Presence()
        self._connections, self._peers = connections, peers
        self._clients: dict[int, Connection] = {}
        self._changed = asyncio.Event()

    def receive(self, connection: Connection, entry: PresenceEntry) -> bool:
        """Store a page's presence state. False if it is not new, or belongs to another page."""
        accepted = self.presence.receive(entry, speaker=connection.speaker, at=now())
        if accepted:
            self._clients[entry.client] = connection
            self._changed.set()
        return accepted

    def left(self, connection: Connection) -> None:
        for client, owner in list(self._clients.items()):
            if owner is connection:
                del self._clients[client]
                self.presence.drop(client, at=now())
                self._changed.set()

    def expire(self) -> None:
        """Drop people whose process was killed."""
        self.presence.expire(at=now())
        self._changed.set()

    async def broadcast_changes(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self.broadcast_pending()
            await asyncio.sleep(min(PERSON_SECONDS * len(self._connections), PEOPLE_SECONDS))

    async def broadcast_pending(self) -> None:
        if pending := self.presence.pending():
            self._connections.put_people([state.entry for state in pending])
            await self._peers.send(_message(packed(pending)))

    async def broadcast_all(self) -> None:
        """Send all states to a process that has just opened the session."""
        await self._peers.send(_message(packed(self.presence.states.values())))

    def receive_from_peers(self, people: str) -> None:
        received = []
        for entry, speaker in unpacked(people):
            if self.presence.receive(entry, speaker=speaker, at=now(), from_peer=True):
                self._clients.pop(entry.client, None)  # it reconnected to another process
                received.append(entry)
        self._connections.put_people(received)


def _message(people: str) -> dict[str, Any]:
    return {"type": "document.people", "people": people}


def now() -> float:
    return asyncio.get_running_loop().time()
