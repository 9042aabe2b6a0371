"""The socket of a page, /ws: the page watches runs and receives all their events, in order, once.

Broadcasts may be lost; the database is authoritative. A watch joins the run's group, sends what the
database has, then forwards broadcasts. After a gap in the numbers, and periodically for unfinished
runs, it reads the database again. Access is checked at the watch, after each broadcast change of
access, and every one and a half seconds.
"""

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import redis
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db import DatabaseError

from analysis.errors import GlassbenchError
from workbench.accounts.visitor import Visitor, socket_visitor
from workbench.errors import InvalidMessage, LoginRequired, RunNotFound, TooManyWatches
from workbench.runs.broadcast import QUEUE_GROUP, run_group
from workbench.runs.models import TERMINAL
from workbench.runs.schemas import RunOut, event_frame
from workbench.runs.selectors import PAGE_EVENTS, event_list, run_snapshot
from workbench.sessions.access import is_admitted
from workbench.sessions.broadcast import ACCESS_GROUP
from workbench.sessions.run_access import run_get, run_ids_readable, run_not_found
from workbench.socket.messages import (
    ErrorMessage,
    Message,
    Pong,
    RunMessage,
    Unwatch,
    UnwatchSession,
    Watch,
    WatchSession,
    read_message,
)
from workbench.socket.watching import SessionWatches

REREAD_SECONDS = 1.5  # lost access is noticed within two seconds
CLOSE_LOGIN, CLOSE_AGAIN = 4401, 1013

log = logging.getLogger(__name__)


@dataclass
class WatchedRun:
    """A watched run, and the last event that the page has received."""

    run: UUID
    attempt: int
    seq: int
    snapshot: RunOut | None = None

    @property
    def finished(self) -> bool:
        return self.snapshot is not None and self.snapshot.status in TERMINAL

    def start(self, attempt: int) -> None:
        """Start a new attempt from its first event."""
        if attempt != self.attempt:
            self.attempt, self.seq = attempt, 0


@dataclass(frozen=True)
class EventPage:
    """The run's snapshot, and events that the page has not received."""

    snapshot: RunOut
    frames: list[str]
    last: int

    @property
    def full(self) -> bool:
        return len(self.frames) == PAGE_EVENTS


@database_sync_to_async
def read_page(visitor: Visitor, run: UUID, attempt: int, after: int) -> EventPage:
    """Raises RunNotFound."""
    current = run_get(visitor=visitor, run=run)
    after = after if attempt == current.attempt else 0
    rows = event_list(run=current, attempt=current.attempt, after=after)
    frames = [
        event_frame(run=run, attempt=row.attempt, seq=row.seq, at=row.at, payload=row.payload)
        for row in rows
    ]
    return EventPage(run_snapshot(current), frames, rows[-1].seq if rows else after)


class RunConsumer(AsyncWebsocketConsumer):
    """One socket of one page."""

    async def connect(self) -> None:
        self.watches: dict[UUID, WatchedRun] = {}
        self.ticker: asyncio.Task[None] | None = None
        self.refused = False  # messages that arrive after the close get no answer
        # Locked while a watch is updated, so that two updates do not interleave.
        self.lock = asyncio.Lock()
        self.sessions = SessionWatches(self)
        await self.accept()
        self.visitor = await socket_visitor(self.scope)
        if not await database_sync_to_async(is_admitted)(self.visitor):
            await self._refuse_login()
            return
        await self.group_join(QUEUE_GROUP)
        await self.group_join(ACCESS_GROUP)
        self.ticker = asyncio.create_task(self._reread())

    async def disconnect(self, code: int) -> None:
        if self.ticker is None:
            return
        self.ticker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.ticker
        await self._forget_all()
        for group in (QUEUE_GROUP, ACCESS_GROUP):
            await self.group_leave(group)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.refused:
            return
        named: dict[str, UUID] = {}
        try:
            message = _read(text_data)
            named = message.model_dump(include={"run", "session"})
            async with self.lock:
                await self._answer(message)
        except GlassbenchError as error:
            await self._send_error(error, **named)

    async def group_join(self, group: str) -> None:
        await self.channel_layer.group_add(group, self.channel_name)

    async def group_leave(self, group: str) -> None:
        await self.channel_layer.group_discard(group, self.channel_name)

    async def send_message(self, message: Message) -> None:
        await self.send(message.model_dump_json())

    async def _answer(self, message: Any) -> None:
        match message:
            case Watch():
                await self._watch(message)
            case Unwatch():
                await self._forget(message.run)
            case WatchSession():
                await self._check_access()  # a guest may have opened its link a moment ago
                await self.sessions.watch(self.visitor, message.session)
            case UnwatchSession():
                await self.sessions.forget(message.session)
            case _:
                await self.send_message(Pong())

    async def _watch(self, message: Watch) -> None:
        if message.run not in self.watches:
            await self._make_room()
        await database_sync_to_async(run_get)(visitor=self.visitor, run=message.run)
        await self.group_join(run_group(message.run))
        watched = WatchedRun(message.run, message.attempt, message.after)
        self.watches[message.run] = watched
        await self._catch_up(watched)

    async def _make_room(self) -> None:
        """Unwatch finished runs, which no longer change. Raises TooManyWatches."""
        if len(self.watches) < settings.MAX_WATCHES:
            return
        for finished in [watched.run for watched in self.watches.values() if watched.finished]:
            await self._forget(finished)
        if len(self.watches) >= settings.MAX_WATCHES:
            raise TooManyWatches(
                f"This page watches {len(self.watches)} runs that are not finished; the limit is "
                f"{settings.MAX_WATCHES}.",
                remedy="Unwatch one, or open another page.",
            )

    async def _forget(self, run: UUID) -> None:
        if self.watches.pop(run, None):
            await self.group_leave(run_group(run))

    async def _forget_all(self) -> None:
        await self.sessions.forget_all()
        for run in list(self.watches):
            await self._forget(run)

    async def run_events(self, message: dict[str, Any]) -> None:
        async with self.lock:
            watched = self.watches.get(UUID(message["run"]))
            if watched is None or message["attempt"] < watched.attempt:
                return
            watched.start(message["attempt"])
            if message["first"] > watched.seq + 1:
                await self._catch_up(watched)
                return
            for frame in message["frames"][watched.seq + 1 - message["first"] :]:
                watched.seq += 1
                await self.send(frame)

    async def run_changed(self, message: dict[str, Any]) -> None:
        async with self.lock:
            if watched := self.watches.get(UUID(message["run"])):
                await self._catch_up(watched)

    async def queue_changed(self, message: dict[str, Any]) -> None:
        async with self.lock:
            for watched in list(self.watches.values()):
                if watched.snapshot and watched.snapshot.status == "queued":
                    await self._catch_up(watched)

    async def session_changed(self, message: dict[str, Any]) -> None:
        async with self.lock:
            await self.sessions.refresh(self.visitor)

    async def session_access(self, message: dict[str, Any]) -> None:
        async with self.lock:
            await self._check_access()

    async def access_changed(self, message: dict[str, Any]) -> None:
        """Runs may be watched without their session."""
        if UUID(message["session"]) not in self.sessions.seen:
            await self.session_access(message)

    async def _reread(self) -> None:
        while True:
            await asyncio.sleep(REREAD_SECONDS)
            try:
                await self._refresh()
            except (DatabaseError, redis.RedisError) as error:
                log.warning("Runs could not be read for a page; trying again: %s", error)
            except OSError:  # the page has left
                await self._send_away()
                return
            except Exception:
                log.exception(
                    "Closed a page's socket; the page reconnects and reads everything again"
                )
                await self._send_away()
                return

    async def _send_away(self) -> None:
        """A page that is still open reconnects and reads everything again."""
        with contextlib.suppress(OSError):
            await self.close(CLOSE_AGAIN)

    async def _refresh(self) -> None:
        async with self.lock:
            await self._check_access()
            for watched in list(self.watches.values()):
                if not watched.finished:
                    await self._catch_up(watched)

    async def _check_access(self) -> None:
        """Check the visitor's access again, and unwatch what they may no longer read."""
        if self.refused:
            return
        fresh = await socket_visitor(self.scope)
        if fresh.user != self.visitor.user:
            await self._refuse_login()
            return
        self.visitor = fresh
        await self.sessions.refresh(fresh)
        readable = await database_sync_to_async(run_ids_readable)(visitor=fresh, runs=self.watches)
        for run in set(self.watches) - readable:
            await self._forget(run)
            await self._send_error(run_not_found(run), run=run)
        if not await database_sync_to_async(is_admitted)(fresh):
            await self._refuse_login()

    async def _catch_up(self, watched: WatchedRun) -> None:
        """Send the snapshot if it has changed, and all new events."""
        while True:
            try:
                page = await read_page(self.visitor, watched.run, watched.attempt, watched.seq)
            except RunNotFound as error:  # was deleted
                await self._forget(watched.run)
                await self._send_error(error, run=watched.run)
                return
            await self._send_page(watched, page)
            if not page.full:
                return

    async def _send_page(self, watched: WatchedRun, page: EventPage) -> None:
        if page.snapshot != watched.snapshot:
            watched.snapshot = page.snapshot
            await self.send_message(RunMessage(run=page.snapshot))
        for frame in page.frames:
            await self.send(frame)
        watched.attempt, watched.seq = page.snapshot.attempt, page.last

    async def _send_error(self, error: GlassbenchError, **named: UUID) -> None:
        await self.send_message(
            ErrorMessage(code=error.code, message=error.message, remedy=error.remedy, **named)
        )

    async def _refuse_login(self) -> None:
        error = LoginRequired("Log in to continue.", remedy="Log in at /login.")
        self.refused = True
        await self._forget_all()
        await self._send_error(error)
        await self.close(CLOSE_LOGIN)


def _read(text: str | None) -> Message:
    if text is None:
        raise InvalidMessage("This is a binary message.", remedy="Send JSON text.")
    limit = settings.MAX_SOCKET_MESSAGE_BYTES
    if len(text) > limit:
        raise InvalidMessage(
            f"This message has {len(text)} characters; the limit is {limit}.",
            remedy="Send params over HTTP; the socket accepts only short messages.",
        )
    return read_message(text)
