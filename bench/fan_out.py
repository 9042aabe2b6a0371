"""Many sockets that watch one run: the time from saving an event to receiving it, and losses."""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from websockets.asyncio.client import connect

from bench.clicks import FINAL, QUIET, WAIT_SECONDS
from bench.table import Line
from tests.e2e.stack import Json, Stack

SOCKETS = 50
EVENTS = 2000


@dataclass(frozen=True)
class Delivery:
    """Events received by the sockets on one run; milliseconds from saving to receiving an event.

    `lost` and `duplicated` count events over all sockets, against what the database holds.
    """

    events: int
    lost: int
    duplicated: int
    waits: np.ndarray

    def percentile(self, share: float) -> float:
        return float(np.percentile(self.waits, share))


def fan_out(stack: Stack) -> Delivery:
    """One run of many events, watched by many sockets from its beginning."""
    params = {**QUIET, "probes": EVENTS, "rows_per_forward": 1, "stop_early": False}
    received, run = asyncio.run(_watched(stack, params))
    stored = [event["seq"] for event in stack.events(run)]
    lost = duplicated = 0
    waits = []
    for socket in received:
        seen = [seq for seq, _ in socket]
        lost += len(set(stored) - set(seen))
        duplicated += len(seen) - len(set(seen))
        waits += [wait for _, wait in socket]
    return Delivery(len(stored), lost, duplicated, np.array(waits))


async def _watched(stack: Stack, params: Json) -> tuple[list[list[tuple[int, float]]], str]:
    address = f"ws://127.0.0.1:{stack.port}/ws"
    sockets = [
        await connect(address, origin=stack.url, max_size=None)  # type: ignore[arg-type]
        for _ in range(SOCKETS)
    ]
    run = await asyncio.to_thread(stack.start_run, **params)
    watch = json.dumps({"type": "watch", "run": run, "attempt": 0, "after": 0})
    received = await asyncio.gather(*(_read(socket, watch) for socket in sockets))
    for socket in sockets:
        await socket.close()
    return list(received), run


async def _read(socket: Any, watch: str) -> list[tuple[int, float]]:
    """(seq, ms since saving) of each event, up to the run's last; parsed only afterwards."""
    frames: list[tuple[float, str]] = []
    await socket.send(watch)
    async with asyncio.timeout(WAIT_SECONDS):
        while not frames or not _is_last(frames[-1][1]):
            frame = await socket.recv()
            frames.append((time.time(), frame))
    messages = [(at, json.loads(frame)) for at, frame in frames]
    return [
        (message["seq"], 1000 * (at - datetime.fromisoformat(message["at"]).timestamp()))
        for at, message in messages
        if message["type"] == "event"
    ]


def _is_last(frame: str) -> bool:
    """Whether a frame is the final status of a run."""
    if len(frame) > 1000 or '"kind":"status"' not in frame.replace(" ", ""):
        return False
    return json.loads(frame)["event"]["status"] in FINAL


def delivery_lines(ours: Delivery, theirs: Delivery) -> Iterator[Line]:
    """Pub/sub compared with the default layer, both repaired from the database."""
    whole = ours.lost == ours.duplicated == 0 and ours.events >= EVENTS
    refused = "" if whole else f"{ours.lost} lost, {ours.duplicated} duplicated of {ours.events}"
    details = {
        "events": ours.events,
        "lost": ours.lost,
        "duplicated": ours.duplicated,
        "lost_theirs": theirs.lost,
        "duplicated_theirs": theirs.duplicated,
    }
    for share, limit in ((50, None), (95, 250)):
        yield Line(
            f"event saved to event received, {SOCKETS} sockets × {ours.events} events, p{share}",
            "ms",
            ours.percentile(share),
            "default layer",
            theirs.percentile(share),
            at_most=limit,
            refused=refused,
            details=details,
        )
