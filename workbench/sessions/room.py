"""An open session in one process: its document, and the people connected to this process.

A room opens with its first page and closes with its last. Its tasks save updates, receive messages
of other processes, broadcast presence, and read the database periodically.
"""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import redis
from django.db import DatabaseError

from workbench.errors import SessionNotFound
from workbench.sessions.connection import CLOSE_AGAIN, CLOSE_GONE, Connection, Connections
from workbench.sessions.live_document import LiveDocument
from workbench.sessions.live_people import LivePeople
from workbench.sessions.peers import Peers

REREAD_SECONDS = 1.5  # lost access is noticed within two seconds, even if a message is lost

log = logging.getLogger(__name__)


class Room:
    """Runs from `open` until `end` or `close`."""

    def __init__(self, session: UUID) -> None:
        self.session = session
        self.connections = Connections()
        self._peers = Peers(session)
        self.document = LiveDocument(session, self.connections, self._peers)
        self.people = LivePeople(self.connections, self._peers)
        self._opening = asyncio.Lock()
        self._access_changed = asyncio.Event()
        self._ended = False
        self._saver: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Raises SessionNotFound, SessionDamaged."""
        async with self._opening:
            if self._saver:
                return
            await self._peers.join()
            await self.document.load()
            self._saver = self._started(self.document.save_inbox_repeatedly())
            works = (self._receive(), self.people.broadcast_changes(), self._reread())
            self._tasks = [self._started(work) for work in works]
        await self._peers.send({"type": "document.ask_people"})

    def _started(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        """Tasks end with their room, or by an error; then pages reconnect."""
        error = None if task.cancelled() else task.exception()
        if isinstance(error, SessionNotFound):
            self.end(CLOSE_GONE, "The session was deleted.")
        elif error is not None:
            log.error("Session %s reopens after %r", self.session, error, exc_info=error)
            self.end(CLOSE_AGAIN, "The session is being reopened.")

    def end(self, code: int, reason: str) -> None:
        """Disconnect all pages; they send unsaved updates again when they reconnect.

        Nothing is saved from now on: the document may contain refused or unsaved updates.
        """
        self._ended = True
        _forget(self)
        for connection in list(self.connections):
            connection.end(code, reason)

    async def close(self) -> None:
        """Save the last updates, and stop the tasks."""
        self.document.finish()
        if self._saver:
            await asyncio.wait([self._saver])
        await self.people.broadcast_pending()
        for task in self._tasks:
            task.cancel()
            await asyncio.wait([task])
        try:
            if self._saver and not self._ended:
                await self.document.keep_text()
        except DatabaseError as error:
            log.warning(
                "The text of session %s is saved when it is next open: %s", self.session, error
            )
        await self._peers.leave()

    def left(self, connection: Connection) -> None:
        self.connections.discard(connection)
        self.document.left(connection)
        self.people.left(connection)

    async def _receive(self) -> None:
        while True:
            message = await self._peers.receive()
            match message["type"]:
                case "document.update":
                    await self.document.receive(message)
                case "document.people":
                    self.people.receive_from_peers(message["people"])
                case "document.ask_people":
                    await self.people.broadcast_all()
                case "session.access":
                    self._access_changed.set()

    async def _reread(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._access_changed.wait(), REREAD_SECONDS)
            self._access_changed.clear()
            try:
                for connection in list(self.connections):
                    await connection.check_access()
                await self.document.reread()
            except (DatabaseError, redis.RedisError) as error:
                log.warning("Session %s could not be read; next try soon: %s", self.session, error)
            self.people.expire()


_rooms: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[UUID, Room]] = WeakKeyDictionary()


async def room_enter(connection: Connection) -> Room:
    """The room of the connection's session; the first connection opens it.

    Raises SessionNotFound, SessionDamaged.
    """
    rooms = _rooms.setdefault(asyncio.get_running_loop(), {})
    room = rooms.setdefault(connection.session, Room(connection.session))
    room.connections.add(connection)
    try:
        await room.open()
    except BaseException:
        await room_leave(room, connection)
        raise
    return room


async def room_leave(room: Room, connection: Connection) -> None:
    """The last connection to leave saves and closes the room."""
    room.left(connection)
    if not room.connections:
        _forget(room)
        await room.close()


def _forget(room: Room) -> None:
    rooms = _rooms.get(asyncio.get_running_loop(), {})
    if rooms.get(room.session) is room:
        del rooms[room.session]
