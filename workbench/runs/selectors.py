"""Reading runs, always as the visitor may: own ones, and those in sessions open to them."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.core.files.storage import default_storage
from django.db.models import Q, QuerySet

from analysis.images.event import PNG_SIGNATURE
from workbench.accounts.visitor import Visitor, sessions_readable, sessions_with_role
from workbench.catalog.methods import method_known
from workbench.errors import ArtifactNotFound, InvalidQuery, RoleMissing, RunNotFound
from workbench.messages import ErrorOut, ImportedOut, RunOut
from workbench.runs import flags
from workbench.runs.models import Artifact, Run, RunEvent, Status
from workbench.sessions.models import Session, SessionRun
from workbench.sessions.roles import Role

PAGE_EVENTS = 200
SHA256 = re.compile(r"[0-9a-f]{64}")


def runs_readable(visitor: Visitor) -> QuerySet[Run]:
    return _runs(visitor, in_sessions=sessions_readable(visitor))


def run_get(*, visitor: Visitor, run: UUID | str) -> Run:
    """A run that the visitor may read. Raises RunNotFound for all others."""
    found = runs_readable(visitor).select_related("owner", "cached_from")
    try:
        return found.get(pk=run if isinstance(run, UUID) else UUID(run))
    except (Run.DoesNotExist, ValueError):
        raise run_not_found(run) from None


def run_not_found(run: UUID | str) -> RunNotFound:
    return RunNotFound(
        f"There is no run {str(run)[:50]!a}.", remedy="Look it up in the list of runs."
    )


def run_own(*, visitor: Visitor, run: UUID | str) -> Run:
    """A run of the visitor's own. Raises RunNotFound, RoleMissing."""
    found = run_get(visitor=visitor, run=run)
    if visitor.user is None or found.owner_id != visitor.user.pk:
        raise _not_yours(found)
    return found


def run_stoppable(*, visitor: Visitor, run: UUID | str) -> Run:
    """A run of the visitor's own, or in a session that they edit.

    Raises RunNotFound, RoleMissing.
    """
    found = run_get(visitor=visitor, run=run)
    edited = sessions_with_role(visitor, Role.EDITOR)
    if not _runs(visitor, in_sessions=edited).filter(pk=found.pk).exists():
        raise _not_yours(found)
    return found


def run_find(*, run: UUID) -> Run | None:
    """A run of anybody, to see whether its id is taken."""
    return Run.objects.filter(pk=run).first()


def run_list(
    *, visitor: Visitor, limit: int, before: str | None = None, session: Session | None = None
) -> list[Run]:
    """The visitor's own runs, or those of a session that they may read; latest first.

    `before`: those older than that run. Raises RunNotFound.
    """
    found = session.runs.all() if session else Run.objects.filter(owner=visitor.account)
    runs = found.select_related("owner", "cached_from")
    if before:
        runs = runs.filter(created_at__lt=run_get(visitor=visitor, run=before).created_at)
    return list(runs.order_by("-created_at", "id")[:limit])


def run_search(*, visitor: Visitor, query: str, limit: int) -> list[Run]:
    """Runs that the visitor may read whose method, model or params hold the text; latest first."""
    # As SQLite keeps text in JSON, and as PostgreSQL does.
    escaped, quoted = (json.dumps(query, ensure_ascii=only)[1:-1] for only in (True, False))
    named = Q(method__icontains=query) | Q(model__icontains=query)
    params = Q(params__icontains=escaped) | Q(params__icontains=quoted)
    runs = runs_readable(visitor).filter(named | params).select_related("owner", "cached_from")
    return list(runs.order_by("-created_at", "id")[:limit])


def runs_kept(*, visitor: Visitor, runs: Iterable[UUID]) -> set[UUID]:
    """Those of the ids that the visitor may read."""
    return set(runs_readable(visitor).filter(pk__in=list(runs)).values_list("id", flat=True))


def run_cached(*, among: QuerySet[Run], cache_key: str) -> Run | None:
    """A finished run that gave what a run of this key would give."""
    runs = among.filter(cache_key=cache_key, status=Status.DONE)
    return runs.filter(cached_from=None).order_by("created_at").first() if cache_key else None


def run_active(*, among: QuerySet[Run], cache_key: str) -> Run | None:
    """A run of this key that waits or is being worked on, unless somebody asked it to stop."""
    if not cache_key:
        return None
    runs = among.filter(cache_key=cache_key, status__in=(Status.QUEUED, Status.RUNNING))
    found = (run for run in runs.order_by("created_at") if not flags.cancel_asked(run=run.id))
    return next(found, None)


def queue_positions() -> dict[UUID, int]:
    """Place of each queued run in its queue; 1 is next."""
    seen: dict[str, int] = {}
    positions = {}
    queued = Run.objects.filter(status=Status.QUEUED).order_by("created_at", "id")
    for run, queue in queued.values_list("id", "queue"):
        positions[run] = seen[queue] = seen.get(queue, 0) + 1
    return positions


def run_snapshots(runs: Sequence[Run]) -> list[RunOut]:
    """What is shown of each run."""
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


def artifact_read(*, visitor: Visitor, sha256: str) -> bytes:
    """Bytes of an array of a run that the visitor may read. Raises ArtifactNotFound."""
    readable = runs_readable(visitor)
    sources = Q(runs__in=readable) | Q(runs__copies__in=readable)
    allowed = Artifact.objects.filter(sources, sha256=sha256)
    artifact = allowed.first() if SHA256.fullmatch(sha256) else None
    if artifact is None:
        raise ArtifactNotFound(f"There is no array {sha256[:70]!a}.", remedy="Load the run again.")
    with default_storage.open(artifact.storage_name) as file:
        content: bytes = file.read()
    return content


def picture_read(*, visitor: Visitor, sha256: str) -> bytes:
    """The PNG file of a picture of a run that the visitor may read. Raises ArtifactNotFound."""
    content = artifact_read(visitor=visitor, sha256=sha256)
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


def _runs(visitor: Visitor, *, in_sessions: QuerySet[Session]) -> QuerySet[Run]:
    allowed = Q(pk__in=SessionRun.objects.filter(session__in=in_sessions).values("run"))
    if visitor.user:
        allowed |= Q(owner=visitor.user)
    return Run.objects.filter(allowed)


def _not_yours(run: Run) -> RoleMissing:
    return RoleMissing(
        f"This run is {run.owner.get_username()}'s.",
        remedy="Ask them, or start the run again as your own.",
    )


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
        imported=_imported(run, run.imported) if run.imported else None,
    )


def _imported(run: Run, imported: dict[str, Any]) -> ImportedOut:
    known = imported["checked"] and method_known(run.method, run.method_version)
    return ImportedOut(run=imported["run"], drawn=known)
