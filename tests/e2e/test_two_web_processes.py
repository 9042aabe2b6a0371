"""Two web processes on one database; the one that is written through is killed."""

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from pycrdt import Doc, Map, Text
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.e2e.stack import Stack, free_port
from workbench.sessions.protocol import SAVED, STEP_1, STEP_2, SYNC, UPDATE, sync_frame
from workbench.sessions.updates import Reader

pytestmark = pytest.mark.e2e
NOTE = "11111111-1111-4111-8111-111111111111"
SECONDS = 60


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    """Closes what was opened."""
    with ExitStack() as ended:
        yield ended


@pytest.fixture
def two(tmp_path: Any) -> Iterator[tuple[Stack, int]]:
    """The product without a worker, and the port of a second web process."""
    stack = Stack(tmp_path / "data")
    try:
        stack.start(worker=False)
        port = free_port()
        stack.start_web(port)
        yield stack, port
    finally:
        stack.stop()


class DocumentSocket:
    """A Yjs document and its socket."""

    def __init__(self, session: str) -> None:
        self.session = session
        self.doc: Doc[Any] = Doc()
        self.panels = self.doc.get("panels", type=Map)
        self.saved = self.sent = 0

    def connect(self, port: int, ended: ExitStack) -> "DocumentSocket":
        address = f"ws://127.0.0.1:{port}/ws/sessions/{self.session}"
        origin: Any = f"http://127.0.0.1:{port}"
        self.socket: ClientConnection = ended.enter_context(connect(address, origin=origin))
        self.saved = self.sent = 0
        self.socket.send(sync_frame(STEP_1, self.doc.get_state()))
        self.until(lambda: self.sent)
        return self

    def send(self, step: int, update: bytes) -> None:
        self.socket.send(sync_frame(step, update))
        self.sent += 1

    def until(self, true: Callable[[], Any]) -> None:
        deadline = time.monotonic() + SECONDS
        while not true():
            assert time.monotonic() < deadline
            frame = self.socket.recv(timeout=SECONDS)
            assert isinstance(frame, bytes)
            self._take(frame[0], Reader(frame[1:]))

    def _take(self, kind: int, reader: Reader) -> None:
        if kind == SAVED:
            self.saved = reader.number()
        elif kind == SYNC:
            step, data = reader.number(), reader.bytes()
            if step == STEP_1:
                self.send(STEP_2, self.doc.get_update(data))
            else:
                self.doc.apply_update(data)

    def write(self, mark: str) -> None:
        before = self.doc.get_state()
        self.panels[NOTE]["text"].insert(0, mark)
        self.send(UPDATE, self.doc.get_update(before))

    def begin(self) -> None:
        self.panels[NOTE] = Map({"kind": "note", "place": "a0", "text": Text()})
        self.send(UPDATE, self.doc.get_update())

    @property
    def text(self) -> str:
        return str(self.panels[NOTE]["text"]) if NOTE in self.panels else ""


def test_what_is_written_while_the_process_is_killed_is_not_lost(
    two: tuple[Stack, int], sockets: ExitStack
) -> None:
    stack, second = two
    session = str(uuid.uuid4())
    assert stack.post("/api/sessions", {"id": session, "title": "Two"}).status_code == 201
    here = DocumentSocket(session).connect(stack.port, sockets)
    there = DocumentSocket(session).connect(second, sockets)
    here.begin()
    there.until(lambda: NOTE in there.panels)
    there.write("[first]")
    here.until(lambda: here.text == "[first]")
    for number in range(200):
        if number == 100:
            killed = stack.servers.pop()
            killed.kill()
            killed.wait()
        with contextlib.suppress(ConnectionClosed):  # it is in the page's document all the same
            there.write(f"[{number}]")
        here.write(f"<{number}>")
    there.connect(stack.port, sockets)
    late = DocumentSocket(session).connect(stack.port, sockets)
    for page in (here, there, late):
        page.until(lambda page=page: page.saved == page.sent)
        page.until(lambda page=page: page.text.count("]") == 201 and page.text.count(">") == 200)
    assert here.text == there.text == late.text
