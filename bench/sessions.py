"""Fifty people in one session: how soon each sees the pointers and edits of the others.

Real sockets to a freshly started server. Everyone moves ten times a second and writes a mark into
the same note every second; frames are stored with their time and evaluated afterwards.
"""

import asyncio
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from bench.crowd import PEOPLE, Crowd, crowd, marks, text_of
from bench.table import Line
from tests.e2e.stack import ROOT, Stack, free_port, wait_until


def lines() -> Iterator[Line]:
    with running() as stack:
        session = str(uuid.uuid4())
        response = stack.post("/api/sessions", {"id": session, "title": "Fifty people"})
        response.raise_for_status()
        web = psutil.Process(stack.servers[1].pid)
        before = web.cpu_times()
        ours = asyncio.run(crowd(stack.port, session))
        used = web.cpu_times()
        seconds = used.user + used.system - before.user - before.system
        saved = asyncio.run(text_of(stack.port, session))
        with stock(stack) as port:
            theirs = asyncio.run(crowd(port, session))
    yield from report(ours, theirs, saved=saved, cpu=seconds)


def report(ours: Crowd, theirs: Crowd, *, saved: str, cpu: float) -> Iterator[Line]:
    lost = ours.lost() + len(ours.written - marks(saved.encode()))
    alike = {person.text for person in ours.people} == {saved}
    refused = "" if alike and not lost else f"{lost} edits lost, texts equal: {alike}"
    details = {
        "edits": len(ours.written),
        "lost": lost,
        "lost_theirs": theirs.lost(),
        "cpu_seconds_of_the_server": cpu,
    }
    for share, most in ((50, None), (95, 250)):
        yield Line(
            f"{PEOPLE} people in a session, pointer moved to pointer shown, p{share}",
            "ms",
            ours.seen(share),
            "stock consumer",
            theirs.seen(share),
            at_most=most,
            refused=refused,
            details=details,
        )
    yield Line(
        f"{PEOPLE} people in a session, edit made to edit shown, p95",
        "ms",
        ours.read(95),
        "stock consumer",
        theirs.read(95),
        refused=refused,
        details=details,
    )


@contextmanager
def running() -> Iterator[Stack]:
    """Redis and the web process; no run is started, so no worker."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as ended:
        stack = Stack(Path(folder) / "data")
        ended.callback(stack.stop)
        yield stack.start(worker=False)


@contextmanager
def stock(stack: Stack) -> Iterator[int]:
    """The peer on the same Redis; its port."""
    port = free_port()
    arguments = ("--port", str(port), "--lifespan", "off", "--log-level", "warning")
    command = (sys.executable, "-m", "uvicorn", "bench.stock_consumer:application", *arguments)
    with subprocess.Popen(command, cwd=ROOT, env=stack.child_environment()) as server:
        try:
            wait_until("the stock consumer", lambda: listens(port))
            yield port
        finally:
            server.terminate()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
