"""Reading runs, always as the owner may."""

import re
from collections.abc import Sequence
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.core.files.storage import default_storage

from analysis.pictures import PNG_SIGNATURE
from workbench.errors import ArtifactNotFound, InvalidQuery, RunNotFound
from workbench.messages import ErrorOut, RunOut
from workbench.runs.models import Artifact, Run, RunEvent, Status

PAGE_EVENTS = 200
SHA256 = re.compile(r"[0-9a-f]{64}")


def run_get(*, owner: AbstractBaseUser, run: UUID | str) -> Run:
    """The owner's run. Raises RunNotFound, also for a run of somebody else."""
    found = Run.objects.select_related("owner", "cached_from")
    try:
        return found.get(pk=run if isinstance(run, UUID) else UUID(run), owner_id=owner.pk)
    except (Run.DoesNotExist, ValueError):
        raise RunNotFound(
            f"There is no run {str(run)[:50]!a}.", remedy="Look it up in the list of runs."
        ) from None


def run_find(*, run: UUID) -> Run | None:
    """A run of anybody, to see whether its id is taken."""
    return Run.objects.filter(pk=run).first()


def run_list(*, owner: AbstractBaseUser, limit: int, before: str | None = None) -> list[Run]:
    """The owner's runs, latest first; `before`: those older than that run."""
    runs = Run.objects.select_related("owner", "cached_from").filter(owner_id=owner.pk)
    if before:
        runs = runs.filter(created_at__lt=run_get(owner=owner, run=before).created_at)
    return list(runs.order_by("-created_at", "id")[:limit])


def runs_owned(*, owner: AbstractBaseUser, runs: list[str]) -> set[str]:
    """Those of the ids that are the owner's."""
    owned = Run.objects.filter(owner_id=owner.pk, pk__in=runs)
    return {str(run) for run in owned.values_list("id", flat=True)}


def run_cached(*, owner: AbstractBaseUser, cache_key: str) -> Run | None:
    """A finished run of the owner that gave what a run of this key would give."""
    runs = Run.objects.filter(owner_id=owner.pk, cache_key=cache_key, status=Status.DONE)
    return runs.filter(cached_from=None).order_by("created_at").first() if cache_key else None


def queue_positions() -> dict[UUID, int]:
    """Place of each queued run in its queue; 1 is next."""
    seen: dict[str, int] = {}
    positions = {}
    queued = Run.objects.filter(status=Status.QUEUED).order_by("created_at", "id")
    for run, queue in queued.values_list("id", "queue"):
        positions[run] = seen[queue] = seen.get(queue, 0) + 1
    return positions


def run_snapshots(runs: Sequence[Run]) -> list[RunOut]:
    """What the owner sees of each run."""
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
    """The seq of the attempt's last event."""
    last = RunEvent.objects.filter(run=run, attempt=attempt).order_by("-seq").first()
    return last.seq if last else 0


def artifact_read(*, owner: AbstractBaseUser, sha256: str) -> bytes:
    """Bytes of an array of one of the owner's runs. Raises ArtifactNotFound."""
    allowed = Artifact.objects.filter(runs__owner_id=owner.pk, sha256=sha256)
    artifact = allowed.first() if SHA256.fullmatch(sha256) else None
    if artifact is None:
        raise ArtifactNotFound(f"There is no array {sha256[:70]!a}.", remedy="Load the run again.")
    with default_storage.open(artifact.storage_name) as file:
        content: bytes = file.read()
    return content


def picture_read(*, owner: AbstractBaseUser, sha256: str) -> bytes:
    """The PNG file of a picture of one of the owner's runs. Raises ArtifactNotFound."""
    content = artifact_read(owner=owner, sha256=sha256)
    if not content.startswith(PNG_SIGNATURE):
        raise ArtifactNotFound(f"{sha256[:12]} is no picture.", remedy="Load the run again.")
    return content


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
        status=Status(run.status).value,
        position=position,
        attempt=run.attempt,
        error=ErrorOut(**run.error) if run.error else None,
        created_at=run.created_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
        cached_from=run.cached_from_id,
        cache_key=run.cache_key or None,
    )
