"""The socket: a page watches runs and sees each of them whole, in order, once.

Redis tells at most once; the database is the truth. A watch first joins the run's group, then
reads what there is, then forwards what arrives. A number that is missing, or two seconds
without news of an unfinished run, lead back to the database.
"""

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import redis
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import DatabaseError

from analysis.errors import GlassbenchError
from workbench.accounts.sessions import login_stands
from workbench.errors import InvalidMessage, LoginRequired, RunNotFound, TooManyWatches
from workbench.messages import (
    ErrorMessage,
    Pong,
    RunMessage,
    RunOut,
    Unwatch,
    Watch,
    event_frame,
    read_message,
)
from workbench.runs.broadcast import QUEUE_GROUP, run_group
from workbench.runs.models import TERMINAL
from workbench.runs.selectors import PAGE_EVENTS, event_list, run_get, run_snapshot

REREAD_SECONDS = 2.0
CLOSE_LOGIN = 4401

log = logging.getLogger(__name__)


@dataclass
class Watched:
    """How far a page has seen a run."""

    run: UUID
    attempt: int
    seq: int
    snapshot: RunOut | None = None

    @property
    def finished(self) -> bool:
        return self.snapshot is not None and self.snapshot.status in TERMINAL

    def start(self, attempt: int) -> None:
        """Another attempt: all of it is news."""
        if attempt != self.attempt:
            self.attempt, self.seq = attempt, 0


@dataclass(frozen=True)
class Page:
    """What the database holds beyond what was seen."""

    snapshot: RunOut
    frames: list[str]
    last: int

    @property
    def full(self) -> bool:
        return len(self.frames) == PAGE_EVENTS


@database_sync_to_async
def read_page(owner: AbstractBaseUser, run: UUID, attempt: int, after: int) -> Page:
    """Raises RunNotFound."""
    found = run_get(owner=owner, run=run)
    after = after if attempt == found.attempt else 0
    rows = event_list(run=found, attempt=found.attempt, after=after)
    frames = [
        event_frame(run=run, attempt=row.attempt, seq=row.seq, at=row.at, payload=row.payload)
        for row in rows
    ]
    return Page(run_snapshot(found), frames, rows[-1].seq if rows else after)


class RunConsumer(AsyncWebsocketConsumer):
    """One socket of one page."""

    async def connect(self) -> None:
        self.watches: dict[UUID, Watched] = {}
        self.ticker: asyncio.Task[None] | None = None
        # Held while a watch is brought up to date, so that two updates do not interleave.
        self.lock = asyncio.Lock()
        self.user = cast(AbstractBaseUser, self.scope["user"])
        await self.accept()
        if not self.user.is_authenticated:
            await self._refuse_login()
            return
        await self.channel_layer.group_add(QUEUE_GROUP, self.channel_name)
        self.ticker = asyncio.create_task(self._reread())

    async def disconnect(self, code: int) -> None:
        if self.ticker is None:
            return
        self.ticker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.ticker
        for group in (QUEUE_GROUP, *map(run_group, self.watches)):
            await self.channel_layer.group_discard(group, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        run: UUID | None = None
        try:
            message = _read(text_data)
            run = getattr(message, "run", None)
            async with self.lock:
                await self._answer(message)
        except GlassbenchError as error:
            await self._send_error(error, run)

    # --- from the page ------------------------------------------------------------------------

    async def _answer(self, message: Any) -> None:
        if isinstance(message, Watch):
            await self._watch(message)
        elif isinstance(message, Unwatch):
            await self._forget(message.run)
        else:
            await self.send(Pong().model_dump_json())

    async def _watch(self, message: Watch) -> None:
        if message.run not in self.watches:
            await self._make_room()
        await database_sync_to_async(run_get)(owner=self.user, run=message.run)
        await self.channel_layer.group_add(run_group(message.run), self.channel_name)
        watched = Watched(message.run, message.attempt, message.after)
        self.watches[message.run] = watched
        await self._catch_up(watched)

    async def _make_room(self) -> None:
        """Forget finished runs, of which no news will come. Raises TooManyWatches."""
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
            await self.channel_layer.group_discard(run_group(run), self.channel_name)

    # --- from the channel layer ---------------------------------------------------------------

    async def run_events(self, message: dict[str, Any]) -> None:
        async with self.lock:
            watched = self.watches.get(UUID(message["run"]))
            if watched is None or message["owner"] != self.user.pk:
                return
            if message["attempt"] < watched.attempt:
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

    # --- from the database --------------------------------------------------------------------

    async def _reread(self) -> None:
        while True:
            await asyncio.sleep(REREAD_SECONDS)
            try:
                await self._look()
            except (DatabaseError, redis.RedisError) as error:
                log.warning("Could not read runs for a page, will try again: %s", error)

    async def _look(self) -> None:
        if not await login_stands(dict(self.scope)):
            await self._refuse_login()
            return
        async with self.lock:
            for watched in list(self.watches.values()):
                if not watched.finished:
                    await self._catch_up(watched)

    async def _catch_up(self, watched: Watched) -> None:
        """Send the snapshot if it has changed, and all events not seen yet."""
        while True:
            try:
                page = await read_page(self.user, watched.run, watched.attempt, watched.seq)
            except RunNotFound as error:  # deleted meanwhile
                await self._forget(watched.run)
                await self._send_error(error, watched.run)
                return
            await self._send_page(watched, page)
            if not page.full:
                return

    async def _send_page(self, watched: Watched, page: Page) -> None:
        if page.snapshot != watched.snapshot:
            watched.snapshot = page.snapshot
            await self.send(RunMessage(run=page.snapshot).model_dump_json())
        for frame in page.frames:
            await self.send(frame)
        watched.attempt, watched.seq = page.snapshot.attempt, page.last

    # --- refusals -----------------------------------------------------------------------------

    async def _send_error(self, error: GlassbenchError, run: UUID | None) -> None:
        shown = ErrorMessage(code=error.code, message=error.message, remedy=error.remedy, run=run)
        await self.send(shown.model_dump_json())

    async def _refuse_login(self) -> None:
        error = LoginRequired("This needs a login.", remedy="Log in at /login.")
        await self._send_error(error, None)
        await self.close(CLOSE_LOGIN)


def _read(text: str | None) -> Any:
    if text is None:
        raise InvalidMessage("This is a binary message.", remedy="Send JSON text.")
    limit = settings.MAX_SOCKET_MESSAGE_BYTES
    if len(text) > limit:
        raise InvalidMessage(
            f"This message has {len(text)} characters; the limit is {limit}.",
            remedy="Send params over HTTP; the socket takes watch, unwatch and ping.",
        )
    return read_message(text)
