"""Reads runs of any owner; `workbench.sessions` checks access."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from analysis.catalog.dtypes import check_dtype
from workbench.answers import ErrorOut
from workbench.catalog.methods import method_known
from workbench.errors import InvalidQuery
from workbench.runs import flags
from workbench.runs.models import Run, RunEvent, Status
from workbench.runs.schemas import ExpectedOut, ImportedOut, RunOut

PAGE_EVENTS = 200


def run_find(*, run: UUID) -> Run | None:
    """The run with that id, of any owner."""
    return Run.objects.filter(pk=run).first()


def run_cached(*, among: QuerySet[Run], cache_key: str) -> Run | None:
    """A finished run with this cache key, whose events can be shared."""
    runs = among.filter(cache_key=cache_key, status=Status.DONE)
    return runs.filter(cached_from=None).order_by("created_at").first() if cache_key else None


def run_active(*, among: QuerySet[Run], cache_key: str) -> Run | None:
    """A queued or running run with this cache key, unless its stop was requested."""
    if not cache_key:
        return None
    runs = among.filter(cache_key=cache_key, status__in=(Status.QUEUED, Status.RUNNING))
    active = (run for run in runs.order_by("created_at") if not flags.cancel_asked(run=run.id))
    return next(active, None)


def queue_positions() -> dict[UUID, int]:
    """Position of each queued run in its queue; 1 is next."""
    seen: dict[str, int] = {}
    positions = {}
    queued = Run.objects.filter(status=Status.QUEUED).order_by("created_at", "id")
    for run, queue in queued.values_list("id", "queue"):
        positions[run] = seen[queue] = seen.get(queue, 0) + 1
    return positions


def run_snapshots(runs: Sequence[Run]) -> list[RunOut]:
    """The API's form of each run."""
    queued = any(run.status == Status.QUEUED for run in runs)
    positions = queue_positions() if queued else {}
    return [_snapshot(run, positions.get(run.id)) for run in runs]


def run_snapshot(run: Run) -> RunOut:
    return run_snapshots([run])[0]


def event_list(*, run: Run, attempt: int, after: int, limit: int = PAGE_EVENTS) -> list[RunEvent]:
    """Events of an attempt that follow `after`, in order."""
    events = RunEvent.objects.filter(run=run.source, attempt=attempt, seq__gt=after)
    return list(events.order_by("seq")[:limit])


def event_count(*, run: Run, attempt: int) -> int:
    """The number of the attempt's events."""
    last = RunEvent.objects.filter(run=run, attempt=attempt).order_by("-seq").first()
    return last.seq if last else 0


def page_limit(limit: int, *, most: int) -> int:
    """Raises InvalidQuery."""
    if not 1 <= limit <= most:
        raise InvalidQuery(
            f"limit is {limit}; it must lie between 1 and {most}.",
            remedy="Ask for fewer, then for those before the last.",
            field="limit",
        )
    return limit


def _snapshot(run: Run, position: int | None) -> RunOut:
    return RunOut(
        id=run.id,
        owner=run.owner.get_username(),
        method=run.method,
        method_version=run.method_version,
        model=run.model,
        revision=run.revision or None,
        params=run.params,
        dtype=check_dtype(run.dtype),
        status=Status(run.status).value,
        position=position,
        attempt=run.attempt,
        error=ErrorOut(**run.error) if run.error else None,
        created_at=run.created_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
        expected=ExpectedOut(**run.expected) if run.expected else None,
        cached_from=run.cached_from_id,
        cache_key=run.cache_key or None,
        imported=_imported(run, run.imported) if run.imported else None,
    )


def _imported(run: Run, imported: dict[str, Any]) -> ImportedOut:
    # The method version whose schema accepted the events; True: the run's own version.
    checked: str | bool | None = imported["checked"]
    version = run.method_version if checked is True else checked
    return ImportedOut(
        run=imported["run"], drawn=bool(version) and method_known(run.method, str(version))
    )
