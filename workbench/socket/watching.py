"""The sessions that one page watches over its socket."""

from typing import Protocol
from uuid import UUID

from channels.db import database_sync_to_async
from django.utils import timezone

from workbench.accounts.visitor import Visitor
from workbench.errors import SessionNotFound, TooManyWatches
from workbench.sessions.broadcast import session_group
from workbench.sessions.schemas import SessionOut
from workbench.sessions.selectors import session_get, session_snapshot, sessions_seen
from workbench.sessions.threads import ThreadsSeen, thread_changes
from workbench.socket.messages import (
    Message,
    SessionGone,
    SessionMessage,
    ThreadDeleted,
    ThreadMessage,
)

MAX_SESSIONS = 10


class Socket(Protocol):
    """The methods of a consumer that `SessionWatches` uses."""

    async def group_join(self, group: str) -> None: ...
    async def group_leave(self, group: str) -> None: ...
    async def send_message(self, message: Message) -> None: ...


@database_sync_to_async
def read_session(visitor: Visitor, session: UUID) -> SessionOut:
    row = session_get(visitor=visitor, session=session)
    return session_snapshot(visitor=visitor, session=row)


class SessionWatches:
    """The sessions that a page watches, and what it has received of them."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.seen: dict[UUID, SessionOut] = {}
        self.threads: dict[UUID, ThreadsSeen] = {}

    async def watch(self, visitor: Visitor, session: UUID) -> None:
        """Raises SessionNotFound, TooManyWatches."""
        if session not in self.seen and len(self.seen) >= MAX_SESSIONS:
            raise TooManyWatches(
                f"This page watches {MAX_SESSIONS} sessions; that is the limit.",
                remedy="Unwatch one, or open another page.",
            )
        # Joined first, so that no change falls between reading and joining.
        await self.socket.group_join(session_group(session))
        try:
            self.seen[session] = await read_session(visitor, session)
        except SessionNotFound:
            await self.socket.group_leave(session_group(session))
            raise
        await self._send_session(self.seen[session])
        self.threads[session] = ThreadsSeen()
        await self._send_threads()

    async def forget(self, session: UUID) -> None:
        self.threads.pop(session, None)
        if self.seen.pop(session, None):
            await self.socket.group_leave(session_group(session))

    async def forget_all(self) -> None:
        for session in list(self.seen):
            await self.forget(session)

    async def refresh(self, visitor: Visitor) -> None:
        """Send changed sessions and threads, and report sessions that are no longer readable."""
        if not self.seen:
            return
        changed, gone = await database_sync_to_async(sessions_seen)(visitor=visitor, seen=self.seen)
        for snapshot in changed:
            self.seen[snapshot.id] = snapshot
            await self._send_session(snapshot)
        for session, code in gone.items():
            await self.forget(session)
            await self.socket.send_message(SessionGone(session=session, code=code))
        await self._send_threads()

    async def _send_session(self, session: SessionOut) -> None:
        await self.socket.send_message(SessionMessage(session=session, now=timezone.now()))

    async def _send_threads(self) -> None:
        changes = await database_sync_to_async(thread_changes)(seen=self.threads)
        for session, change in changes.items():
            self.threads[session] = change.seen
            for thread in change.changed:
                await self.socket.send_message(ThreadMessage(thread=thread))
            for gone in change.deleted:
                await self.socket.send_message(ThreadDeleted(session=session, thread=gone))
