"""The interface between a room and the sockets of its pages."""

from typing import Protocol
from uuid import UUID

from analysis.errors import GlassbenchError
from workbench.sessions.protocol import PresenceEntry, people_frame

CLOSE_GONE, CLOSE_AGAIN = 4404, 1013


class Connection(Protocol):
    """A page's socket. Its methods do not wait for the page."""

    session: UUID

    @property
    def speaker(self) -> str:
        """Id of the page's visitor."""

    def put(self, frame: bytes) -> None: ...
    def saved(self, count: int) -> None: ...
    def refuse(self, error: GlassbenchError) -> None: ...
    def end(self, code: int, reason: str) -> None: ...
    async def check_access(self) -> bool:
        """Whether the visitor may still read the session; if not, the connection is closed."""


class Connections(set[Connection]):
    """The pages of one room."""

    def put(self, frame: bytes) -> None:
        """Send a frame to all of them."""
        for connection in self:
            connection.put(frame)

    def put_people(self, entries: list[PresenceEntry]) -> None:
        """Send the states of people, if there are any."""
        if entries:
            self.put(people_frame(entries))
