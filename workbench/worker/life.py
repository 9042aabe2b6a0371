"""A worker's life cycle: preload, presence, lease, and the end of a hanging worker."""

import atexit
import contextlib
import gc
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import redis
from celery import signals
from django.conf import settings
from django.db import DatabaseError, connections

from analysis import stopping
from analysis.errors import GlassbenchError
from workbench.catalog.methods import INSPECT
from workbench.catalog.selectors import catalog
from workbench.estimates.services import device_record
from workbench.runs import flags
from workbench.runs.execution import run_end, run_release
from workbench.runs.models import Status
from workbench.worker.guard import GuardProcess
from workbench.worker.sweep import Sweep

TICK_SECONDS = 0.5
SWEEP_TICKS = 4
STOP_GRACE_SECONDS = 2.5  # honcho kills after 5, compose after 10

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Work:
    """The attempt that the worker is busy with."""

    run: UUID
    attempt: int


class WorkerState:
    """The state shared by the main thread and the watchdog."""

    def __init__(self) -> None:
        self.name = f"{socket.gethostname()}-{os.getpid()}"
        self.stage = "starting"
        self.exit_status = 0
        self.device: str | None = None
        self.device_name = ""
        self.models: tuple[str, ...] = ()  # those that are loaded
        self.stopping = threading.Event()
        self.work: Work | None = None
        self.guard: GuardProcess | None = None
        self.unclaimed: set[UUID] = set()  # runs that could not be claimed

    @contextlib.contextmanager
    def working(self, *, run: UUID, attempt: int) -> Iterator[None]:
        """Let watchdog and guard refresh the run's lease while the block runs."""
        self.work = Work(run, attempt)
        self._report({"run": str(run), "attempt": attempt})
        try:
            yield
        finally:
            self.work = None
            self._report({})
            drop_lease(run)

    def _report(self, work: dict[str, Any]) -> None:
        if self.guard is not None:
            self.guard.report(work)

    def as_dict(self) -> dict[str, Any]:
        work = self.work
        return {
            "name": self.name,
            "state": self.stage,
            "device": self.device,
            "device_name": self.device_name,
            "models": self.models,
            "run": str(work.run) if work else None,
        }


class Watchdog(threading.Thread):
    """Announces the worker and refreshes its lease twice a second; ends it on an ignored stop.

    A blocked interpreter blocks this thread too: see `workbench.worker.guard`.
    """

    def __init__(self, state: WorkerState) -> None:
        super().__init__(name="watchdog", daemon=True)
        self.state = state
        self.sweep = Sweep()
        self._cancel_since: tuple[Work, float] | None = None
        self._stop_since: float | None = None

    def run(self) -> None:
        ticks = 0
        while True:
            self.tick(sweep=ticks % SWEEP_TICKS == 0)
            ticks += 1
            time.sleep(TICK_SECONDS)

    def tick(self, *, sweep: bool) -> None:
        """One check. Errors of Redis or the database are ignored until the next one."""
        try:
            self.check_stop()
            flags.worker_announce(worker=self.state.name, state=self.state.as_dict())
            if work := self.state.work:
                flags.lease_refresh(run=work.run, worker=self.state.name)
                self.check_cancel(work)
            unclaimed_return(self.state)
            if sweep and not self.state.stopping.is_set():
                self.sweep.repair()
        except (redis.RedisError, DatabaseError) as error:
            log.warning("Watchdog: %s", error)
        finally:
            connections.close_all()

    def check_cancel(self, work: Work) -> None:
        """End the process when a stop request has no effect for too long."""
        if not flags.cancel_asked(run=work.run):
            self._cancel_since = None
            return
        stopping.request(work.run)
        if self._cancel_since is None or self._cancel_since[0] != work:
            self._cancel_since = (work, time.monotonic())
        if time.monotonic() - self._cancel_since[1] < settings.CANCEL_GRACE_SECONDS:
            return
        log.warning("Run %s did not react to its cancel: this worker ends", work.run)
        run_end(run=work.run, attempt=work.attempt, status=Status.CANCELLED)
        leave(self.state, code=1)

    def check_stop(self) -> None:
        """Requeue the run if the worker must stop and the method does not react."""
        if not self.state.stopping.is_set():
            return
        self._stop_since = self._stop_since or time.monotonic()
        work = self.state.work
        if work:
            stopping.request(work.run)
        if work and time.monotonic() - self._stop_since > STOP_GRACE_SECONDS:
            run_release(run=work.run, attempt=work.attempt)
            leave(self.state, code=0)


def drop_lease(run: UUID) -> None:
    try:
        flags.lease_drop(run=run)
    except redis.RedisError as error:
        log.warning("Redis is not reachable; the lease of run %s expires: %s", run, error)


def unclaimed_return(state: WorkerState) -> None:
    """Let the sweep send unclaimed runs again; without Redis, try at the next tick."""
    for run in tuple(state.unclaimed):
        try:
            flags.sent_forget(run=run)
        except redis.RedisError as error:
            log.warning("Redis is not reachable; run %s waits: %s", run, error)
            return
        state.unclaimed.discard(run)


def leave(state: WorkerState, *, code: int) -> None:
    """End the process at once; the main thread is blocked in a method."""
    if state.work:
        drop_lease(state.work.run)
    with contextlib.suppress(redis.RedisError):  # the entry expires after some seconds
        flags.worker_leave(worker=state.name)
    os._exit(code)


def preload() -> str:
    """Import the methods and load PRELOAD_MODEL, so that the first run starts quickly."""
    import torch

    import analysis
    from analysis import method

    for stem in method.stems():
        method.get(stem)
    if settings.PRELOAD_MODEL:
        try:
            for _ in analysis.run(
                INSPECT, model=settings.PRELOAD_MODEL, params={}, catalog=catalog()
            ):
                pass
        except GlassbenchError as error:
            log.warning("%s was not loaded ahead: %s", settings.PRELOAD_MODEL, error.message)
    # Exclude the loaded objects from garbage collection: at exit it would take longer than honcho
    # waits.
    gc.collect()
    gc.freeze()
    return "cuda" if torch.cuda.is_available() else "cpu"


def models_loaded() -> tuple[str, ...]:
    """The models that this process holds."""
    from analysis.runner import loaded_names

    return loaded_names()


def device_measure() -> str:
    """Measure and store how fast this process's device is; return its name."""
    from analysis.model import calibration, memory
    from analysis.workload import Device

    name, kind = calibration.device_name(), memory.default_device()
    device = Device(kind, memory.device_bytes())
    try:
        device_record(name=name, device=device, speed=calibration.calibrate())
    except DatabaseError as error:
        log.warning("The speed of %s is not stored: %s", name, error)
    return name


def end_quietly(state: WorkerState) -> None:
    """Exit without the cleanup of libraries, which would print warnings."""
    if state.stage == "left":
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(state.exit_status)


state = WorkerState()
atexit.register(end_quietly, state)  # registered first, so called last


@signals.worker_init.connect
def start(**_: Any) -> None:
    state.guard = GuardProcess(state.name)
    state.guard.report({})  # starts the guard before the first run
    Watchdog(state).start()
    state.device = preload()
    state.models = models_loaded()
    state.device_name = device_measure()


@signals.worker_ready.connect
def ready(**_: Any) -> None:
    state.stage = "ready"
    log.info("Worker %s is ready (%s)", state.name, state.device)


@signals.worker_shutting_down.connect
def stop(**_: Any) -> None:
    state.stopping.set()


@signals.worker_shutdown.connect
def left(sender: Any, **_: Any) -> None:
    with contextlib.suppress(redis.RedisError):  # the entry expires after some seconds
        flags.worker_leave(worker=state.name)
    state.exit_status = sender.exitcode or 0  # a worker that failed is restarted
    state.stage = "left"
