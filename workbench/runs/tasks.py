"""The one task: work on a run until it is done, stopped, failed or taken away."""

import contextlib
import gc
import logging
import secrets
from collections.abc import Generator
from uuid import UUID

import redis

from analysis.errors import GlassbenchError, OutOfMemory
from analysis.events import Event, ModelInfo, ModelLoaded
from workbench.catalog.selectors import catalog
from workbench.celery import app
from workbench.errors import AttemptLost
from workbench.runs import flags
from workbench.runs.artifacts import event_dump
from workbench.runs.dispatch import TASK
from workbench.runs.execution import run_claim, run_end, run_model_seen, run_release
from workbench.runs.models import Run, Status
from workbench.runs.worker import state
from workbench.runs.writer import EventWriter
from workbench.uploads.selectors import upload_pixels

log = logging.getLogger(__name__)


class Internal(GlassbenchError):
    """A fault of the program; the log has the rest under the id that the message names."""

    code = "internal"


@app.task(name=TASK)
def run_execute(run_id: str) -> None:
    """Work on the run if it is queued; a message delivered twice finds it is not."""
    run = UUID(run_id)
    leased = flags.lease_take(run=run, worker=state.name)
    claimed = run_claim(run=run, worker=state.name)
    if claimed is None:
        if leased:
            flags.lease_drop(run=run)
        return
    with state.working(run=run, attempt=claimed.attempt):
        attempt_work(claimed)


def attempt_work(run: Run) -> None:
    """Run one attempt to its end and record how it ended."""
    try:
        status, error = _outcome(run)
    except AttemptLost as lost:
        log.warning("Stopped: %s", lost)
        return
    if status == Status.QUEUED:
        run_release(run=run.id, attempt=run.attempt)
    else:
        run_end(run=run.id, attempt=run.attempt, status=status, error=error)
        _forget_cancel(run.id)


def analysis_events(run: Run) -> Generator[Event]:
    """The method's events. Imported late: this module is read before torch is needed."""
    import analysis

    yield from analysis.run(
        run.method,
        model=run.model,
        params=run.params,
        catalog=catalog(),
        pictures=lambda sha256: upload_pixels(owner=run.owner_id, sha256=sha256),
    )


def _outcome(run: Run) -> tuple[Status, GlassbenchError | None]:
    try:
        return _stream(run), None
    except AttemptLost:
        raise
    except GlassbenchError as error:
        return Status.FAILED, error
    except Exception as error:  # noqa: BLE001 (the task's edge: the worker lives on)
        return Status.FAILED, _out_of_memory(error) or _internal(run)


def _stream(run: Run) -> Status:
    with (
        EventWriter(run=run.id, attempt=run.attempt, after=1) as writer,
        contextlib.closing(analysis_events(run)) as events,
    ):
        for event in events:
            if isinstance(event, ModelLoaded):
                _model_seen(run, event.info)
            writer.put(*event_dump(event))
            if _cancel_asked(run.id):
                return Status.CANCELLED
            if state.stopping.is_set():
                return Status.QUEUED
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
        log.warning("Redis is away, a cancel would not be heard: %s", error)
        return False


def _forget_cancel(run: UUID) -> None:
    try:
        flags.cancel_forget(run=run)
    except redis.RedisError as error:
        log.warning("Redis is away, the cancel flag of run %s expires by itself: %s", run, error)


def _out_of_memory(error: Exception) -> OutOfMemory | None:
    import torch

    refused = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    if not (refused or isinstance(error, MemoryError | torch.OutOfMemoryError)):
        return None
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return OutOfMemory(
        f"The worker ran out of memory: {ascii(str(error))[:200]}.",
        remedy="Use a shorter text, fewer rows at once, or a smaller model.",
    )


def _internal(run: Run) -> Internal:
    log_id = secrets.token_hex(4)
    log.exception("%s: run %s of %s failed", log_id, run.id, run.method)
    return Internal(
        "The program failed; this is a fault of it, not of what you asked.",
        remedy=f"Look for {log_id} in the worker's log, and report what stands there.",
    )
