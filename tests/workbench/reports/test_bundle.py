"""A bundle is complete, reproducible, and read back as the report that it was built from."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from analysis.images.event import png_bytes
from tests.workbench.reports.conftest import look
from workbench.catalog.methods import method_get
from workbench.reports.archive import archive_read, archive_write
from workbench.reports.bundle import bundle_build
from workbench.reports.document import CommentRecord, PanelRecord, Report, ThreadRecord
from workbench.reports.errors import BundleRefused, ReportTooLarge
from workbench.reports.reading import bundle_read, refuse_altered
from workbench.reports.selectors import run_record
from workbench.runs.models import Run, Status

pytestmark = pytest.mark.django_db
Make = Callable[..., Run]
PANEL = "00000000-0000-4000-8000-00000000000{}"
HOSTILE = "=cmd|' /C calc'!A0 <script>alert(1)</script> \u202e"


@pytest.fixture
def report(finished_run: Make) -> Report:
    """Two runs and a note, with hostile texts wherever somebody writes."""
    # The events are of no real method: a version that is not known here takes them as they are.
    first = replace(run_record(run=finished_run()), method_version="0")
    run = finished_run(look(1, (HOSTILE, "\ud800", "\0")), method="cntp")
    second = replace(run_record(run=run), method_version="0")
    comment = CommentRecord(PANEL.format(8), HOSTILE, HOSTILE, first.created_at)
    thread = ThreadRecord(
        PANEL.format(9), PANEL.format(1), {"type": "panel"}, (comment,), first.created_at
    )
    panels = (
        PanelRecord(PANEL.format(1), HOSTILE, first, {"layer": "2"}, 6, 300.5),
        PanelRecord(PANEL.format(2), f"# Note\n\n{HOSTILE}"),
        PanelRecord(PANEL.format(3), "", second),
    )
    return Report(HOSTILE, panels, (thread,), PANEL.format(7), "anna", first.created_at)


def test_equal_reports_give_equal_bytes(report: Report) -> None:
    assert bundle_build(report) == bundle_build(report)


def test_a_bundle_is_read_back_as_its_report(report: Report) -> None:
    content = bundle_build(report)
    bundle = bundle_read(content)
    refuse_altered(bundle)
    assert bundle_build(bundle.report) == content
    assert bundle.report.panels[0].run is not None
    assert report.panels[0].run is not None
    assert bundle.report.panels[0].run.events == report.panels[0].run.events
    assert replace(bundle.report, panels=()) == replace(report, panels=())


def test_a_dtype_is_in_the_bundle_where_it_was_chosen(report: Report) -> None:
    [first, *others] = report.panels
    assert first.run is not None
    chosen = replace(first, run=replace(first.run, dtype="bfloat16"))
    told = replace(report, panels=(chosen, *others))
    read = bundle_read(bundle_build(told)).report
    assert [run.dtype for run in read.runs] == ["bfloat16", "auto"]
    assert bundle_build(read) == bundle_build(told)
    manifest = json.loads(archive_read(bundle_build(told))["manifest.json"])
    runs = [panel["run"] for panel in manifest["panels"] if panel["run"]]
    assert [run.get("dtype") for run in runs] == ["bfloat16", None]  # as before there was one


def test_the_manifest_names_every_file_and_its_hash(report: Report) -> None:
    files = archive_read(bundle_build(report))
    manifest = json.loads(files.pop("manifest.json"))
    assert manifest["files"].keys() == files.keys()
    for name, content in files.items():
        assert manifest["files"][name]["sha256"] == hashlib.sha256(content).hexdigest()
    run = manifest["panels"][0]["run"]
    assert run["self_check"]["passed"] is True
    assert run["provenance"].startswith("toy@")


def test_arrays_are_read_by_numpy_and_pictures_are_files(report: Report) -> None:
    files = archive_read(bundle_build(report))
    arrays = np.load(io.BytesIO(files["panels/01-reagent/arrays.npz"]), allow_pickle=False)
    seen = look()
    assert any(np.array_equal(arrays[name], seen.large) for name in arrays.files)
    assert any(np.array_equal(arrays[name], seen.small) for name in arrays.files)
    picture = png_bytes(seen.picture)
    name = f"panels/01-reagent/pictures/{hashlib.sha256(picture).hexdigest()}.png"
    assert files[name] == picture


def test_each_table_ends_with_its_provenance(report: Report) -> None:
    files = archive_read(bundle_build(report))
    table = files["panels/03-cntp/tables/look.rows.csv"].decode()
    assert table.splitlines()[0] == "event,item,token,score"
    assert table.splitlines()[1].startswith("3,0,'=cmd|")
    assert table.splitlines()[-1].startswith("# toy@")


def test_nothing_hostile_acts_in_what_people_open(report: Report) -> None:
    files = archive_read(bundle_build(report))
    assert b"<script" not in files["report.md"]
    assert b"<script" not in b"".join(_markdown_cells(files["notebook.ipynb"]))
    comments = files["comments.csv"].decode()
    assert ",'=cmd|" in comments
    assert ",=cmd|" not in comments


def test_a_megabyte_on_one_line_is_held_whole_and_shown_cut(report: Report) -> None:
    run = report.panels[0].run
    assert run is not None
    long = replace(report.panels[0], run=replace(run, params={"prompt": "x" * 1_000_000}))
    files = archive_read(bundle_build(replace(report, panels=(long,), threads=())))
    assert max(map(len, files["report.md"].splitlines())) < 2_000
    assert b"1,000,000 characters" in files["report.md"]
    assert b"x" * 1_000_000 in files["manifest.json"]


def test_a_failed_run_says_why(finished_run: Make) -> None:
    run = run_record(run=finished_run(status=Status.FAILED))
    error = {"code": "out_of_memory", "message": "Too much.", "remedy": "Less.", "field": None}
    report = Report("t", (PanelRecord(run.id, "", replace(run, error=error, method_version="0")),))
    content = bundle_build(report)
    assert b"**failed**: Too much" in archive_read(content)["report.md"]
    assert bundle_build(bundle_read(content).report) == content


def test_a_text_beyond_the_format_is_refused_by_name(report: Report) -> None:
    with pytest.raises(ReportTooLarge, match="title"):
        bundle_build(replace(report, title="x" * 201))


Change = Callable[[dict[str, bytes]], None]


def change(content: bytes, how: Change, *, hashed: bool) -> bytes:
    """The bundle with files changed, and the manifest made to agree."""
    files = archive_read(content)
    how(files)
    if hashed:
        manifest = json.loads(files["manifest.json"])
        manifest["files"] = {
            name: {"sha256": hashlib.sha256(file).hexdigest(), "bytes": len(file)}
            for name, file in files.items()
            if name != "manifest.json"
        }
        files["manifest.json"] = json.dumps(manifest).encode()
    return archive_write(files)


def _swap(name: str, old: bytes, new: bytes) -> Change:
    def swap(files: dict[str, bytes]) -> None:
        assert old in files[name]
        files[name] = files[name].replace(old, new, 1)

    return swap


def _drop(name: str) -> Change:
    return lambda files: files.__delitem__(name)


def _add(name: str) -> Change:
    return lambda files: files.__setitem__(name, b"{}")


@pytest.mark.parametrize(
    "how",
    [
        _swap("panels/01-reagent/events.jsonl", b'"number":0.', b'"number":1.'),
        _swap("report.md", b"toy", b"tea"),
        _swap("panels/01-reagent/tables/look.rows.csv", b"Tom", b"Tim"),
        _swap("comments.json", b"calc", b"cult"),
        _drop("notebook.ipynb"),
        _add("panels/01-reagent/tables/more.csv"),
    ],
)
def test_whatever_is_changed_is_found_by_its_hash(report: Report, how: Change) -> None:
    bundle = bundle_read(change(bundle_build(report), how, hashed=False))
    with pytest.raises(BundleRefused, match="changed after it was made"):
        refuse_altered(bundle)


@pytest.mark.parametrize(
    "how",
    [
        _add("evil.py"),
        _add("panels/09-cntp/events.jsonl"),
        _drop("panels/01-reagent/events.jsonl"),
        _drop("panels/01-reagent/arrays.npz"),
        _swap("panels/01-reagent/events.jsonl", b'{"seq":2', b'{"seq":3'),
        _swap("panels/01-reagent/events.jsonl", b'"shape":[2,3]', b'"shape":[3,3]'),
        _swap("panels/01-reagent/events.jsonl", b'"shape":[2,3]', b'"shape":[9999999999,3]'),
        _swap("panels/01-reagent/events.jsonl", b'"shape":[2,3]', b'"shape":[-2,-3]'),
        _swap("panels/01-reagent/events.jsonl", b'"number":0.', b'"number":1e999,"x":0.'),
        _swap("panels/01-reagent/events.jsonl", b'"number":0.', b'"n":NaN,"x":0.'),
        _swap("panels/01-reagent/events.jsonl", b'"number":0.', b'"n":' + b"[" * 99 + b'],"x":0.'),
        _swap("panels/01-reagent/events.jsonl", b'"float64"', b'"object"'),
        _swap("manifest.json", b'"format_version": 1', b'"format_version": 2'),
        _swap("manifest.json", b'"method": "reagent"', b'"method": "../reagent"'),
        _swap("manifest.json", b'"title": "', b'"title": "\\u0000'),
        _swap("comments.json", b'"panel": "0', b'"panel": "1'),
        _swap("comments.json", b'"type": "panel"', b'"type": "pixel"'),
    ],
)
def test_what_is_no_bundle_is_refused(report: Report, how: Change) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 (each has its own typed error)
        refuse_altered(bundle_read(change(bundle_build(report), how, hashed=True)))
    assert getattr(caught.value, "remedy", None)


@pytest.mark.parametrize("what", ["arrays.npz", "pictures"])
def test_an_array_or_picture_that_was_changed_is_found_though_hashes_agree(
    report: Report, what: str
) -> None:
    def spoil(files: dict[str, bytes]) -> None:
        name = next(name for name in files if name.startswith("panels/01") and what in name)
        if what == "pictures":
            picture = look().picture.copy()
            picture[0, 0, 0] ^= 1
            files[name] = png_bytes(picture)
            return
        with zipfile.ZipFile(io.BytesIO(files[name])) as arrays:
            found = {entry: arrays.read(entry) for entry in arrays.namelist()}
        entry = next(iter(found))
        found[entry] = found[entry][:-1] + bytes([found[entry][-1] ^ 1])
        files[name] = archive_write(found, packed=False)

    bundle = bundle_read(change(bundle_build(report), spoil, hashed=True))
    with pytest.raises(BundleRefused, match=r"other (numbers|pixels)"):
        refuse_altered(bundle)


def test_events_of_a_known_method_must_be_as_its_schema_says(report: Report) -> None:
    run = report.panels[0].run
    assert run is not None
    known = replace(run, method_version=method_get("reagent").version)
    with pytest.raises(BundleRefused, match="'look', which reagent does not yield"):
        bundle_read(bundle_build(Report("t", (PanelRecord(PANEL.format(1), "", known),))))


def _markdown_cells(notebook: bytes) -> list[bytes]:
    cells: list[dict[str, Any]] = json.loads(notebook)["cells"]
    return ["".join(c["source"]).encode() for c in cells if c["cell_type"] == "markdown"]
