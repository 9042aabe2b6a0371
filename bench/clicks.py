"""From a click on the page to the first event of its run, and to the first scores."""

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import numpy as np
from websockets.sync.client import ClientConnection

from analysis.methods.reagent import EXAMPLES
from bench.table import Line
from tests.e2e.stack import Json, Stack

CLICKS = 120
FIRST_COLOURS = 20
WAIT_SECONDS = 300
PROMPT = "Anna has the ball. Tom has the book. Question: Who has the ball? Answer:"
QUIET = {"prompt": PROMPT, "faithfulness": False, "baselines": False, "max_new_tokens": 1}
FINAL = ("done", "failed", "cancelled")


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
        """The events of a run with their times of arrival, up to the last."""
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
