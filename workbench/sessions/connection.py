"""A page's socket as a room sees it."""

from typing import Protocol
from uuid import UUID

from analysis.errors import GlassbenchError
from workbench.sessions.protocol import PresenceEntry, people_frame

CLOSE_GONE, CLOSE_AGAIN = 4404, 1013


class Connection(Protocol):
    """None of these waits for the page."""

    session: UUID

    @property
    def speaker(self) -> str:
        """Id of the visitor whose page it is."""

    def put(self, frame: bytes) -> None: ...
    def saved(self, count: int) -> None: ...
    def refuse(self, error: GlassbenchError) -> None: ...
    def end(self, code: int, reason: str) -> None: ...
    async def check_access(self) -> bool:
        """Whether the visitor may still read the session; otherwise the connection ends itself."""


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
