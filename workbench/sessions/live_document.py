"""The document of an open session in one process.

An update is checked, saved under the next number, and only then broadcast and acknowledged. If a
process dies, pages send their unacknowledged updates again when they reconnect.
"""

import asyncio
from typing import Any
from uuid import UUID

from channels.db import database_sync_to_async as in_database
from pycrdt import merge_updates

from analysis.errors import GlassbenchError
from workbench.sessions.broadcast import session_group
from workbench.sessions.connection import CLOSE_AGAIN, Connection, Connections
from workbench.sessions.crdt import SharedDocument, UpdateIncomplete
from workbench.sessions.peers import Peers
from workbench.sessions.protocol import STEP_1, UPDATE, sync_frame
from workbench.sessions.store import (
    document_append,
    document_fold,
    document_index,
    document_load,
    runs_unattached,
    update_message,
)
from workbench.sessions.updates import Contents, read_update, refuse

SAVE_SECONDS = 0.03  # between two saves, so that edits of many people are saved together
FOLD_UPDATES = 200
MAX_INBOX_BYTES = 64 * 2**20
LONG_BYTES = 64 * 2**10


class LiveDocument:
    """Begins with `load`; `save_inbox_repeatedly` runs until `finish`."""

    def __init__(self, session: UUID, connections: Connections, peers: Peers) -> None:
        self._session, self._connections, self._peers = session, connections, peers
        self._document = SharedDocument()
        self._seq = 0
        self._since_fold = 0
        self._unread = True  # the text for searches may be out of date
        # Locked while the document is checked, saved or read: readers see only saved updates.
        self._lock = asyncio.Lock()
        self._inbox: list[tuple[Connection, bytes]] = []
        self._inbox_bytes = 0
        self._unmet: dict[Connection, int] = {}
        self._filled = asyncio.Event()
        self._closing = False

    async def load(self) -> None:
        """Raises SessionNotFound, SessionDamaged."""
        async with self._lock:
            saved = await in_database(document_load)(session=self._session)
            self._document, self._seq = SharedDocument(saved.updates), saved.seq
            self._since_fold = len(saved.updates)

    async def state(self) -> bytes:
        """The state vector of the saved document."""
        async with self._lock:
            return self._document.state()

    async def difference(self, state: bytes) -> bytes:
        """The update that a page with this state vector lacks."""
        async with self._lock:
            return self._document.update(state)

    def submit(self, connection: Connection, update: bytes) -> None:
        """Queue a page's update to be checked and saved."""
        self._inbox_bytes += len(update)
        if self._inbox_bytes > MAX_INBOX_BYTES:
            connection.end(CLOSE_AGAIN, "Pages write faster than changes can be saved.")
            return
        self._inbox.append((connection, update))
        self._filled.set()

    def left(self, connection: Connection) -> None:
        self._unmet.pop(connection, None)

    def finish(self) -> None:
        """End `save_inbox_repeatedly` after it has saved the inbox."""
        self._closing = True
        self._filled.set()

    async def save_inbox_repeatedly(self) -> None:
        while not self._closing:
            await self._filled.wait()
            self._filled.clear()
            await self._save_inbox()
            await asyncio.sleep(SAVE_SECONDS)
        await self._save_inbox()

    async def receive(self, message: dict[str, Any]) -> None:
        """Merge an update that another process has saved. Raises SessionNotFound."""
        async with self._lock:
            if message["seq"] <= self._seq:
                return
            if message["seq"] > self._seq + 1 or message["update"] is None:
                await self._catch_up()
                return
            self._document.apply_saved(message["update"])
            self._seq += 1
            self._show([message["update"]])

    async def reread(self) -> None:
        """Merge updates of other processes, and save the text. Raises SessionNotFound."""
        async with self._lock:
            await self._catch_up()
        await self.keep_text()

    async def keep_text(self) -> None:
        """Save the text for searches, and fold the updates if there are many."""
        if self._unread:
            async with self._lock:
                self._unread, text = False, self._document.read().plain_text
            await in_database(document_index)(session=self._session, text=text)
        if self._since_fold > FOLD_UPDATES:
            async with self._lock:
                self._since_fold, seq, state = 0, self._seq, self._document.update()
            await in_database(document_fold)(session=self._session, seq=seq, state=state)

    async def _save_inbox(self) -> None:
        async with self._lock:
            batch, self._inbox, self._inbox_bytes = self._inbox, [], 0
            title = self._document.title
            accepted = await self._check(batch)
            changes = [update for _, update in accepted if update]
            if changes:
                await self._append(merge_updates(*changes) if len(changes) > 1 else changes[0])
        for connection, _ in accepted:
            connection.saved(1 + self._unmet.pop(connection, 0))
        if changes and self._document.title != title:
            message = {"type": "session.changed", "session": str(self._session)}
            await self._peers.send(message, session_group(self._session))

    async def _check(self, batch: list[tuple[Connection, bytes]]) -> list[tuple[Connection, bytes]]:
        """Merge each accepted update; returns the new part of each."""
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
        if loose := await in_database(runs_unattached)(session=self._session, runs=set(runs)):
            raise refuse(f"The run {min(loose)} is not attached to the session")

    async def _reload(self, unsaved: list[bytes]) -> None:
        """Build the document again from saved and accepted updates."""
        saved = await in_database(document_load)(session=self._session)
        self._document = SharedDocument([*saved.updates, *unsaved])

    async def _append(self, update: bytes) -> None:
        """Save an update that is already merged, then broadcast it. Raises SessionNotFound."""
        append = in_database(document_append)
        while not await append(
            session=self._session, seq=self._seq, update=update, title=self._document.title
        ):
            await self._catch_up()
        self._seq += 1
        self._show([update])
        await self._peers.send(update_message(seq=self._seq, update=update))

    async def _catch_up(self) -> None:
        """Merge updates saved by other processes. Raises SessionNotFound."""
        saved = await in_database(document_load)(session=self._session, after=self._seq)
        for update in saved.updates:
            self._document.apply_saved(update)
        self._seq = saved.seq
        self._show(saved.updates)

    def _show(self, updates: list[bytes]) -> None:
        self._unread |= bool(updates)
        self._since_fold += len(updates)
        for update in updates:
            self._connections.put(sync_frame(UPDATE, update))


async def _contents(update: bytes) -> Contents:
    """Read long updates in a thread, which blocks no other socket. Raises UpdateRefused."""
    if len(update) > LONG_BYTES:
        return await asyncio.to_thread(read_update, update)
    return read_update(update)
