"""One process's share of an open session: its document, the people connected here, their news.

Saved comes first: an update is judged, saved under the next number, and only then told and
acknowledged. What a process has not saved when it dies, its sender still holds, and is asked for
it when it connects again. Redis tells other processes at most once; a missing number, or a
moment without news, lead back to the database.
"""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any, Protocol
from uuid import UUID
from weakref import WeakKeyDictionary

import redis
from channels.db import database_sync_to_async as in_database
from channels.layers import get_channel_layer
from django.db import DatabaseError
from pycrdt import merge_updates

from analysis.errors import GlassbenchError
from workbench.errors import SessionNotFound
from workbench.sessions.broadcast import session_group
from workbench.sessions.crdt import SharedDocument, UpdateIncomplete
from workbench.sessions.presence import Presence, packed, unpacked
from workbench.sessions.protocol import STEP_1, UPDATE, Entry, people_frame, sync_frame
from workbench.sessions.store import (
    document_append,
    document_fold,
    document_group,
    document_index,
    document_load,
    runs_unattached,
    update_message,
)
from workbench.sessions.updates import Contents, read_update, refuse

SAVE_SECONDS = 0.03  # between two savings, so that many people's edits travel together
# Between two tellings of where people look: for each one here, and at most.
PERSON_SECONDS, PEOPLE_SECONDS = 0.002, 0.1
LOOK_SECONDS = 1.5  # what has ended is noticed within two seconds, whatever gets lost
FOLD_UPDATES = 200
MAX_INBOX_BYTES = 64 * 2**20
LONG_BYTES = 64 * 2**10

log = logging.getLogger(__name__)


class Connection(Protocol):
    """A page's socket as the room sees it; none of these waits for the page."""

    session: UUID

    @property
    def speaker(self) -> str:
        """Whose page it is."""

    def put(self, frame: bytes) -> None: ...
    def saved(self, count: int) -> None: ...
    def refuse(self, error: GlassbenchError) -> None: ...
    def end(self, code: int, why: str) -> None: ...
    async def look(self) -> bool:
        """Whether the visitor still may; else the connection ends itself."""


CLOSE_GONE, CLOSE_AGAIN = 4404, 1013


class Room:
    """Begins with `open`; `fail` or `close` end it."""

    def __init__(self, session: UUID) -> None:
        self.session = session
        self.connections: set[Connection] = set()
        self.presence = Presence()
        self._document = SharedDocument()
        self._seq = 0
        self._since_fold = 0
        self._unread = True  # the text for searches may be behind the document
        # Held while the document is judged, saved or read: whoever reads sees what is saved.
        self._lock = asyncio.Lock()
        self._inbox: list[tuple[Connection, bytes]] = []
        self._inbox_bytes = 0
        self._unmet: dict[Connection, int] = {}
        self._clients: dict[int, Connection] = {}
        self._mail, self._moved, self._asked = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._closing = self._over = False
        self._saver: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._layer: Any = get_channel_layer()
        self._channel = ""

    # --- beginning and end ----------------------------------------------------------------------

    async def open(self) -> None:
        """Raises SessionNotFound, SessionDamaged."""
        async with self._lock:
            if self._saver:
                return
            self._channel = await self._layer.new_channel()
            for group in self._groups():
                await self._layer.group_add(group, self._channel)
            saved = await in_database(document_load)(session=self.session)
            self._document, self._seq = SharedDocument(saved.updates), saved.seq
            self._since_fold = len(saved.updates)
            self._saver = self._started(self._save())
            works = (self._listen(), self._tell_people(), self._look())
            self._tasks = [self._started(work) for work in works]
        await self._tell({"type": "document.who"})

    def _groups(self) -> tuple[str, str]:
        return document_group(self.session), session_group(self.session)

    def _started(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A task of the room ends only with it, or by an error; then pages begin anew."""
        error = None if task.cancelled() else task.exception()
        if isinstance(error, SessionNotFound):
            self.end(CLOSE_GONE, "The session was deleted.")
        elif error is not None:
            log.error("Session %s is opened anew: %r", self.session, error, exc_info=error)
            self.end(CLOSE_AGAIN, "The session is opened anew.")

    def end(self, code: int, why: str) -> None:
        """Send everybody away; what they hold unsaved they bring again.

        Nothing is saved any more: the document may hold what was refused or not saved.
        """
        self._over = True
        _forget(self)
        for connection in list(self.connections):
            connection.end(code, why)

    async def close(self) -> None:
        """Save what came last, and stop."""
        self._closing = True
        self._mail.set()
        if self._saver:
            await asyncio.wait([self._saver])
        await self._tell_news()
        for task in self._tasks:
            task.cancel()
            await asyncio.wait([task])
        try:
            if self._saver and not self._over:
                await self._keep_text()
        except DatabaseError as error:
            log.warning(
                "The text of session %s is kept when it is next open: %s", self.session, error
            )
        for group in self._groups():
            await self._layer.group_discard(group, self._channel)

    def left(self, connection: Connection) -> None:
        self.connections.discard(connection)
        self._unmet.pop(connection, None)
        for client, speaking in list(self._clients.items()):
            if speaking is connection:
                del self._clients[client]
                self.presence.drop(client, at=_now())
                self._moved.set()

    # --- the document ---------------------------------------------------------------------------

    async def state(self) -> bytes:
        """The state vector of what is saved."""
        async with self._lock:
            return self._document.state()

    async def difference(self, state: bytes) -> bytes:
        """What a page with this state vector lacks."""
        async with self._lock:
            return self._document.update(state)

    def submit(self, connection: Connection, update: bytes) -> None:
        """Take a change of a page, to be judged and saved soon."""
        self._inbox_bytes += len(update)
        if self._inbox_bytes > MAX_INBOX_BYTES:
            connection.end(CLOSE_AGAIN, "Pages write more than can be saved.")
            return
        self._inbox.append((connection, update))
        self._mail.set()

    async def _save(self) -> None:
        while not self._closing:
            await self._mail.wait()
            self._mail.clear()
            await self._save_inbox()
            await asyncio.sleep(SAVE_SECONDS)
        await self._save_inbox()

    async def _save_inbox(self) -> None:
        async with self._lock:
            batch, self._inbox, self._inbox_bytes = self._inbox, [], 0
            title = self._document.title
            accepted = await self._judge(batch)
            news = [update for _, update in accepted if update]
            if news:
                await self._append(merge_updates(*news) if len(news) > 1 else news[0])
        for connection, _ in accepted:
            connection.saved(1 + self._unmet.pop(connection, 0))
        if news and self._document.title != title:
            message = {"type": "session.changed", "session": str(self.session)}
            await self._tell(message, session_group(self.session))

    async def _judge(self, batch: list[tuple[Connection, bytes]]) -> list[tuple[Connection, bytes]]:
        """Merge each update that may be; what was new in it goes on to be saved."""
        accepted: list[tuple[Connection, bytes]] = []
        for connection, update in batch:
            try:
                change = self._document.apply(update, await _contents(update))
                await self._check_runs(change.runs)
                accepted.append((connection, change.update))
            except UpdateIncomplete:
                self._unmet[connection] = self._unmet.get(connection, 0) + 1
                connection.put(sync_frame(STEP_1, self._document.state()))
            except GlassbenchError as error:
                connection.refuse(error)
                await self._reload([update for _, update in accepted if update])
        return accepted

    async def _check_runs(self, runs: frozenset[UUID]) -> None:
        if not runs:
            return
        if loose := await in_database(runs_unattached)(session=self.session, runs=set(runs)):
            raise refuse(f"The run {min(loose)} is not attached to the session")

    async def _reload(self, unsaved: list[bytes]) -> None:
        """Make the document anew, of what is saved and of what is just to be."""
        saved = await in_database(document_load)(session=self.session)
        self._document = SharedDocument([*saved.updates, *unsaved])

    async def _append(self, update: bytes) -> None:
        """Save an update that the document has already, then tell it. Raises SessionNotFound."""
        append = in_database(document_append)
        while not await append(
            session=self.session, seq=self._seq, update=update, title=self._document.title
        ):
            await self._catch_up()
        self._seq += 1
        self._show([update])
        await self._tell(update_message(seq=self._seq, update=update))

    async def _catch_up(self) -> None:
        """Merge what others have saved. Raises SessionNotFound."""
        saved = await in_database(document_load)(session=self.session, after=self._seq)
        for update in saved.updates:
            self._document.apply_saved(update)
        self._seq = saved.seq
        self._show(saved.updates)

    def _show(self, updates: list[bytes]) -> None:
        self._unread |= bool(updates)
        self._since_fold += len(updates)
        for update in updates:
            frame = sync_frame(UPDATE, update)
            for connection in self.connections:
                connection.put(frame)

    async def _keep_text(self) -> None:
        """The text for searches, and one state where there are many updates."""
        if self._unread:
            async with self._lock:
                self._unread, text = False, self._document.read().plain_text
            await in_database(document_index)(session=self.session, text=text)
        if self._since_fold > FOLD_UPDATES:
            async with self._lock:
                self._since_fold, seq, state = 0, self._seq, self._document.update()
            await in_database(document_fold)(session=self.session, seq=seq, state=state)

    # --- people ---------------------------------------------------------------------------------

    def hear(self, connection: Connection, entry: Entry) -> bool:
        """What a page says about its user. False: it was said before, or is somebody else's."""
        heard = self.presence.hear(entry, speaker=connection.speaker, at=_now())
        if heard:
            self._clients[entry.client] = connection
            self._moved.set()
        return heard

    def _show_people(self, entries: list[Entry]) -> None:
        if entries:
            frame = people_frame(entries)
            for connection in self.connections:
                connection.put(frame)

    async def _tell_people(self) -> None:
        while True:
            await self._moved.wait()
            self._moved.clear()
            await self._tell_news()
            await asyncio.sleep(min(PERSON_SECONDS * len(self.connections), PEOPLE_SECONDS))

    async def _tell_news(self) -> None:
        if told := self.presence.news():
            self._show_people([saying.entry for saying in told])
            await self._tell({"type": "document.people", "people": packed(told)})

    # --- the other processes --------------------------------------------------------------------

    async def _tell(self, message: dict[str, Any], group: str | None = None) -> None:
        try:
            group = group or document_group(self.session)
            await self._layer.group_send(group, {**message, "from": self._channel})
        except redis.RedisError as error:
            log.warning("Other processes were not told, they will read it later: %s", error)

    async def _listen(self) -> None:
        while True:
            message = await self._layer.receive(self._channel)
            if message.get("from") == self._channel:
                continue
            if message["type"] == "document.update":
                await self._hear_update(message)
            elif message["type"] == "document.people":
                self._hear_people(message["people"])
            elif message["type"] == "document.who":
                told = packed(self.presence.sayings.values())
                await self._tell({"type": "document.people", "people": told})
            elif message["type"] == "session.access":
                self._asked.set()

    async def _hear_update(self, message: dict[str, Any]) -> None:
        async with self._lock:
            if message["seq"] <= self._seq:
                return
            if message["seq"] > self._seq + 1 or message["update"] is None:
                await self._catch_up()
                return
            self._document.apply_saved(message["update"])
            self._seq += 1
            self._show([message["update"]])

    def _hear_people(self, people: str) -> None:
        heard = []
        for entry, speaker in unpacked(people):
            if self.presence.hear(entry, speaker=speaker, at=_now(), told=True):
                self._clients.pop(entry.client, None)  # it has come back through another process
                heard.append(entry)
        self._show_people(heard)

    # --- from time to time ----------------------------------------------------------------------

    async def _look(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), LOOK_SECONDS)
            self._asked.clear()
            try:
                for connection in list(self.connections):
                    await connection.look()
                async with self._lock:
                    await self._catch_up()
                await self._keep_text()
            except (DatabaseError, redis.RedisError) as error:
                log.warning("Could not read session %s, will try again: %s", self.session, error)
            self.presence.expire(at=_now())
            self._moved.set()


_rooms: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[UUID, Room]] = WeakKeyDictionary()


async def room_enter(connection: Connection) -> Room:
    """The room of the connection's session; the first one opens it.

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


async def _contents(update: bytes) -> Contents:
    """Read in a thread where it is long: others' sockets go on meanwhile. Raises UpdateRefused."""
    if len(update) > LONG_BYTES:
        return await asyncio.to_thread(read_update, update)
    return read_update(update)


async def room_leave(room: Room, connection: Connection) -> None:
    """The last one out saves and closes it."""
    room.left(connection)
    if not room.connections:
        _forget(room)
        await room.close()


def _forget(room: Room) -> None:
    rooms = _rooms.get(asyncio.get_running_loop(), {})
    if rooms.get(room.session) is room:
        del rooms[room.session]


def _now() -> float:
    return asyncio.get_running_loop().time()
