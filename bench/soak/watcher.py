"""A socket that watches many runs and notes the number of each event."""

import json
import threading
from collections import defaultdict
from types import TracebackType

from websockets.exceptions import ConnectionClosed

from tests.e2e.stack import Stack, read_messages

FINAL = ("done", "failed", "cancelled")


class Watcher:
    """`seqs`: by run and attempt, the numbers in the order they came; `ended`: finished runs."""

    def __init__(self, stack: Stack, runs: list[str]) -> None:
        self.seqs: dict[str, dict[int, list[int]]] = {run: defaultdict(list) for run in runs}
        self.ended: set[str] = set()
        self._opened = stack.socket()
        self._socket = self._opened.__enter__()
        self._thread = threading.Thread(target=self._read, name="watcher", daemon=True)

    def __enter__(self) -> "Watcher":
        for run in self.seqs:
            self._socket.send(json.dumps({"type": "watch", "run": run, "attempt": 0, "after": 0}))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.__exit__(None, None, None)
        self._thread.join()

    def _read(self) -> None:
        try:
            for message in read_messages(self._socket):
                if message["type"] == "event":
                    self.seqs[message["run"]][message["attempt"]].append(message["seq"])
                    if message["event"].get("status") in FINAL:
                        self.ended.add(message["run"])
        except ConnectionClosed:
            return
