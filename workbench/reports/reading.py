"""Reads a bundle into a report. Everything is checked; nothing is executed or stored.

The bundle is untrusted: sizes are checked before content is parsed, each reference must lead to an
existing file of the right kind, and events of a known method must match its schema.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings
from pydantic import ValidationError

from analysis.errors import shortened
from analysis.events import ArrayRef
from analysis.images.event import PictureRef
from workbench.body import MAX_DEPTH, check_value, check_value_count
from workbench.reports.archive import MAX_BYTES, archive_read
from workbench.reports.arrays import arrays_read
from workbench.reports.bundle import ARRAYS, COMMENTS, EVENTS, MANIFEST
from workbench.reports.comments import threads_read
from workbench.reports.document import (
    ARRAY_KEYS,
    PICTURE_KEYS,
    EventRecord,
    PanelRecord,
    Report,
    RunRecord,
    ThreadRecord,
    is_hash,
    references,
)
from workbench.reports.errors import BundleRefused, BundleUnreadable
from workbench.reports.event_schema import EventSchema
from workbench.reports.manifest import Manifest, PanelPart, RunPart
from workbench.reports.pictures import check_png

MAX_EVENTS = 100_000
MAX_JSON_BYTES = 8 * 2**20  # of manifest.json and comments.json, each parsed as a whole
MAX_JSON_VALUES = 200_000
MAX_DIMENSIONS = 8
MAX_INTEGER = 2**63
SHA = "[0-9a-f]{64}"
NAMES = re.compile(
    rf"manifest\.json|report\.md|notebook\.ipynb|comments\.(json|csv)|uploads/{SHA}\.png"
    rf"|(panels/\d{{2,3}}-[a-z0-9_]{{1,64}})/(events\.jsonl|arrays\.npz|pictures/{SHA}\.png"
    r"|tables/[\w.-]+\.csv|figures/[\w.-]+\.(svg|png|csv))"
)
LINE = re.compile(
    r'\{"seq":([1-9]\d{0,8}),"at":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?\+00:00)",'
    r'"event":(\{.*\})\}'
)


@dataclass(frozen=True)
class Bundle:
    """`altered` lists in words what was changed after the export."""

    manifest: Manifest
    report: Report
    files: dict[str, bytes]
    altered: tuple[str, ...]


def file_content(path: Path) -> bytes:
    """The bytes of a bundle's file. Raises BundleUnreadable."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleUnreadable(
            f"{path} cannot be read: {error.strerror}.", remedy="Name a bundle."
        ) from None


def bundle_read(content: bytes) -> Bundle:
    """The bundle. Raises BundleUnreadable, BundleRefused, InvalidBody, InvalidText."""
    files = archive_read(content)
    reader = _Reader(files, _manifest(files))
    report = reader.report()
    return Bundle(reader.manifest, report, files, tuple(reader.altered))


def refuse_altered(bundle: Bundle) -> None:
    """Raises BundleRefused if a file differs from the manifest."""
    if bundle.altered:
        more = f", and {len(bundle.altered) - 1} more" if len(bundle.altered) > 1 else ""
        raise BundleRefused(
            f"The bundle was changed after it was made: {bundle.altered[0]}{more}.",
            remedy="Ask for the file as it was exported.",
        )


def _manifest(files: Mapping[str, bytes]) -> Manifest:
    if MANIFEST not in files:
        raise _refuse("it has no manifest.json")
    check_value(_read_file(files[MANIFEST], MANIFEST), where="")
    try:
        return Manifest.model_validate_json(files[MANIFEST])
    except ValidationError as error:
        raise _misshapen(MANIFEST, error) from None


@dataclass
class _Reader:
    files: dict[str, bytes]
    manifest: Manifest
    altered: list[str] = field(default_factory=list)
    events: int = 0

    def report(self) -> Report:
        self._check_files()
        panels = tuple(map(self._panel, self.manifest.panels))
        if len({panel.id for panel in panels}) < len(panels):
            raise _refuse("two of its panels have one id")
        session = self.manifest.session
        return Report(
            title=self.manifest.title,
            panels=panels,
            threads=self._threads({panel.id for panel in panels}),
            id=session.id if session else None,
            owner=session.owner if session else "",
            created_at=session.created_at if session else None,
        )

    def _check_files(self) -> None:
        listed, here = self.manifest.files, self.files.keys() - {MANIFEST}
        folders = {panel.folder for panel in self.manifest.panels if panel.run}
        for name in sorted(here):
            match = NAMES.fullmatch(name)
            if match is None or (match[2] and match[2] not in folders):
                raise _refuse(f"it holds {name}, which is no part of a bundle")
        for name in sorted(here | listed.keys()):
            if name not in listed:
                self.altered.append(f"{name} is not in the manifest")
            elif name not in here:
                self.altered.append(f"{name} is missing")
            elif _sha256(self.files[name]) != listed[name].sha256:
                self.altered.append(f"{name} has another hash")

    def _panel(self, panel: PanelPart) -> PanelRecord:
        return PanelRecord(
            id=panel.id,
            text=panel.text,
            run=self._run(panel.folder, panel.run) if panel.run else None,
            state=panel.state,
            span=panel.span,
            height=panel.height,
        )

    def _run(self, folder: str, run: RunPart) -> RunRecord:
        files: dict[str, bytes] = {}
        record = RunRecord(
            id=run.id,
            method=run.method,
            method_version=run.method_version,
            model=run.model,
            revision=run.revision,
            params=run.params,
            status=run.status,
            error=run.error.model_dump() if run.error else None,
            attempt=run.attempt,
            created_at=run.created_at,
            started_at=run.started_at,
            finished_at=run.finished_at,
            events=self._events(f"{folder}/{EVENTS}", run),
            files=files,
            uploads=self._uploads(run),
            environment=run.environment,
            defaults=run.defaults,
            dtype=run.dtype,
        )
        files.update(self._arrays(folder, record))
        files.update(self._pictures(folder, record))
        return record

    def _events(self, name: str, run: RunPart) -> tuple[EventRecord, ...]:
        text = _text(self._file(name), name)
        if text and not text.endswith("\n"):
            raise _refuse(f"{name} ends within a line")
        lines = text.split("\n")[:-1]
        self.events += len(lines)
        if self.events > MAX_EVENTS:
            raise _refuse(f"it holds {self.events} events; the limit is {MAX_EVENTS}")
        schema = EventSchema.of(run.method, run.method_version)
        return tuple(
            _event(line, seq, f"{name}, line {seq}", schema) for seq, line in enumerate(lines, 1)
        )

    def _arrays(self, folder: str, run: RunRecord) -> Iterator[tuple[str, bytes]]:
        """The arrays that are not inside events; those inside must equal their files."""
        name = f"{folder}/{ARRAYS}"
        arrays = arrays_read(self._file(name), run.arrays) if run.arrays else {}
        for sha256, content in arrays.items():
            ref = run.arrays[sha256]
            if ref["data"] is None:
                yield sha256, content
            if _sha256(content) != sha256 or (ref["data"] and run.content(ref) != content):
                self.altered.append(f"array {sha256[:12]} of {folder} has other numbers")

    def _pictures(self, folder: str, run: RunRecord) -> Iterator[tuple[str, bytes]]:
        for sha256, ref in run.pictures.items():
            name = f"{folder}/pictures/{sha256}.png"
            content = self._file(name)
            check_png(content, name, size=(ref["width"], ref["height"]))
            if ref["data"] is None:
                yield sha256, content
            if _sha256(content) != sha256 or (ref["data"] and run.content(ref) != content):
                self.altered.append(f"picture {sha256[:12]} of {folder} has other pixels")

    def _uploads(self, run: RunPart) -> dict[str, bytes]:
        uploads = {}
        for sha256 in filter(is_hash, run.params.values()):
            name = f"uploads/{sha256}.png"
            if name in self.files:
                uploads[sha256] = self.files[name]
                check_png(uploads[sha256], name)
                if _sha256(uploads[sha256]) != sha256:
                    self.altered.append(f"{name} has other pixels")
        return uploads

    def _threads(self, panels: set[str]) -> tuple[ThreadRecord, ...]:
        if COMMENTS not in self.files:
            return ()
        content = self.files[COMMENTS]
        check_value(_read_file(content, COMMENTS), where=COMMENTS)
        return threads_read(content, panels=panels)

    def _file(self, name: str) -> bytes:
        if name not in self.files:
            raise _refuse(f"{name} is missing")
        return self.files[name]


def _read_file(content: bytes, name: str) -> Any:
    """The JSON of a file. Raises BundleRefused, InvalidBody."""
    if len(content) > MAX_JSON_BYTES:
        raise _refuse(f"{name} has {len(content)} bytes; the limit is {MAX_JSON_BYTES}")
    check_value_count(_text(content, name), limit=MAX_JSON_VALUES)
    return read_json(content, name)


def read_json(content: bytes | str, name: str) -> Any:
    """JSON with finite numbers and limited depth. Raises BundleRefused, BundleUnreadable."""
    text = _text(content, name) if isinstance(content, bytes) else content
    try:
        value = json.loads(text, parse_constant=_not_json)
    except (ValueError, RecursionError) as error:
        raise _refuse(f"{name} is no JSON: {shortened(str(error), 100)}") from None
    _check_json(value, name)
    return value


def _check_json(value: Any, name: str, depth: int = 0) -> None:
    if depth > MAX_DEPTH:
        raise _refuse(f"{name} is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            _check_json(part, name, depth + 1)
    elif isinstance(value, int | float):
        small = math.isfinite(value) and (isinstance(value, float) or abs(value) < MAX_INTEGER)
        if not small:
            raise _refuse(f"{name} holds a number that is not finite or too large")


def _event(line: str, seq: int, name: str, schema: EventSchema | None) -> EventRecord:
    match = LINE.fullmatch(line)
    if match is None or int(match[1]) != seq:
        raise _refuse(f"{name} is no event, or not the next one")
    payload = match[3]
    if len(payload) > settings.MAX_EVENT_BYTES:
        raise _refuse(
            f"{name} takes {len(payload)} characters; the limit is {settings.MAX_EVENT_BYTES}"
        )
    value = read_json(payload, name)
    if not isinstance(value.get("kind"), str):
        raise _refuse(f"{name} has no kind")
    if schema:
        schema.check(value, name)
    _check_references(value, name)
    return EventRecord(seq, match[2], payload)


def _check_references(value: dict[str, Any], name: str) -> None:
    """Check the references to arrays and pictures. Raises BundleRefused."""
    try:
        for ref in references(value, ARRAY_KEYS):
            _check_array(ArrayRef.model_validate(ref, strict=True), name)
        for ref in references(value, PICTURE_KEYS):
            picture = PictureRef.model_validate(ref, strict=True)
            if not is_hash(picture.sha256):
                raise _refuse(f"{name} holds a picture without a hash")
    except ValidationError as error:
        raise _misshapen(name, error) from None


def _check_array(ref: ArrayRef, name: str) -> None:
    sizes = len(ref.shape) <= MAX_DIMENSIONS and all(0 <= size <= MAX_BYTES for size in ref.shape)
    if not is_hash(ref.sha256) or not sizes or math.prod(ref.shape) > MAX_BYTES:
        raise _refuse(f"{name} holds an array of shape {str(ref.shape)[:100]}")


def _text(content: bytes, name: str) -> str:
    try:
        return content.decode()
    except ValueError:
        raise _refuse(f"{name} is not UTF-8") from None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _not_json(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _misshapen(name: str, error: ValidationError) -> BundleRefused:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    return _refuse(f"{name}: {where[:200]}: {first['msg'][:200]}")


def _refuse(why: str) -> BundleRefused:
    return BundleRefused(f"The bundle is refused: {why}.", remedy="Export it again.")
