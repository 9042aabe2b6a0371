"""Verifying a bundle finds every changed value."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import call_command

from analysis.method import get
from tests.workbench.reports.computed import computed, computed_report
from workbench.reports.archive import archive_read, archive_write
from workbench.reports.bundle import bundle_build
from workbench.reports.comparison import Comparison, Files
from workbench.reports.document import EventRecord, PanelRecord, Report, RunRecord

Verify = Callable[[bytes], tuple[int, str]]


@pytest.fixture
def verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Verify:
    """The command's exit code and what it prints."""

    def run(content: bytes) -> tuple[int, str]:
        file = tmp_path / "report.zip"
        file.write_bytes(content)
        with pytest.raises(SystemExit) as ended:
            call_command("verify", str(file))
        return int(str(ended.value.code)), "".join(capsys.readouterr())

    return run


def with_run(run: RunRecord) -> Report:
    return Report("t", (PanelRecord(run.id, "", run),))


def changed(run: RunRecord, kind: str, change: Callable[[dict[str, Any]], None]) -> RunRecord:
    """The run with its first event of a kind changed, with consistent hashes."""
    events = list(run.events)
    at = next(i for i, event in enumerate(events) if event.value["kind"] == kind)
    value = json.loads(events[at].payload)
    change(value)
    text = json.dumps(value, separators=(",", ":"))
    events[at] = EventRecord(events[at].seq, events[at].at, text)
    return replace(run, events=tuple(events))


def test_what_was_not_changed_is_the_same(verify: Verify) -> None:
    code, printed = verify(bundle_build(computed_report("reagent", "cntp")))
    assert code == 0, printed
    assert "all unchanged" in printed
    assert "Panel 2: CNTP, demo-lm" in printed
    assert re.search(
        r"same       \S+: \d+ values, max \|Δ\| 0, relative 0 \(tolerance 1e-05\)", printed
    )
    assert "environment" not in printed
    assert "Not compared: durations (seconds)" in printed


def test_a_changed_number_is_found_though_every_file_agrees(verify: Verify) -> None:
    def raise_entropy(value: dict[str, Any]) -> None:
        value["entropy"] += 1e-3

    run = changed(computed("cntp"), "step", raise_entropy)
    code, printed = verify(bundle_build(with_run(run)))
    assert code == 1
    assert re.search(r"DIFFERENT  step.entropy: \d+ values", printed)
    assert "altered" not in printed


def test_a_changed_array_is_found_though_every_file_agrees(verify: Verify) -> None:
    run = computed("reagent")
    sha256, ref = next((sha, ref) for sha, ref in run.arrays.items() if ref["data"] is None)
    array = np.frombuffer(run.files[sha256], ref["dtype"]).copy()
    array.flat[-1] += 0.5
    content = array.tobytes()
    other = hashlib.sha256(content).hexdigest()
    events = tuple(replace(e, payload=e.payload.replace(sha256, other)) for e in run.events)
    files = {other if name == sha256 else name: file for name, file in run.files.items()}
    files[other] = content
    code, printed = verify(bundle_build(with_run(replace(run, events=events, files=files))))
    assert code == 1
    assert "DIFFERENT" in printed
    assert "altered" not in printed


@pytest.mark.parametrize(
    ("pattern", "old", "new"),
    [
        (r"panels/.*/tables/step\.csv", b"0.", b"1."),
        (r"report\.md", b"caption", b"Caption"),
        (r"manifest\.json", b"A *caption*", b"A *Caption*"),
        (r"notebook\.ipynb", b"'seed': 0", b"'seed': 1"),
    ],
)
def test_what_contradicts_the_rest_is_found_though_hashes_agree(
    verify: Verify, pattern: str, old: bytes, new: bytes
) -> None:
    files = archive_read(bundle_build(computed_report("cntp")))
    name = next(name for name in files if re.fullmatch(pattern, name))
    assert old in files[name]
    files[name] = files[name].replace(old, new, 1)
    manifest = json.loads(files["manifest.json"])
    for other, entry in manifest["files"].items():
        entry["sha256"] = hashlib.sha256(files[other]).hexdigest()
    text = json.dumps(manifest, indent=1, ensure_ascii=False, sort_keys=True)
    files["manifest.json"] = f"{text}\n".encode()
    code, printed = verify(archive_write(files))
    assert code == 1
    assert "altered" in printed


def test_a_model_that_is_not_here_refuses_its_panel_alone(verify: Verify) -> None:
    away = replace(computed("cntp"), model="demo-away", id=str(computed("cntp").id)[:-1] + "9")
    report = Report("t", (PanelRecord(away.id, "", away), *computed_report("cntp").panels))
    code, printed = verify(bundle_build(report))
    assert code == 1
    assert "refused    There is no model 'demo-away'" in printed
    assert "same       step" in printed


def test_a_method_of_another_version_is_refused(verify: Verify) -> None:
    code, printed = verify(bundle_build(with_run(replace(computed("cntp"), method_version="0"))))
    assert code == 1
    assert f"cntp is of version {get('cntp').version} here; the bundle's is 0" in printed


def test_the_environment_that_differs_is_named(verify: Verify) -> None:
    run = computed("cntp")
    assert run.environment is not None
    other = {**run.environment, "python": "3.99", "threads": 99}
    code, printed = verify(bundle_build(with_run(replace(run, environment=other, revision="f00"))))
    assert code == 0
    assert "environment  python: 3.99, now 3." in printed
    assert "environment  threads: 99, now" in printed
    assert "environment  revision: f00, now" in printed


def test_a_stopped_run_is_compared_as_far_as_it_came(verify: Verify) -> None:
    run = computed("cntp")
    stopped = replace(run, status="cancelled", events=run.events[:6])
    assert verify(bundle_build(with_run(stopped)))[0] == 0
    shortened = replace(run, events=run.events[:6])
    code, printed = verify(bundle_build(with_run(shortened)))
    assert (code, "is more than was recorded" in printed) == (1, True)


def test_a_run_that_failed_fails_again(verify: Verify) -> None:
    run = computed("cntp")
    prompt = {**run.params, "prompt": "word " * 5000}
    error = {"code": "prompt_too_long", "message": "m", "remedy": "r", "field": None}
    failed = replace(run, status="failed", error=error, params=prompt, events=run.events[:2])
    assert verify(bundle_build(with_run(failed)))[0] == 0
    other = replace(failed, error={**error, "code": "out_of_memory"})
    code, printed = verify(bundle_build(with_run(other)))
    assert (code, "refused" in printed) == (1, True)


@pytest.mark.parametrize("content", [b"", b"no zip", archive_write({"a": b"b"})])
def test_what_is_no_bundle_cannot_be_read(verify: Verify, content: bytes) -> None:
    code, printed = verify(content)
    assert code == 2
    assert printed.startswith("bundle_")


def test_a_file_that_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        call_command("verify", str(tmp_path / "away.zip"))
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("dtype", "apart", "same"),
    [
        ("float32", 9e-6, True),
        ("float32", 2e-5, False),
        ("bfloat16", 9e-3, True),
        ("bfloat16", 2e-2, False),
        ("float64", 9e-11, True),
        ("float64", 2e-10, False),
    ],
)
def test_numbers_are_compared_as_finely_as_they_were_computed(
    dtype: str,
    apart: float,
    same: bool,  # noqa: FBT001
) -> None:
    comparison = Comparison(dtype)
    comparison.event({"kind": "a", "x": 1.0}, {"kind": "a", "x": 1.0 + apart}, Files({}))
    assert comparison.same is same
    assert comparison.names["a.x"].max_abs == pytest.approx(apart, rel=1e-4)


@pytest.mark.parametrize(
    ("was", "now"),
    [(1, 2), ("a", "b"), (None, 0.0), (1, 1.0), ([1], [1, 1]), ({"a": 1}, {"b": 1}), (True, 1)],
)
def test_whole_numbers_texts_and_shapes_must_be_equal(was: Any, now: Any) -> None:
    comparison = Comparison("bfloat16")
    comparison.event({"kind": "a", "x": was}, {"kind": "a", "x": now}, Files({}))
    assert not comparison.same


def test_how_long_it_took_is_not_compared() -> None:
    comparison = Comparison("float32")
    was = {"kind": "a", "seconds": 1.0, "model_seconds": 1.0, "cost": {"rows": 1}, "x": 1}
    comparison.event(was, {**was, "seconds": 9.0, "model_seconds": 9.0, "cost": {}}, Files({}))
    assert comparison.same
    assert list(comparison.names) == ["a.kind", "a.x"]
