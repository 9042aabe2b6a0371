"""The guard: a process for each worker that can end the worker from outside.

One call into a library may block the interpreter for minutes, and with it the worker's own
watchdog: a cancel has no effect, the lease expires, memory grows. The guard refreshes the lease,
obeys cancels and limits the memory; a worker that was stopped (SIGSTOP) loses its lease. The worker
reports its current attempt as a line of JSON on the guard's standard input; the guard ends when
that closes.
"""

import contextlib
import json
import logging
import os
import selectors
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any
from uuid import UUID

import psutil
import redis
from django.conf import settings
from django.db import DatabaseError, connections

from analysis.errors import GlassbenchError, OutOfMemory
from workbench.runs import flags
from workbench.runs.execution import run_end
from workbench.runs.models import Status

TICK_SECONDS = 0.25
MEMORY_SHARE = 0.9  # of the machine's or container's memory, where no limit is set
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")

log = logging.getLogger(__name__)


class Guard:
    """Refreshes the lease of a worker's run, and kills the worker on cancel or out of memory."""

    def __init__(self, *, pid: int, worker: str) -> None:
        self._process = psutil.Process(pid)
        self._worker = worker
        self._limit = memory_limit()
        self._work: tuple[UUID, int] | None = None
        self._cancel_since: float | None = None

    def receive(self, line: str) -> None:
        """Read the worker's report: a run and its attempt, or `{}`."""
        work = json.loads(line)
        self._work = (UUID(work["run"]), work["attempt"]) if work else None
        self._cancel_since = None

    def tick(self) -> None:
        """One check. Errors of Redis or the database are ignored until the next one."""
        if self._work is None:
            return
        try:
            self._check_memory()
            if self._process.status() != psutil.STATUS_STOPPED:  # it may never continue
                flags.lease_refresh(run=self._work[0], worker=self._worker)
            self._check_cancel(self._work[0])
        except (redis.RedisError, DatabaseError) as error:
            log.warning("Guard: %s", error)
        except psutil.NoSuchProcess:
            self._work = None
        finally:
            connections.close_all()

    def _check_memory(self) -> None:
        used = memory_used(self._process)
        if used <= self._limit:
            return
        log.warning("Worker %s takes %d bytes: it is ended", self._worker, used)
        self._end(
            Status.FAILED,
            OutOfMemory(
                f"The worker took {used / 2**30:.1f} GiB of memory; the limit is "
                f"{self._limit / 2**30:.1f} GiB.",
                remedy="Use a shorter text, fewer rows at once, or a smaller model; or raise "
                "WORKER_MEMORY_BYTES.",
            ),
        )

    def _check_cancel(self, run: UUID) -> None:
        if not flags.cancel_asked(run=run):
            self._cancel_since = None
            return
        self._cancel_since = self._cancel_since or time.monotonic()
        if time.monotonic() - self._cancel_since >= settings.CANCEL_GRACE_SECONDS:
            log.warning("Run %s did not react to its cancel: worker %s is ended", run, self._worker)
            self._end(Status.CANCELLED, None)

    def _end(self, status: Status, error: GlassbenchError | None) -> None:
        """Kill the worker first, so that it writes no events after the end."""
        assert self._work is not None
        run, attempt = self._work
        self._work = None
        self._process.kill()
        try:
            run_end(run=run, attempt=attempt, status=status, error=error)
        finally:
            flags.lease_drop(run=run)
            flags.worker_leave(worker=self._worker)


class GuardProcess:
    """The guard's process, for its worker."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._process: subprocess.Popen[str] | None = None

    def report(self, work: dict[str, Any]) -> None:
        """Report the current attempt, or `{}`. Starts the guard, also after it has ended."""
        line = json.dumps(work) + "\n"
        try:
            self._write(line)
        except BrokenPipeError:
            self.close()
            self._write(line)

    def close(self) -> None:
        """End the guard and wait for it."""
        if self._process is not None:
            assert self._process.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # it has ended already
                self._process.stdin.close()
            self._process.wait()
            self._process = None

    def _write(self, line: str) -> None:
        self._process = self._process or start(os.getpid(), self._worker)
        assert self._process.stdin is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()


def start(pid: int, worker: str) -> "subprocess.Popen[str]":
    """Start `manage.py guard`."""
    command = [sys.executable, "manage.py", "guard", str(pid), worker]
    return subprocess.Popen(command, stdin=subprocess.PIPE, cwd=settings.BASE_DIR, text=True)


def memory_used(process: psutil.Process) -> int:
    """Resident memory of the process in bytes, without mapped files."""
    info = process.memory_info()
    return int(info.rss - getattr(info, "shared", 0))


def memory_limit() -> int:
    """WORKER_MEMORY_BYTES, or nine tenths of the memory of the machine or container."""
    if settings.WORKER_MEMORY_BYTES:
        return int(settings.WORKER_MEMORY_BYTES)
    whole = psutil.virtual_memory().total
    text = CGROUP_LIMIT.read_text().strip() if CGROUP_LIMIT.is_file() else "max"
    return int(MEMORY_SHARE * min(whole, int(text) if text.isdigit() else whole))


def watch(guard: Guard, stream: IO[bytes]) -> None:
    """Run the guard until the stream ends, which happens when the worker ends."""
    read, rest = selectors.DefaultSelector(), b""
    read.register(stream, selectors.EVENT_READ)
    while True:
        if read.select(TICK_SECONDS):
            received = os.read(stream.fileno(), 2**16)
            if not received:
                return
            *lines, rest = (rest + received).split(b"\n")
            for line in lines:
                guard.receive(line.decode())
        guard.tick()
