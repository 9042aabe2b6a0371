"""Runs of real methods on the bundled model, as a worker would have stored them."""

import json
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

import analysis
from analysis.environment import environment
from analysis.events import ArrayRef, array_bytes, content_ref, inline_ref
from analysis.images.event import PictureRef, picture_ref, png_bytes
from analysis.method import Method, get
from workbench.catalog.selectors import catalog
from workbench.reports.document import EventRecord, PanelRecord, Report, RunRecord

MODEL = "demo-lm"
PARAMS: dict[str, dict[str, Any]] = {
    "reagent": {"prompt": "Tom has the ball.", "max_new_tokens": 2, "probes": 32, "draws": 1},
    "cntp": {"prompt": "Tom has the ball.", "max_new_tokens": 6, "max_trials": 3},
}
START = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
INLINE = 100  # bytes of an array that travels inside its event


@cache
def computed(method: str) -> RunRecord:
    """A finished run of the method with the params above."""
    return record(method, MODEL, PARAMS[method])


def record(method: str, model: str, given: dict[str, Any]) -> RunRecord:
    """A finished run of the method."""
    found = get(method)
    params = _sorted(found.check(given).model_dump(mode="json"))
    files: dict[str, bytes] = {}

    def keep(array: Any) -> ArrayRef:
        if array.nbytes <= INLINE:
            return inline_ref(array)
        ref = content_ref(array)
        files[ref.sha256] = array_bytes(array)
        return ref

    def keep_picture(picture: Any) -> PictureRef:
        content = png_bytes(picture)
        ref = picture_ref(picture, content)
        files[ref.sha256] = content
        return ref

    context = {"store": keep, "picture_store": keep_picture}
    events = analysis.run(method, model=model, params=params, catalog=catalog())
    values: list[dict[str, Any]] = [
        {"kind": "status", "status": "running", "error": None},
        *(event.model_dump(mode="json", context=context) for event in events),
        {"kind": "status", "status": "done", "error": None},
    ]
    at = START.isoformat()
    return RunRecord(
        id=str(UUID(int=len(method))),
        method=method,
        method_version=found.version,
        model=model,
        revision=catalog().find(model).revision,
        params=params,
        status="done",
        error=None,
        attempt=1,
        created_at=at,
        started_at=at,
        finished_at=START.replace(second=9).isoformat(),
        events=tuple(
            EventRecord(seq, at, json.dumps(value, separators=(",", ":")))
            for seq, value in enumerate(values, 1)
        ),
        files=files,
        environment=environment(catalog().find(model).path),
        defaults=_defaults(found),
    )


def _defaults(found: Method) -> dict[str, Any]:
    fields = found.params.model_json_schema()["properties"]
    return _sorted({name: field["default"] for name, field in fields.items() if "default" in field})


def _sorted(value: dict[str, Any]) -> dict[str, Any]:
    ordered: dict[str, Any] = json.loads(json.dumps(value, sort_keys=True))
    return ordered


def computed_report(*methods: str) -> Report:
    panels = (
        PanelRecord(computed(method).id, "A *caption*.", computed(method)) for method in methods
    )
    return Report("Computed", tuple(panels))
