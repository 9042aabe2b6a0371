"""Reads runs that the visitor may read: own ones, and those in readable sessions."""

import json
import re
from collections.abc import Iterable
from uuid import UUID

from django.core.files.storage import default_storage
from django.db.models import Q, QuerySet

from analysis.errors import shortened
from analysis.images.event import PNG_SIGNATURE
from workbench.accounts.visitor import Visitor
from workbench.errors import ArtifactNotFound, RoleMissing, RunNotFound
from workbench.runs.models import Artifact, Run
from workbench.sessions.access import sessions_readable, sessions_with_role
from workbench.sessions.models import Session, SessionRun
from workbench.sessions.roles import Role

SHA256 = re.compile(r"[0-9a-f]{64}")


def runs_readable(visitor: Visitor) -> QuerySet[Run]:
    return _runs(visitor, in_sessions=sessions_readable(visitor))


def run_get(*, visitor: Visitor, run: UUID | str) -> Run:
    """A run that the visitor may read. Raises RunNotFound for all others."""
    runs = runs_readable(visitor).select_related("owner", "cached_from")
    try:
        return runs.get(pk=run if isinstance(run, UUID) else UUID(run))
    except (Run.DoesNotExist, ValueError):
        raise run_not_found(run) from None


def run_not_found(run: UUID | str) -> RunNotFound:
    return RunNotFound(
        f"There is no run {shortened(str(run))}.", remedy="Choose a run from the list of runs."
    )


def run_own(*, visitor: Visitor, run: UUID | str) -> Run:
    """A run that the visitor owns. Raises RunNotFound, RoleMissing."""
    row = run_get(visitor=visitor, run=run)
    if visitor.user is None or row.owner_id != visitor.user.pk:
        raise _not_yours(row)
    return row


def run_stoppable(*, visitor: Visitor, run: UUID | str) -> Run:
    """A run that the visitor owns, or in a session that they edit.

    Raises RunNotFound, RoleMissing.
    """
    row = run_get(visitor=visitor, run=run)
    edited = sessions_with_role(visitor, Role.EDITOR)
    if not _runs(visitor, in_sessions=edited).filter(pk=row.pk).exists():
        raise _not_yours(row)
    return row


def run_list(
    *, visitor: Visitor, limit: int, before: str | None = None, session: Session | None = None
) -> list[Run]:
    """The visitor's own runs, or those of a session that they may read; latest first.

    `before`: those older than that run. Raises RunNotFound.
    """
    rows = session.runs.all() if session else Run.objects.filter(owner=visitor.account)
    runs = rows.select_related("owner", "cached_from")
    if before:
        runs = runs.filter(created_at__lt=run_get(visitor=visitor, run=before).created_at)
    return list(runs.order_by("-created_at", "id")[:limit])


def run_search(*, visitor: Visitor, query: str, limit: int) -> list[Run]:
    """Runs that the visitor may read whose method, model or params hold the text; latest first."""
    # SQLite stores JSON text escaped, PostgreSQL does not.
    escaped, quoted = (json.dumps(query, ensure_ascii=only)[1:-1] for only in (True, False))
    named = Q(method__icontains=query) | Q(model__icontains=query)
    params = Q(params__icontains=escaped) | Q(params__icontains=quoted)
    runs = runs_readable(visitor).filter(named | params).select_related("owner", "cached_from")
    return list(runs.order_by("-created_at", "id")[:limit])


def run_ids_readable(*, visitor: Visitor, runs: Iterable[UUID]) -> set[UUID]:
    """Those of the ids that the visitor may read."""
    return set(runs_readable(visitor).filter(pk__in=list(runs)).values_list("id", flat=True))


def artifact_read(*, visitor: Visitor, sha256: str) -> bytes:
    """Bytes of an array of a run that the visitor may read. Raises ArtifactNotFound."""
    readable = runs_readable(visitor)
    sources = Q(runs__in=readable) | Q(runs__copies__in=readable)
    allowed = Artifact.objects.filter(sources, sha256=sha256)
    artifact = allowed.first() if SHA256.fullmatch(sha256) else None
    if artifact is None:
        raise ArtifactNotFound(
            f"There is no array {shortened(sha256)}.", remedy="Load the run again."
        )
    with default_storage.open(artifact.storage_name) as file:
        content: bytes = file.read()
    return content


def picture_read(*, visitor: Visitor, sha256: str) -> bytes:
    """The PNG file of a picture of a run that the visitor may read. Raises ArtifactNotFound."""
    content = artifact_read(visitor=visitor, sha256=sha256)
    if not content.startswith(PNG_SIGNATURE):
        raise ArtifactNotFound(f"{sha256[:12]} is no picture.", remedy="Load the run again.")
    return content


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
