"""Many people in one session: each moves, writes, and records what arrives and when."""

import asyncio
import contextlib
import json
import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pycrdt import Doc, Map, Text
from websockets.asyncio.client import ClientConnection, connect

from workbench.sessions.protocol import (
    AWARENESS,
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
from workbench.sessions.updates import Reader

PEOPLE = 50
SECONDS = 20
MOVES_PER_SECOND = 10
SETTLE_SECONDS = 60
NOTE = "11111111-1111-4111-8111-111111111111"
MARK = re.compile(rb"\[(\d+)\.(\d+)\.(\d+)\]")  # person, step, time (ms)


@dataclass
class Person:
    """One page: its socket, its document, and the received frames with their times."""

    number: int
    socket: ClientConnection
    doc: Doc[Any] = field(default_factory=Doc)
    frames: list[tuple[float, bytes]] = field(default_factory=list)

    @property
    def panels(self) -> Map[Any]:
        return self.doc.get("panels", type=Map)

    @property
    def text(self) -> str:
        return str(self.panels[NOTE]["text"])

    async def listen(self) -> None:
        async for frame in self.socket:
            assert isinstance(frame, bytes)
            if frame[:2] == bytes([SYNC, STEP_1]):
                known = Reader(frame[2:]).bytes()
                await self.socket.send(sync_frame(STEP_2, self.doc.get_update(known)))
            self.frames.append((time.time(), frame))

    def take(self) -> None:
        """Merge all received updates."""
        for _, frame in self.frames:
            if frame[0] == SYNC and frame[1] in (STEP_2, UPDATE):
                self.doc.apply_update(Reader(frame[2:]).bytes())

    async def live(self, chance: random.Random) -> None:
        """Move and write for a while."""
        await asyncio.sleep(chance.random())
        edits: list[bytes] = []
        watching = self.doc.observe(lambda event: edits.append(event.update))
        for step in range(SECONDS * MOVES_PER_SECOND):
            state = {"view": {"panel": NOTE, "point": {"x": chance.random(), "y": step}}}
            state |= {"at": time.time(), "user": {"colour": "blue"}}
            entry = PresenceEntry(1000 + self.number, step + 1, json.dumps(state))
            await self.socket.send(people_frame([entry]))
            if step % MOVES_PER_SECOND == 0:
                mark = f"[{self.number}.{step}.{int(1000 * time.time())}]"
                self.panels[NOTE]["text"].insert(0, mark)
                await self.socket.send(sync_frame(UPDATE, edits.pop()))
            await asyncio.sleep(1 / MOVES_PER_SECOND)
        watching.drop()


@dataclass(frozen=True)
class Crowd:
    people: list[Person]
    written: set[tuple[int, int]]

    def lost(self) -> int:
        """Marks that are missing, over all people."""
        return sum(len(self.written - marks(person.text.encode())) for person in self.people)

    def seen(self, share: float) -> float:
        waits = [wait for person in self.people for wait in moves(person)]
        return float(np.percentile(waits, share))

    def read(self, share: float) -> float:
        waits = [wait for person in self.people for wait in edits(person)]
        return float(np.percentile(waits, share))


async def crowd(port: int, session: str) -> Crowd:
    """All connect, then all write, then all wait."""
    people = [Person(number, await socket_of(port, session)) for number in range(PEOPLE)]
    listening = [asyncio.create_task(person.listen()) for person in people]
    first = people[0]
    with first.doc.transaction():
        first.panels[NOTE] = Map({"kind": "note", "place": "a0", "text": Text()})
    await first.socket.send(sync_frame(UPDATE, first.doc.get_update()))
    await asyncio.sleep(2)
    for person in people[1:]:
        person.doc.apply_update(first.doc.get_update())
    chance = random.Random(0)
    await asyncio.gather(*(person.live(random.Random(chance.random())) for person in people))
    await still(people)
    for person, task in zip(people, listening, strict=True):
        await person.socket.close()
        await task
        person.take()
    written = {
        (person.number, step)
        for person in people
        for step in range(0, SECONDS * MOVES_PER_SECOND, MOVES_PER_SECOND)
    }
    return Crowd(people, written)


async def still(people: list[Person]) -> None:
    """Wait until nothing arrives for two seconds; after SETTLE_SECONDS, missing edits are lost."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SETTLE_SECONDS):
            count = -1
            while count != (count := sum(len(person.frames) for person in people)):
                await asyncio.sleep(2)


async def text_of(port: int, session: str) -> str:
    """The note as a later visitor receives it."""
    late = Person(PEOPLE, await socket_of(port, session))
    listening = asyncio.create_task(late.listen())
    await late.socket.send(sync_frame(STEP_1, b"\0"))
    await asyncio.sleep(2)
    await late.socket.close()
    await listening
    late.take()
    return late.text


async def socket_of(port: int, session: str) -> ClientConnection:
    address = f"ws://127.0.0.1:{port}/ws/sessions/{session}"
    origin: Any = f"http://127.0.0.1:{port}"
    return await connect(address, origin=origin, max_size=None, compression=None)


def marks(text: bytes) -> set[tuple[int, int]]:
    return {(int(person), int(step)) for person, step, _ in MARK.findall(text)}


def moves(person: Person) -> Iterator[float]:
    """Milliseconds from each move of the others to its arrival here."""
    for at, frame in person.frames:
        if frame[0] == AWARENESS:
            read = frame_read(frame)
            assert isinstance(read, People)
            for entry in read.entries:
                if entry.client != 1000 + person.number and entry.state != "null":
                    yield 1000 * (at - json.loads(entry.state)["at"])


def edits(person: Person) -> Iterator[float]:
    """Milliseconds from each mark of the others to its arrival here."""
    for at, frame in person.frames:
        if frame[0] == SYNC and frame[1] == UPDATE:
            for number, _, written in MARK.findall(frame):
                if int(number) != person.number:
                    yield 1000 * at - int(written)
