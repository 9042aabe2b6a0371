"""Writes events in batches from a separate thread, so that the method does not wait."""

import queue
import threading
import time
from types import TracebackType
from uuid import UUID

from django.db import connections

from workbench.runs.execution import Pending, event_append

INTERVAL_SECONDS = 0.04
MOST_EVENTS = 100
MOST_BYTES = 2**20


class EventWriter:
    """Writes the events of one attempt in order, from its own thread.

    The first event, and one after a pause, is written at once. The error of a failed write (the
    attempt was lost, the database is gone) is raised by the next `put` or at exit.
    """

    def __init__(self, *, run: UUID, attempt: int, after: int) -> None:
        self._run, self._attempt, self._seq = run, attempt, after
        self._queue: queue.Queue[Pending | None] = queue.Queue(maxsize=1000)
        self._failure: Exception | None = None
        self._ending = False
        self._written_at = float("-inf")
        self._thread = threading.Thread(target=self._work, name="event-writer", daemon=True)

    def __enter__(self) -> "EventWriter":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._offer(None)
        self._thread.join()
        if self._failure and self._failure is not error:
            raise self._failure

    def put(self, payload: str, artifacts: dict[str, int]) -> None:
        """Queue the next event. Raises AttemptLost, DatabaseError, errors of the storage."""
        self._seq += 1
        self._offer(Pending(self._seq, payload, artifacts))
        if self._failure:
            raise self._failure

    def _offer(self, pending: Pending | None) -> None:
        while self._failure is None:
            try:
                return self._queue.put(pending, timeout=0.1)
            except queue.Full:
                continue

    def _work(self) -> None:
        try:
            while not self._ending:
                batch = self._next_batch()
                if batch:
                    event_append(run=self._run, attempt=self._attempt, events=batch)
                    self._written_at = time.monotonic()
        except Exception as error:  # noqa: BLE001 (raised again by `put`)
            self._failure = error
        finally:
            connections.close_all()

    def _next_batch(self) -> list[Pending]:
        """The queued events, once the interval since the last write is over."""
        batch: list[Pending] = []
        size = 0
        pending = self._queue.get()
        while pending is not None:
            batch.append(pending)
            size += len(pending.payload)
            if len(batch) >= MOST_EVENTS or size >= MOST_BYTES:
                return batch
            left = self._written_at + INTERVAL_SECONDS - time.monotonic()
            try:
                pending = self._queue.get(timeout=left) if left > 0 else self._queue.get_nowait()
            except queue.Empty:
                return batch
        self._ending = True
        return batch
