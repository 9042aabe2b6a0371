"""Changes of runs by workers. Each write checks that the attempt is still the current one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from analysis.errors import GlassbenchError
from workbench.catalog.methods import method_get
from workbench.catalog.services import model_check_record
from workbench.errors import AttemptLost
from workbench.runs import flags
from workbench.runs.artifacts import artifacts_link
from workbench.runs.broadcast import broadcast_events, broadcast_queue, broadcast_run
from workbench.runs.dispatch import FIRST, run_dispatch
from workbench.runs.models import Run, RunEvent, Status
from workbench.runs.params import cache_key
from workbench.runs.schemas import StatusEvent, event_frame
from workbench.runs.selectors import event_count


@dataclass(frozen=True)
class Pending:
    """An event not yet written; `artifacts`: sizes of its artifacts by hash."""

    seq: int
    payload: str
    artifacts: dict[str, int] = field(default_factory=dict)


class WorkerLost(GlassbenchError):
    code = "worker_lost"


def run_claim(*, run: UUID, worker: str) -> Run | None:
    """Start the next attempt of a queued run; None if the run is not queued."""
    with transaction.atomic():
        taken = Run.objects.filter(pk=run, status=Status.QUEUED).update(
            status=Status.RUNNING,
            attempt=F("attempt") + 1,
            worker=worker,
            started_at=timezone.now(),
        )
        if not taken:
            return None
        claimed = Run.objects.get(pk=run)
        rows = _insert(claimed, [Pending(1, _status_payload(Status.RUNNING, None))])
    _broadcast(claimed, rows)
    broadcast_queue()
    return claimed


def event_append(*, run: UUID, attempt: int, events: Sequence[Pending]) -> None:
    """Save events of an attempt, then broadcast them. Raises AttemptLost."""
    with transaction.atomic():
        locked = _locked(run, attempt, Status.RUNNING)
        if locked is None:
            raise AttemptLost(f"attempt {attempt} of run {run} has ended")
        rows = _insert(locked, events)
    _broadcast(locked, rows, changed=False)


def run_end(
    *,
    run: UUID,
    attempt: int,
    status: Status,
    error: GlassbenchError | None = None,
    was: Status = Status.RUNNING,
) -> bool:
    """End an attempt: save its last event and its status. False if it is not the current one."""
    with transaction.atomic():
        locked = _locked(run, attempt, was)
        if locked is None:
            return False
        last = event_count(run=locked, attempt=attempt)
        rows = _insert(locked, [Pending(last + 1, _status_payload(status, error))])
        locked.status = status
        locked.error = _storable(error) if error else None
        locked.finished_at = timezone.now()
        locked.save(update_fields=["status", "error", "finished_at"])
    _broadcast(locked, rows)
    return True


def run_release(*, run: UUID, attempt: int) -> bool:
    """Requeue a run at the front because its worker must stop; does not count as a lost worker."""
    released = _requeue(run, attempt, lost_workers=F("lost_workers"))
    return released


def run_recover(*, run: UUID, attempt: int, error: GlassbenchError | None = None) -> bool:
    """Requeue a run whose worker was lost; after MAX_LOST_WORKERS, fail it. False: not running.

    `error`: why the worker could not end it; None: the worker vanished.
    """
    if flags.cancel_asked(run=run):
        return run_end(run=run, attempt=attempt, status=Status.CANCELLED)
    lost = Run.objects.values_list("lost_workers", flat=True).get(pk=run) + 1
    if lost < settings.MAX_LOST_WORKERS:
        return _requeue(run, attempt, lost_workers=lost)
    return run_end(run=run, attempt=attempt, status=Status.FAILED, error=error or _lost(lost))


def _lost(times: int) -> WorkerLost:
    return WorkerLost(
        f"The worker ended {times} times while it worked on this run.",
        remedy="The model may need more memory than there is: choose a smaller one or a shorter "
        "text. The worker's log has the details.",
    )


def run_model_seen(
    *, run: UUID, attempt: int, info: dict[str, Any], environment: dict[str, Any]
) -> None:
    """Record the loaded revision, on which the cache key depends, and the self-check."""
    with transaction.atomic():
        locked = _locked(run, attempt, Status.RUNNING)
        if locked is None:
            raise AttemptLost(f"attempt {attempt} of run {run} has ended")
        locked.environment = environment
        if info["id"] == locked.model:
            locked.revision = info["revision"]
            locked.cache_key = cache_key(
                method=method_get(locked.method),
                model=locked.model,
                revision=locked.revision,
                params=locked.params,
                dtype=locked.dtype,
            )
        locked.save(update_fields=["revision", "cache_key", "environment"])
    model_check_record(model=info["id"], info=info, dtype=locked.dtype)


def _requeue(run: UUID, attempt: int, **changes: Any) -> bool:
    queued = Run.objects.filter(pk=run, attempt=attempt, status=Status.RUNNING).update(
        status=Status.QUEUED, worker="", started_at=None, **changes
    )
    if queued:
        queue = Run.objects.values_list("queue", flat=True).get(pk=run)
        run_dispatch(run=run, queue=queue, priority=FIRST)
        broadcast_run(run)
        broadcast_queue()
    return bool(queued)


def _locked(run: UUID, attempt: int, status: Status) -> Run | None:
    """The run with its row locked; None if this attempt is not the current one."""
    runs = Run.objects.select_for_update(of=("self",))
    return runs.filter(pk=run, attempt=attempt, status=status).first()


def _insert(run: Run, events: Sequence[Pending]) -> list[RunEvent]:
    artifacts = {sha: size for event in events for sha, size in event.artifacts.items()}
    if artifacts:
        artifacts_link(run=run, artifacts=artifacts)
    now = timezone.now()
    return RunEvent.objects.bulk_create(
        RunEvent(run=run, attempt=run.attempt, seq=event.seq, at=now, payload=event.payload)
        for event in events
    )


def _broadcast(run: Run, rows: list[RunEvent], *, changed: bool = True) -> None:
    frames = [
        event_frame(run=run.id, attempt=row.attempt, seq=row.seq, at=row.at, payload=row.payload)
        for row in rows
    ]
    broadcast_events(
        run=run.id,
        attempt=run.attempt,
        first=rows[0].seq,
        frames=frames,
    )
    if changed:
        broadcast_run(run.id)


def _storable(error: GlassbenchError) -> dict[str, str | None]:
    """The error for a JSON column: PostgreSQL refuses NUL, which a quoted token may contain."""
    return {name: text and text.replace("\0", "\\0") for name, text in error.as_dict().items()}


def _status_payload(status: Status, error: GlassbenchError | None) -> str:
    shown = _storable(error) if error else None
    return StatusEvent.model_validate({"status": status.value, "error": shown}).model_dump_json()
