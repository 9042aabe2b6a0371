"""A report of runs is complete and unchanged, and refused while a run is active."""

import json
from collections.abc import Callable

import numpy as np
import pytest

from analysis.images.event import png_bytes
from tests.workbench.reports.conftest import look
from workbench.catalog.checks import show_number
from workbench.reports.document import EventRecord, PanelRecord, Report, RunRecord, references
from workbench.reports.errors import RunUnfinished
from workbench.reports.markdown import markdown_build
from workbench.reports.provenance import provenance, warning
from workbench.reports.selectors import run_record, run_report
from workbench.reports.text import quoted
from workbench.runs.models import Run, RunEvent

pytestmark = pytest.mark.django_db
Make = Callable[..., Run]


def test_a_record_holds_each_event_as_it_was_stored(finished_run: Make) -> None:
    run = finished_run()
    stored = list(RunEvent.objects.filter(run=run).order_by("seq"))
    record = run_record(run=run)
    assert [event.payload for event in record.events] == [row.payload for row in stored]
    assert [event.seq for event in record.events] == [1, 2, 3, 4]
    assert record.status == "done"
    assert record.info is not None
    assert record.info["dtype"] == "float32"


def test_arrays_and_pictures_are_found_wherever_they_travel(finished_run: Make) -> None:
    seen = look()
    record = run_record(run=finished_run(seen))
    small, large = record.arrays.values()
    assert (small["data"] is None, large["data"] is None) == (False, True)
    np.testing.assert_array_equal(
        np.frombuffer(record.content(large), "<f4").reshape(large["shape"]), seen.large
    )
    assert record.content(small) == seen.small.tobytes()
    (picture,) = record.pictures.values()
    assert record.content(picture) == png_bytes(seen.picture)


def test_a_run_that_goes_on_is_refused(make_run: Make) -> None:
    with pytest.raises(RunUnfinished, match="queued"):
        run_report(runs=[make_run()], title="Too early")


def test_a_copy_of_a_run_has_the_events_of_its_source(finished_run: Make, make_run: Make) -> None:
    source = finished_run()
    copy = make_run(params=source.params)
    Run.objects.filter(pk=copy.pk).update(cached_from=source, status="done", attempt=1)
    copy.refresh_from_db()
    first, second = run_record(run=source), run_record(run=copy)
    assert (first.events, dict(first.files)) == (second.events, dict(second.files))
    assert first.id != second.id


def test_references_are_recognised_by_their_keys() -> None:
    array = {"dtype": "uint8", "shape": [1], "sha256": "ab", "data": None}
    value = {"rows": [{"shape": [1], "sha256": "no"}, {"deep": [array]}]}
    assert list(references(value, frozenset(array))) == [array]


def test_the_line_says_what_the_page_says(finished_run: Make) -> None:
    run = finished_run(params={"prompt": "Tom has the ball, Anna has the other.", "seed": 7})
    record = run_record(run=run)
    line = provenance(record)
    assert run.finished_at is not None
    assert line == " · ".join(
        [
            "toy@" + run.revision[:8],
            "float32",
            f"reagent v{run.method_version}",
            "seed 7",
            run.finished_at.strftime("%Y-%m-%d %H:%M"),
            "self-check passed (max |Δ logit| 2.5e−7)",
        ]
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0"), (-0.25, "−0.250"), (0.0004, "4.0e−4"), (1234.5, "1,234"), (1e-10, "1.0e−10")],
)
def test_numbers_are_written_as_on_the_page(value: float, shown: str) -> None:
    assert show_number(value) == shown


def test_the_line_says_what_was_done_of_what_the_checkpoint_asks(finished_run: Make) -> None:
    record = run_record(run=finished_run())
    model = next(event for event in record.events if event.value["kind"] == "model")
    brings = {"generation": {"repetition_penalty": 1.05, "num_beams": 4}}
    model.value["info"]["brings"] = brings
    assert "generation_config asks: repetition_penalty 1.05, num_beams 4 ·" in provenance(record)
    brings |= {"applied": {"repetition_penalty": 1.05}, "not_applied": {"num_beams": 4}}
    line = "generation_config applied: repetition_penalty 1.05; not applied: num_beams 4 ·"
    assert line in provenance(record)
    brings |= {"applied": {}, "not_applied": {}}
    assert "generation_config" not in provenance(record)


def test_the_line_of_a_decoding_run_is_that_of_its_own_decoder(finished_run: Make) -> None:
    record = run_record(run=finished_run())
    model = next(event for event in record.events if event.value["kind"] == "model")
    model.value["info"]["brings"] = {"generation": {"top_p": 0.8, "num_beams": 4}}
    start = {"kind": "trace_start", "applied": {}, "not_applied": {"num_beams": 4}}
    values = [{**start, "main": True}, {**start, "main": False, "applied": {"top_p": 0.8}}]
    events = (*record.events, *(EventRecord(0, "", json.dumps(value)) for value in values))
    line = provenance(RunRecord(**{**vars_of(record), "events": events}))
    assert "generation_config not applied: num_beams 4 ·" in line


def test_a_run_without_a_model_says_so(finished_run: Make) -> None:
    record = run_record(run=finished_run())
    bare = RunRecord(**{**vars_of(record), "events": ()})
    assert provenance(bare).endswith("self-check: not run")


def test_a_chosen_dtype_and_the_attention_are_told(finished_run: Make) -> None:
    record = run_record(run=finished_run())
    model = next(event for event in record.events if event.value["kind"] == "model")
    model.value["info"] |= {"attention": "sdpa", "attention_reason": ""}
    dtype = model.value["info"]["dtype"]
    assert f" · {dtype} · SDPA attention · " in provenance(record)
    chosen = RunRecord(**{**vars_of(record), "dtype": "bfloat16"})
    model.value["info"] |= {"attention": "eager", "attention_reason": "SDPA differs by 1e-02"}
    line = f" · {dtype} (chosen) · eager attention (SDPA differs by 1e-02) · "
    assert line in provenance(chosen)
    before = RunRecord(**{**vars_of(chosen), "events": ()})
    assert " · bfloat16 (chosen) · " in provenance(before)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"max_abs_difference": 0.5, "tolerance": 0.1},
            "largest difference 0.500, tolerance 0.100.",
        ),
        ({"max_abs_difference": 0.0, "message": "No hooks."}, "No hooks."),
        ({"max_abs_difference": 0.0, "message": ""}, "some numbers are not finite."),
    ],
)
def test_a_failed_self_check_warns_in_the_report(
    finished_run: Make, changes: dict[str, object], told: str
) -> None:
    record = run_record(run=finished_run())
    assert warning(record) == ""
    model = next(event for event in record.events if event.value["kind"] == "model")
    model.value["info"]["self_check"] |= {"passed": False, **changes}
    text = f"The self-check of {record.model} failed: {told} The numbers may be wrong."
    assert warning(record) == text
    written = markdown_build(Report("A report", (PanelRecord("p", run=record),)))
    assert written.index(f"**{quoted(text)}**") < written.index("self-check FAILED")


def vars_of(record: RunRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}
