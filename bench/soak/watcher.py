"""Sockets that watch many runs and record the number of each event."""

import json
import threading
from collections import defaultdict
from contextlib import suppress
from types import TracebackType

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.e2e.stack import Stack, read_messages

FINAL = ("done", "failed", "cancelled")
WATCHES = 50  # of one socket, at most
QUIET_SECONDS = 3600.0  # while workers are killed as fast as they start, nothing may come for long


class Watcher:
    """`seqs`: by run and attempt, the numbers in the order they came; `ended`: finished runs.

    A socket that is closed, as under load, is opened again and resumes, as a page does.
    """

    def __init__(self, stack: Stack, runs: list[str]) -> None:
        self.seqs: dict[str, dict[int, list[int]]] = {run: defaultdict(list) for run in runs}
        self.ended: set[str] = set()
        self._stack, self._closing = stack, threading.Event()
        self._sockets: set[ClientConnection] = set()
        self._threads = [
            threading.Thread(target=self._watch, args=(runs[at : at + WATCHES],), daemon=True)
            for at in range(0, len(runs), WATCHES)
        ]

    def __enter__(self) -> "Watcher":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        for socket in tuple(self._sockets):
            socket.close()
        for thread in self._threads:
            thread.join()

    def _watch(self, runs: list[str]) -> None:
        while not self._closing.is_set():
            with suppress(ConnectionClosed), self._stack.socket(ping_timeout=None) as socket:
                self._sockets.add(socket)
                self._read(socket, [run for run in runs if run not in self.ended])

    def _read(self, socket: ClientConnection, runs: list[str]) -> None:
        for run in runs:
            attempt = max(self.seqs[run], default=0)
            after = max(self.seqs[run].get(attempt, []), default=0)
            watch = {"type": "watch", "run": run, "attempt": attempt, "after": after}
            socket.send(json.dumps(watch))
        for message in read_messages(socket, seconds=QUIET_SECONDS):
            if message["type"] == "event":
                self.seqs[message["run"]][message["attempt"]].append(message["seq"])
                if message["event"].get("status") in FINAL:
                    self.ended.add(message["run"])
