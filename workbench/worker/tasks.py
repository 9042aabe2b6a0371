"""The Celery task: executes a run until it is done, stopped, failed or reassigned."""

import contextlib
import logging
import secrets
from collections.abc import Generator
from uuid import UUID

import redis
from django.db import DatabaseError, InterfaceError, OperationalError

from analysis import refusals, stopping
from analysis.catalog.folder import is_panic
from analysis.errors import GlassbenchError, OutOfMemory
from analysis.events import Event, ModelInfo, ModelLoaded
from workbench.catalog.selectors import catalog
from workbench.celery import app
from workbench.errors import AttemptLost
from workbench.runs import flags
from workbench.runs.artifacts import event_dump
from workbench.runs.dispatch import TASK
from workbench.runs.execution import run_claim, run_end, run_model_seen, run_recover, run_release
from workbench.runs.models import Run, Status
from workbench.storage import database_away, storage_refusal
from workbench.uploads.selectors import upload_pixels
from workbench.worker.clock import RunClock
from workbench.worker.life import drop_lease, models_loaded, state, unclaimed_return
from workbench.worker.writer import EventWriter

log = logging.getLogger(__name__)


class Internal(GlassbenchError):
    """An error of the program; the log has the details under the id in the remedy."""

    code = "internal"


@app.task(name=TASK)
def run_execute(run_id: str) -> None:
    """Execute the run if it is queued; a duplicate message has no effect."""
    run = UUID(run_id)
    try:
        claimed = _claim(run)
    except (DatabaseError, redis.RedisError) as error:
        log.warning("Run %s is taken up again, it could not be claimed: %s", run, error)
        state.unclaimed.add(run)
        unclaimed_return(state)
        return
    if claimed is not None:
        with state.working(run=run, attempt=claimed.attempt):
            attempt_work(claimed)


def _claim(run: UUID) -> Run | None:
    """Claim the run and take its lease. Raises DatabaseError, redis.RedisError."""
    leased = flags.lease_take(run=run, worker=state.name)
    claimed = None
    try:
        claimed = run_claim(run=run, worker=state.name)
    finally:
        if claimed is None and leased:
            drop_lease(run)
    return claimed


def attempt_work(run: Run) -> None:
    """Execute one attempt and record how it ended.

    If the database does not answer at the end, the sweep recovers the run.
    """
    try:
        status, error = _outcome(run)
        if isinstance(error, OutOfMemory):
            _release_memory()
        if status == Status.QUEUED:
            _put_back(run, error)
        else:
            run_end(run=run.id, attempt=run.attempt, status=status, error=error)
            _forget_cancel(run.id)
    except AttemptLost as lost:
        log.warning("Stopped: %s", lost)
    except (DatabaseError, redis.RedisError) as away:
        log.warning("Run %s is left to the sweep: %s", run.id, away)


def _put_back(run: Run, error: GlassbenchError | None) -> None:
    """Requeue the run. `error`: why it could not end; None: this worker must stop."""
    if error is None:
        run_release(run=run.id, attempt=run.attempt)
    else:
        run_recover(run=run.id, attempt=run.attempt, error=error)


def analysis_events(run: Run) -> Generator[Event]:
    """The method's events. Imports torch only when it is needed."""
    import analysis

    yield from analysis.run(
        run.method,
        model=run.model,
        params=run.params,
        catalog=catalog(),
        pictures=lambda sha256: upload_pixels(owner=run.owner_id, sha256=sha256),
        dtype=run.dtype,
    )


def _outcome(run: Run) -> tuple[Status, GlassbenchError | None]:
    try:
        return _stream(run), None
    except AttemptLost:
        raise
    except GlassbenchError as error:
        return Status.FAILED, error
    except (OperationalError, InterfaceError) as error:
        log.warning("Run %s is put back: %s", run.id, error)
        return Status.QUEUED, storage_refusal(error) or database_away()
    except Exception as error:  # noqa: BLE001 (the task's edge: the worker must continue)
        refusal = storage_refusal(error) or _memory_refusal(error) or refusals.typed(error)
        return Status.FAILED, refusal or _internal(run)
    except BaseException as error:
        if not is_panic(error):
            raise
        return Status.FAILED, refusals.typed(error)


def _stream(run: Run) -> Status:
    clock = RunClock(loaded_before=frozenset(state.models))
    with (
        EventWriter(run=run.id, attempt=run.attempt, after=1) as writer,
        stopping.stoppable(run.id),
        contextlib.closing(analysis_events(run)) as events,
    ):
        try:
            for event in events:
                if isinstance(event, ModelLoaded):
                    clock.loaded(event.info)
                    _model_seen(run, event.info)
                    state.models = models_loaded()
                writer.put(*event_dump(event))
                if _cancel_asked(run.id):
                    return Status.CANCELLED
                if state.stopping.is_set():
                    return Status.QUEUED
        except stopping.RunStopped:
            return Status.QUEUED if state.stopping.is_set() else Status.CANCELLED
    clock.store(run, device=state.device_name)
    return Status.DONE


def _model_seen(run: Run, info: ModelInfo) -> None:
    from analysis.environment import environment

    run_model_seen(
        run=run.id,
        attempt=run.attempt,
        info=info.model_dump(mode="json"),
        environment=environment(catalog().find(run.model).path),
    )


def _cancel_asked(run: UUID) -> bool:
    try:
        return flags.cancel_asked(run=run)
    except redis.RedisError as error:
        log.warning("Redis is not reachable; stop requests are not received: %s", error)
        return False


def _forget_cancel(run: UUID) -> None:
    try:
        flags.cancel_forget(run=run)
    except redis.RedisError as error:
        log.warning("Redis is not reachable; the stop flag of run %s expires: %s", run, error)


def _memory_refusal(error: Exception) -> OutOfMemory | None:
    """The typed error if `error` is out of memory; else None."""
    from analysis.model import memory

    return memory.refusal(error)


def _release_memory() -> None:
    from analysis.model import memory

    memory.release()


def _internal(run: Run) -> Internal:
    log_id = secrets.token_hex(4)
    log.exception("%s: run %s of %s failed", log_id, run.id, run.method)
    return Internal(
        "The program failed. The error is in the program, not in your request.",
        remedy=f"Look for {log_id} in the worker's log, and report these lines.",
    )
