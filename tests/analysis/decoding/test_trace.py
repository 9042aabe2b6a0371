"""Trace files: they come back as they were written, and what contradicts itself is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

import analysis
from analysis.catalog.entries import Catalog
from analysis.decoding import trace as traces
from analysis.decoding.trace import InvalidTrace
from analysis.decoding.trace_text import lines
from analysis.events import Event
from analysis.findings import Recorded, findings

ROOT = Path(__file__).resolve().parents[3]
RUN = {"prompt": "Anna has the ball.", "max_new_tokens": 12, "trial_cap": 6, "samples": 3}


@pytest.fixture(scope="module")
def events(catalog: Catalog) -> list[Event]:
    """All decoders that write from left to right."""
    return list(analysis.run("cntp", model="tiny-llama", params=RUN, catalog=catalog))


@pytest.fixture(scope="module")
def canvas(catalog: Catalog) -> list[Event]:
    """All decoders that fill a canvas."""
    params = {"prompt": "Anna has the ball.", "canvas_length": 16, "block": 8, "kappa": 0.1}
    params |= {"tau": 0.05}
    return list(analysis.run("local_leap", model="tiny-bert", params=params, catalog=catalog))


@pytest.fixture(params=["events", "canvas"])
def written(request: pytest.FixtureRequest) -> str:
    return traces.dump(request.getfixturevalue(request.param))


def test_a_file_comes_back_as_it_was_written(written: str) -> None:
    file = traces.load(written)
    assert len(file.traces) == 7
    assert traces.dump(file.events()) == written
    assert all(trace.end is not None for trace in file.traces.values())


def test_the_lines_of_a_run_are_read_as_well(events: list[Event]) -> None:
    dumped = "\n".join(json.dumps(event.model_dump(mode="json")) for event in events)
    assert traces.dump(traces.load(dumped).events()) == traces.dump(events)


def test_texts_join_to_the_whole(events: list[Event], catalog: Catalog) -> None:
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(catalog.find("tiny-llama").path)
    file = traces.load(traces.dump(events))
    assert file.prompt_text == tokenizer.decode(file.prompt_ids)
    for trace in file.traces.values():
        assert trace.text == tokenizer.decode(trace.ids)


def test_a_stopped_run_is_read(events: list[Event]) -> None:
    for cut in range(1, len(events), 7):
        file = traces.load(traces.dump(events[:cut]))
        assert sum(trace.end is None for trace in file.traces.values()) <= 1
        assert list(lines(file))


def test_the_report_says_what_happened(written: str) -> None:
    said = "\n".join(lines(traces.load(written)))
    assert "Anna has the ball." in said
    assert "forward passes" in said


def test_the_report_holds_the_proposal(canvas: list[Event]) -> None:
    file = traces.load(traces.dump(canvas))
    (delays,) = [trace.delays for trace in file.traces.values() if trace.delays is not None]
    assert delays.proposal is not None
    assert "Too few cases to propose τ and W" in delays.proposal.sentence
    assert delays.proposal.sentence in "\n".join(lines(file))
    run = Recorded(tuple(event.model_dump(mode="json") for event in canvas), lambda _: b"")
    (told,) = [one for one in findings("local_leap", run) if delays.proposal.sentence in one]
    assert "not right" in told


def test_the_committed_schema_is_fresh() -> None:
    committed = json.loads((ROOT / "docs" / "trace.schema.json").read_text())
    assert committed == traces.schema(), "run: python manage.py trace schema"


def test_written_files_satisfy_the_schema(written: str) -> None:
    from jsonschema import Draft202012Validator

    Draft202012Validator(traces.schema()).validate(json.loads(written))


def changed(written: str, kind: str, **values: Any) -> str:
    """The file with the first event of a kind changed."""
    document = json.loads(written)
    event = next(event for event in document["events"] if event["kind"] == kind)
    event.update(values)
    return json.dumps(document)


TAMPERED: list[tuple[str, str, dict[str, Any], str]] = [
    ("events", "trace_start", {"version": 2}, "version"),
    ("events", "trace_start", {"trace": 3}, "not numbered"),
    ("events", "trace_start", {"family": "diffusion"}, "not autoregressive"),
    ("events", "step", {"index": 4}, "step 4 follows 0"),
    ("events", "step", {"trace": 9}, "has not begun"),
    ("events", "step", {"entropy": "high"}, "entropy"),
    ("events", "step", {"position": 1}, "is not at position 0"),
    ("events", "step", {"extra": 1}, "extra"),
    ("events", "trial_tokens", {"start": 1}, "0 tokens came before"),
    ("events", "trial_tokens", {"ids": []}, "differ in length"),
    ("events", "fork", {"nodes": 1}, "not 1"),
    ("events", "fork", {"winner": 99}, "no trial 99"),
    ("events", "output_tokens", {"ids": [1], "texts": ["</s>"]}, "of 1"),
    ("events", "trace_end", {"steps": 1000}, "counts 1000 steps"),
    ("events", "prompt_tokens", {"total": 1}, "beyond the 1"),
    ("canvas", "canvas", {"confidences": []}, "differ in length"),
    ("canvas", "canvas", {"commits": []}, "do not write the output"),
]


@pytest.mark.parametrize(("family", "kind", "values", "says"), TAMPERED)
def test_a_contradiction_is_refused(
    request: pytest.FixtureRequest, family: str, kind: str, values: dict[str, Any], says: str
) -> None:
    written = traces.dump(request.getfixturevalue(family))
    with pytest.raises(InvalidTrace, match=says) as refusal:
        traces.load(changed(written, kind, **values))
    assert refusal.value.remedy


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "format is None"),
        ('{"format": "other", "events": []}', "'other'"),
        ('{"format": "glassbench.trace", "version": 9, "events": []}', "version is 9"),
        ('{"format": "glassbench.trace", "version": 1, "events": [{"kind": "x"}]}', "Event 0"),
        ('{"format": "glassbench.trace", "version": 1, "events": [3]}', "Event 0"),
        ('{"kind": "step"}\nnot json', "not JSON"),
    ],
)
def test_what_is_no_trace_is_refused(text: str, says: str) -> None:
    with pytest.raises(InvalidTrace, match=says):
        traces.load(text)


def test_a_file_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "LONGEST_FILE", 10)
    with pytest.raises(InvalidTrace, match="has 11 characters; the limit is 10"):
        traces.load("x" * 11)
