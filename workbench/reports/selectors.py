"""Reads runs into a report. The caller checks that the visitor may read them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from django.core.files.storage import default_storage

from analysis.catalog.dtypes import check_dtype
from analysis.errors import UnknownMethod
from workbench.catalog.methods import method_get
from workbench.reports.document import EventRecord, PanelRecord, Report, RunRecord, is_hash
from workbench.reports.errors import RunUnfinished
from workbench.runs.models import TERMINAL, Artifact, Run, RunEvent
from workbench.uploads.models import Upload

Ended = Literal["done", "failed", "cancelled"]


class StoredFiles(Mapping[str, bytes]):
    """Files in storage by hash, read on access."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names

    def __getitem__(self, sha256: str) -> bytes:
        with default_storage.open(self._names[sha256]) as file:
            content: bytes = file.read()
        return content

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def run_report(*, runs: Sequence[Run], title: str) -> Report:
    """A report with a panel for each run. Raises RunUnfinished."""
    panels = (PanelRecord(id=str(run.id), run=run_record(run=run)) for run in runs)
    return Report(title=title, panels=tuple(panels))


def run_record(*, run: Run) -> RunRecord:
    """The run with its events and files. Raises RunUnfinished."""
    if run.status not in TERMINAL:
        raise RunUnfinished(
            f"The run {run.id} is {run.status}.",
            remedy="Wait until it ends, stop it, or leave its panel out.",
        )
    return RunRecord(
        id=run.imported["run"] if run.imported else str(run.id),
        method=run.method,
        method_version=run.method_version,
        model=run.model,
        revision=run.revision or None,
        params=sorted_keys(run.params),
        status=_ended(run.status),
        error=run.error,
        attempt=run.attempt,
        created_at=run.created_at.isoformat(),
        started_at=time_text(run.started_at),
        finished_at=time_text(run.finished_at),
        events=_events(run),
        files=_artifacts(run.source),
        uploads=_uploads(run),
        environment=run.environment,
        defaults=sorted_keys(_defaults(run)),
        dtype=check_dtype(run.dtype),
    )


def _events(run: Run) -> tuple[EventRecord, ...]:
    rows = RunEvent.objects.filter(run=run.source, attempt=run.attempt).order_by("seq")
    return tuple(EventRecord(row.seq, row.at.isoformat(), row.payload) for row in rows)


def _artifacts(run: Run) -> StoredFiles:
    artifacts = Artifact.objects.filter(runs=run)
    return StoredFiles({artifact.sha256: artifact.storage_name for artifact in artifacts})


def _uploads(run: Run) -> StoredFiles:
    named = [value for value in run.params.values() if is_hash(value)]
    uploads = Upload.objects.filter(owner_id=run.owner_id, sha256__in=named)
    return StoredFiles({upload.sha256: upload.storage_name for upload in uploads})


def _defaults(run: Run) -> dict[str, Any]:
    if run.imported:
        defaults: dict[str, Any] = run.imported["defaults"]
        return defaults
    try:
        fields = method_get(run.method).params_schema.get("properties", {})
    except UnknownMethod:
        return {}
    return {name: field["default"] for name, field in fields.items() if "default" in field}


def sorted_keys(value: dict[str, Any]) -> dict[str, Any]:
    """The value with sorted keys: databases return them in different orders."""
    ordered: dict[str, Any] = json.loads(json.dumps(value, sort_keys=True))
    return ordered


def _ended(status: str) -> Ended:
    assert status in ("done", "failed", "cancelled")
    return status  # type: ignore[return-value]


def time_text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
