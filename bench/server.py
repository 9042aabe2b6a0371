"""The running product: from a click to the first event, many sockets on one run, memory.

Redis, web process and worker are real and freshly started, on the bundled model.
"""

import asyncio
import json
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from websockets.asyncio.client import connect
from websockets.sync.client import ClientConnection

from analysis.methods.reagent import EXAMPLES
from bench.table import Line
from tests.e2e.stack import Json, Stack

CLICKS = 120
FIRST_COLOURS = 20
SOCKETS = 50
EVENTS = 2000
WAIT_SECONDS = 300
PROMPT = "Anna has the ball. Tom has the book. Question: Who has the ball? Answer:"
QUIET = {"prompt": PROMPT, "faithfulness": False, "baselines": False, "max_new_tokens": 1}
FINAL = ("done", "failed", "cancelled")


def lines() -> Iterator[Line]:
    with running() as stack:
        yield from click_lines(stack)
        yield colour_line(stack)
        idle = memory(stack)
        ours = fan_out(stack)
        yield Line(
            f"memory of the web process, after {SOCKETS} sockets",
            "MiB",
            memory(stack),
            at_most=150,
            details={"before_the_sockets": idle},
        )
    with running(DJANGO_SETTINGS_MODULE="bench.default_layer") as stack:
        theirs = fan_out(stack)
    yield from delivery_lines(ours, theirs)


@contextmanager
def running(**environment: str) -> Iterator[Stack]:
    """The product with a worker that has its model loaded and has run once."""
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder) / "data", environment)
        stack.data_dir.mkdir()
        try:
            stack.start()
            stack.wait_for_status(stack.start_run(**QUIET, probes=64), *FINAL)
            yield stack
        finally:
            stack.stop()


# --- a click ----------------------------------------------------------------------------------


class PageClient:
    """A page: one HTTP connection, one socket."""

    def __init__(self, stack: Stack, opened: ClientConnection, client: httpx.Client) -> None:
        self.opened, self.client = opened, client
        client.get("/")
        client.headers.update({"X-CSRFToken": client.cookies["csrftoken"], "Referer": stack.url})

    def click(self, params: Json) -> str:
        """Start a run and watch it."""
        run = str(uuid.uuid4())
        body = {"id": run, "method": "reagent", "model": "demo-lm", "params": params}
        self.client.post("/api/runs", json=body).raise_for_status()
        self.opened.send(json.dumps({"type": "watch", "run": run, "attempt": 0, "after": 0}))
        return run

    def events(self, run: str) -> Iterator[tuple[float, Json]]:
        """When each event of a run arrived, and the event, up to the last."""
        while True:
            message = json.loads(self.opened.recv(timeout=WAIT_SECONDS))
            if message["type"] == "event" and message["run"] == run:
                event: Json = message["event"]
                yield time.perf_counter(), event
                if event["kind"] == "status" and event["status"] in FINAL:
                    return

    def cancel(self, run: str) -> None:
        self.client.post(f"/api/runs/{run}/cancel").raise_for_status()


@contextmanager
def visitor(stack: Stack) -> Iterator[PageClient]:
    with stack.socket() as opened, httpx.Client(base_url=stack.url, timeout=30) as client:
        yield PageClient(stack, opened, client)


def click_lines(stack: Stack) -> Iterator[Line]:
    """From the click to the first event of its run, the worker warm and idle."""
    waits = []
    with visitor(stack) as page:
        for seed in range(CLICKS):
            clicked = time.perf_counter()
            run = page.click({**QUIET, "probes": 16, "seed": seed})
            arrived = [at for at, _ in page.events(run)]
            waits.append(1000 * (arrived[0] - clicked))
            time.sleep(0.05)
    for share, limit in ((50, 100), (95, 250)):
        yield Line(
            f"click to first event, p{share} of {CLICKS}",
            "ms",
            float(np.percentile(waits, share)),
            at_most=limit,
        )


def colour_line(stack: Stack) -> Line:
    """From `running` to the first scores, with a ready example's own parameters."""
    waits = []
    with visitor(stack) as page:
        for seed in range(FIRST_COLOURS):
            run = page.click({**EXAMPLES[0].params, "seed": 1000 + seed})
            times: dict[str, float] = {}
            for at, event in page.events(run):
                if event["kind"] == "scores" and "scores" not in times:
                    page.cancel(run)
                times.setdefault(event["kind"], at)
            waits.append(1000 * (times["scores"] - times["status"]))
    return Line(
        f"start of a run to first scores, slowest of {FIRST_COLOURS}",
        "ms",
        max(waits),
        at_most=1000,
        details={"p50": float(np.percentile(waits, 50))},
    )


# --- many sockets -------------------------------------------------------------------------------


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


def memory(stack: Stack) -> float:
    """Resident memory of the web process and its children, MiB."""
    web = psutil.Process(stack.servers[1].pid)
    processes = [web, *web.children(recursive=True)]
    return sum(process.memory_info().rss for process in processes) / 2**20
