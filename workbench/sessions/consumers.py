"""The binary socket of a session, /ws/sessions/<id>: its document and its people.

It uses the y-websocket protocol (see `protocol`). Readers receive all changes and may send none.
Frames for a page are queued, so that a slow page does not delay others.
"""

import asyncio
from collections import deque
from typing import NamedTuple
from uuid import UUID

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from analysis.errors import GlassbenchError
from workbench.accounts.visitor import Visitor, socket_visitor
from workbench.errors import SessionDamaged, SessionNotFound, TooLarge
from workbench.sessions.access import is_admitted, session_role
from workbench.sessions.allowance import Allowances
from workbench.sessions.connection import CLOSE_AGAIN, CLOSE_GONE
from workbench.sessions.models import Session
from workbench.sessions.protocol import (
    STEP_1,
    STEP_2,
    AskPeople,
    People,
    PresenceEntry,
    Sync,
    frame_read,
    people_frame,
    refused_frame,
    saved_frame,
    state_signed,
    sync_frame,
)
from workbench.sessions.roles import Role
from workbench.sessions.room import Room, room_enter, room_leave
from workbench.sessions.updates import clients_in, read_state

CLOSE_REFUSED, CLOSE_LOGIN, CLOSE_ROLE, CLOSE_RATE = 4400, 4401, 4403, 4429
MAX_QUEUED_BYTES = 16 * 2**20
MAX_STATE_BYTES = 4 * 2**10
MAX_STEP_1_BYTES = 128 * 2**10  # some ten thousand clients


class Ending(NamedTuple):
    """The close frame, which is a socket's last message."""

    code: int
    reason: str


class Access(NamedTuple):
    """`admitted`: the visitor may read some session; `exists`: this session exists."""

    admitted: bool
    exists: bool
    role: Role | None


@database_sync_to_async
def read_access(visitor: Visitor, session: UUID) -> Access:
    row = Session.objects.filter(pk=session).only("owner").first()
    role = session_role(visitor, row) if row else None
    return Access(role is not None or is_admitted(visitor), row is not None, role)


class SessionConsumer(AsyncWebsocketConsumer):
    """One page's socket on one session."""

    async def connect(self) -> None:
        self.session: UUID = self.scope["url_route"]["kwargs"]["session"]
        self.room: Room | None = None
        self.role = Role.VIEWER
        self.client: int | None = None
        self.saved_count = 0
        self.allowances = Allowances()
        self.queue: deque[bytes | Ending] = deque()
        self.queued_bytes = 0
        self.ending = False
        self.filled = asyncio.Event()
        await self.accept()
        self.writer = asyncio.create_task(self._write())
        if await self.check_access():
            await self._enter()

    async def disconnect(self, code: int) -> None:
        self.ending = True
        self.writer.cancel()
        await asyncio.wait([self.writer])
        if self.room:
            await room_leave(self.room, self)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.ending or self.room is None:
            return
        frame = bytes_data or b""
        if why := self.allowances.refusal(len(frame), self.role):
            self.end(CLOSE_RATE, why)
            return
        try:
            await self._answer(self.room, frame_read(frame))
        except GlassbenchError as error:
            self.refuse(error)

    async def _enter(self) -> None:
        try:
            self.room = await room_enter(self)
        except SessionNotFound as error:
            self.end(CLOSE_GONE, error.message)
            return
        except SessionDamaged as error:
            self.refuse(error)
            return
        self.put(sync_frame(STEP_1, await self.room.document.state()))
        self.put(people_frame(self.room.people.presence.entries()))

    async def _answer(self, room: Room, message: Sync | People | AskPeople) -> None:
        if isinstance(message, AskPeople):
            self.put(people_frame(room.people.presence.entries()))
        elif isinstance(message, People):
            self._receive_people(room, message.entries)
        elif message.step == STEP_1:
            _check_state(message.data)
            self.put(sync_frame(STEP_2, await room.document.difference(message.data)))
        elif self.role.allows(Role.EDITOR):
            room.document.submit(self, message.data)
        elif message.step == STEP_2 and clients_in(message.data) == 0:
            self.saved(1)  # a page answers step 1 even if it has no changes
        else:
            self.put(
                refused_frame(
                    f"Your role in this session is {self.role.value}; changing it needs editor."
                )
            )

    def _receive_people(self, room: Room, entries: list[PresenceEntry]) -> None:
        """The first client that a page sends is its own; it only repeats the states of others."""
        if self.client is None and entries:
            self.client = entries[0].client
        for entry in entries:
            if entry.client == self.client:
                state = entry._replace(state=self._signed(entry.state))
                if not room.people.receive(self, state):
                    self.put(people_frame(room.people.presence.about(entry.client)))

    def _signed(self, text: str) -> str:
        """The state with the visitor's id and name, as the server knows them.

        Raises InvalidMessage, TooLarge.
        """
        if len(text) > MAX_STATE_BYTES:
            raise TooLarge(
                f"The state of a page's user has {len(text)} characters; the limit is "
                f"{MAX_STATE_BYTES}.",
                remedy="Load the page again.",
            )
        return state_signed(text, id=self.speaker, name=self.visitor.name)

    @property
    def speaker(self) -> str:
        return self.visitor.id

    def put(self, frame: bytes) -> None:
        if self.ending:
            return
        self.queue.append(frame)
        self.queued_bytes += len(frame)
        self.filled.set()
        if self.queued_bytes > MAX_QUEUED_BYTES:
            self.queue.clear()
            self.end(CLOSE_AGAIN, "This page reads too slowly.")

    def saved(self, count: int) -> None:
        self.saved_count += count
        self.put(saved_frame(self.saved_count))

    def refuse(self, error: GlassbenchError) -> None:
        self.put(refused_frame(f"{error.message} {error.remedy}"))
        self.end(CLOSE_REFUSED, error.message)

    def end(self, code: int, reason: str) -> None:
        if not self.ending:
            self.ending = True
            self.queue.append(Ending(code, reason))
            self.filled.set()

    async def check_access(self) -> bool:
        """Whether the visitor may still read; also updates their role."""
        self.visitor = await socket_visitor(self.scope)
        admitted, exists, role = await read_access(self.visitor, self.session)
        if role:
            self.role = role
        elif not admitted:
            self.end(CLOSE_LOGIN, "Log in to continue.")
        elif exists and self.room:
            self.end(CLOSE_ROLE, "This session is no longer shared with you.")
        else:  # without a role, a visitor does not learn whether the session exists
            self.end(CLOSE_GONE, "There is no such session, or it is not shared with you.")
        return role is not None

    async def _write(self) -> None:
        while True:
            await self.filled.wait()
            self.filled.clear()
            while self.queue:
                item = self.queue.popleft()
                if isinstance(item, Ending):
                    await self.close(item.code, _close_reason(item.reason))
                    return
                self.queued_bytes -= len(item)
                await self.send(bytes_data=item)


def _check_state(data: bytes) -> None:
    """Raises UpdateRefused, TooLarge."""
    if len(data) > MAX_STEP_1_BYTES:
        raise TooLarge(
            f"The state vector has {len(data)} bytes; the limit is {MAX_STEP_1_BYTES}.",
            remedy="Load the page again.",
        )
    read_state(data)


def _close_reason(reason: str) -> str:
    """At most 123 bytes, as a close frame takes."""
    return reason.encode()[:123].decode(errors="ignore")
