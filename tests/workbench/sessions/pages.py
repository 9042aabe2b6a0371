"""Pages that have a session open, on the level of its socket; and a second process."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from asgiref.testing import ApplicationCommunicator
from channels.db import aclose_old_connections
from channels.db import database_sync_to_async as in_database
from django.contrib.auth.models import User
from django.test import Client
from pycrdt import Doc, Map, Text

from workbench.asgi import application
from workbench.sessions.document import PanelNote, SessionDocument
from workbench.sessions.models import Session
from workbench.sessions.protocol import (
    AWARENESS,
    REFUSED,
    SAVED,
    STEP_1,
    STEP_2,
    SYNC,
    UPDATE,
    People,
    PresenceEntry,
    frame_read,
    people_frame,
    sync_frame,
)
from workbench.sessions.store import document_create, document_get
from workbench.sessions.updates import Reader

SECONDS = 10
NOTE = "11111111-1111-4111-8111-111111111111"


class SessionPage:
    """A page with a Yjs document, which outlives its connections."""

    def __init__(self, session: Session, client: Client | None, *, number: int | None = None):
        self.session, self.client = session, client
        self.doc: Doc[Any] = Doc(client_id=number)
        self.panels = self.doc.get("panels", type=Map)
        self.meta = self.doc.get("meta", type=Map)
        self.waiting: list[bytes] = []
        self._hearing = False
        self._watching = self.doc.observe(self._note)
        self.people: dict[int, PresenceEntry] = {}
        self.refusals: list[str] = []
        self.saved = self.sent = 0
        self.closed: int | None = None
        self.answered = False
        self.clock = 0

    def _note(self, event: Any) -> None:
        if not self._hearing:
            self.waiting.append(event.update)

    async def connect(self) -> "SessionPage":
        headers = {"origin": "http://localhost", "host": "localhost"}
        if self.client:
            headers["cookie"] = f"sessionid={self.client.cookies['sessionid'].value}"
        scope = {
            "type": "websocket",
            "path": f"/ws/sessions/{self.session.pk}",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("192.0.2.1", 5),
            "subprotocols": [],
        }
        self.app = ApplicationCommunicator(application, scope)
        self.saved = self.sent = 0
        self.closed, self.answered = None, False
        await self.app.send_input({"type": "websocket.connect"})
        assert (await self.app.receive_output(timeout=SECONDS))["type"] == "websocket.accept"
        return self

    async def start(self) -> "SessionPage":
        """Connect, and exchange what either side lacks."""
        await self.connect()
        await self.send(sync_frame(STEP_1, self.doc.get_state()))
        await self.until(lambda: self.answered)
        self.waiting.clear()
        return self

    async def leave(self) -> None:
        await self.app.send_input({"type": "websocket.disconnect", "code": 1001})
        await self.app.wait(timeout=SECONDS)

    async def kill(self) -> None:
        """End the process that serves this page without a close frame."""
        self.app.future.cancel()

    async def send(self, frame: bytes) -> None:
        if frame[:2] in (bytes([SYNC, STEP_2]), bytes([SYNC, UPDATE])):
            self.sent += 1
        await self.app.send_input({"type": "websocket.receive", "bytes": frame})

    async def flush(self) -> None:
        """Send what was edited here."""
        for update in self.waiting:
            await self.send(sync_frame(UPDATE, update))
        self.waiting.clear()

    async def say(self, client: int, **state: Any) -> None:
        self.clock += 1
        await self.send(people_frame([PresenceEntry(client, self.clock, json.dumps(state))]))

    async def receive(self) -> None:
        output = await self.app.receive_output(timeout=SECONDS)
        if output["type"] == "websocket.close":
            self.closed = output["code"]
            return
        frame = output["bytes"]
        reader = Reader(frame[1:])
        if frame[0] == SYNC:
            await self._sync(reader.number(), reader.bytes())
        elif frame[0] == AWARENESS:
            read = frame_read(frame)
            assert isinstance(read, People)
            self.people.update({entry.client: entry for entry in read.entries})
        elif frame[0] == REFUSED:
            assert reader.number() == 0
            self.refusals.append(reader.text())
        elif frame[0] == SAVED:
            self.saved = reader.number()

    async def _sync(self, step: int, data: bytes) -> None:
        if step == STEP_1:
            await self.send(sync_frame(STEP_2, self.doc.get_update(data)))
            return
        self.answered |= step == STEP_2
        self._hearing = True
        self.doc.apply_update(data)
        self._hearing = False

    async def until(self, true: Callable[[], Any]) -> None:
        while not true():
            assert self.closed is None, (self.closed, self.refusals)
            await self.receive()

    async def until_saved(self) -> None:
        await self.flush()
        await self.until(lambda: self.saved == self.sent)

    async def until_closed(self) -> int:
        while self.closed is None:
            await self.receive()
        return self.closed

    async def is_quiet(self) -> bool:
        return bool(await self.app.receive_nothing(timeout=0.2))

    def note(self, text: str = "", panel: str = NOTE) -> None:
        with self.doc.transaction():
            fields = {"kind": "note", "place": "a0", "text": Text(text), "caption": Text()}
            self.panels[panel] = Map(fields)

    def type(self, text: str, at: int = 0, panel: str = NOTE) -> None:
        self.panels[panel]["text"].insert(at, text)

    def text(self, panel: str = NOTE) -> str:
        return str(self.panels[panel]["text"]) if panel in self.panels else ""


@asynccontextmanager
async def opened(
    session: Session, client: Client | None, **given: Any
) -> AsyncIterator[SessionPage]:
    page = await SessionPage(session, client, **given).start()
    try:
        yield page
    finally:
        await page.leave()


class Process:
    """An event loop in a thread of its own: its own rooms, its own connection to Redis."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)

    def run(self, work: Coroutine[Any, Any, Any]) -> Awaitable[Any]:
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.loop))


@contextmanager
def process() -> Iterator[Process]:
    other = Process()
    other.thread.start()
    try:
        yield other
    finally:
        asyncio.run_coroutine_threadsafe(_end(), other.loop).result(SECONDS)
        other.loop.call_soon_threadsafe(other.loop.stop)
        other.thread.join(SECONDS)
        other.loop.close()


async def _end() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await aclose_old_connections()


def session_with_note(owner: User) -> Session:
    """A session with the note "Tom."."""
    created = Session.objects.create(owner=owner)
    note = PanelNote(id=NOTE, place="a0", text="Tom.")
    document_create(session=created, document=SessionDocument(title="Ball", panels=(note,)))
    return created


async def saved_text(session: Session) -> str:
    """The text of the session's one note, as it is saved."""
    (panel,) = (await in_database(document_get)(session=session.pk)).panels
    assert isinstance(panel, PanelNote)
    return panel.text
