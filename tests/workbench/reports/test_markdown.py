"""The Markdown report of each method: inputs, findings, and figures as files."""

import io
import zipfile
from dataclasses import replace
from typing import Any

import pytest
from markdown_it import MarkdownIt

from analysis import findings
from analysis.findings import Recorded
from analysis.method import stems
from tests.recorded import METHODS, recorded_report, recorded_run
from workbench.reports.anchor_names import anchor_name
from workbench.reports.document import CommentRecord, EventRecord, PanelRecord, Report, ThreadRecord
from workbench.reports.export import folder_build
from workbench.reports.figures import figures_of
from workbench.reports.markdown import markdown_build, recorded

AT = "2026-01-02T03:04:05+00:00"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><title>Flow &amp; matrix</title></svg>'
CSV = b"token,score\r\n" + b"".join(b"t%d,0.125\r\n" % at for at in range(20))


def sentences(name: str) -> list[str]:
    run = recorded_run(name)
    return findings.findings(run.method, recorded(run))


def test_every_method_has_sentences_of_its_own() -> None:
    assert {METHODS[name] for name in METHODS} == set(stems())
    for name in METHODS:
        assert sentences(name), name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("centred", "± 0.0052 probability (± standard error), from 96 probes"),
        ("graph_kv", "makes the answer “ hall” most probable: ln p −1.27 nats"),
        ("information_flow_text", "Cutting the attention of “:” to “.” in all layers changes ln p"),
        ("information_flow", "The token “ball” alone shows its item in 1 of 2 pictures."),
        ("seg_similarity", "The answer is wrong."),
        ("cntp", "Greedy writes “ The wind was strong."),
        ("local_leap", "Threshold 0.9 answers “Tom” in 6 steps, 6 forward passes"),
    ],
)
def test_a_sentence_names_the_token_and_the_number_with_its_unit(name: str, text: str) -> None:
    assert any(text in sentence for sentence in sentences(name)), sentences(name)


def test_the_report_says_what_was_asked_and_dumps_no_fields() -> None:
    text = markdown_build(recorded_report())
    assert text.count("**Method.**") == len(METHODS)
    assert "**Prompt.** Anna has the ball." in text
    assert text.count("**Found.**") == len(METHODS)
    assert "values |" not in text
    assert "sha256" not in text
    assert "{" not in text.replace("\\{", "")


def test_the_report_names_what_a_run_itself_asked_and_what_it_arranged() -> None:
    scene = next(e for e in recorded_run("seg_similarity").events if e.value["kind"] == "scene")
    segments = [{"id": "ring", "text": "Emma has a ring."}, {"id": "hall", "text": "In the hall."}]
    params = {"segments": segments, "edges": [{"source": "ring", "target": "hall"}]}
    graph = replace(recorded_run("graph_kv"), params=params)
    panels = (PanelRecord("a", run=recorded_run("seg_similarity")), PanelRecord("b", run=graph))
    text = markdown_build(Report("Asked", panels))
    assert f"**Question.** {scene.value['question']}" in text
    assert "- ring: Emma has a ring.\n- hall: In the hall." in text
    assert "| edges | ring → hall |" in text
    assert "| segments |" not in text


def test_a_tail_of_one_token_is_written_once_with_its_count() -> None:
    ends = ("a", "b", *["</s>"] * 9)
    event = {"kind": "output_tokens", "trace": 0, "texts": list(ends)}
    start = {"kind": "trace_start", "trace": 0, "main": True}
    run = Recorded((start, event), {}.__getitem__)
    assert findings.model_output("local_leap", run) == "ab</s> (× 9)"


def test_a_comment_names_its_token() -> None:
    text = markdown_build(recorded_report())
    names = findings.tokens("reagent", recorded(recorded_run("centred")))
    assert f"**Comment on token 4, “{names[3]}”**" in text
    assert '"type"' not in text


@pytest.mark.parametrize(
    ("anchor", "words"),
    [
        ({"type": "panel"}, "the panel"),
        ({"type": "token", "index": 1}, "token 2, “b”"),
        ({"type": "token", "index": 9}, "token 10"),
        ({"type": "span", "start": 0, "end": 2}, "tokens 1 to 2, “ab”"),
        ({"type": "cell", "row": 0, "column": 2}, "row 1, column 3"),
        (
            {"type": "cell", "row": 0, "column": 2, "layer": 3, "head": None},
            "row 1, column 3, layer 3",
        ),
        ({"type": "edge", "source": 0, "target": 1}, "the edge from token 1, “a” to token 2, “b”"),
        ({"type": "node", "id": "nora"}, "the node nora"),
        ({"type": "step", "index": 0}, "step 1"),
        ({"type": "other"}, "the panel"),
    ],
)
def test_places_are_named_in_words(anchor: dict[str, Any], words: str) -> None:
    assert anchor_name(anchor, ["a", "b"]) == words


def test_figures_are_files_next_to_the_report_with_their_tables() -> None:
    report = recorded_report()
    drawn = {"centred": {"matrix.svg": SVG, "matrix.csv": CSV, "scores.csv": CSV}}
    with zipfile.ZipFile(io.BytesIO(folder_build(report, figures=drawn))) as files:
        assert files.read("figures/02/matrix.svg") == SVG
        text = files.read("report.md").decode()
    assert "### Flow &amp; matrix" in text
    assert "](figures/02/matrix.svg)" in text
    assert "| t0 |" in text
    assert "8 more rows are in [the table](figures/02/matrix.csv)" in text
    assert "### Scores" in text
    shown = MarkdownIt("gfm-like", {"linkify": False}).render(text)
    assert "<td>0.125</td>" in shown
    assert shown.count("<img") == 1
    assert shown.count("<table>") >= 2


def test_a_figure_of_a_foreign_bundle_is_a_text() -> None:
    files = {
        "a](javascript:x).svg": SVG,
        "b.svg": b"<svg><title>&lt;script&gt;|x</title></svg>",
        "b.csv": b"<script>,'=1\r\n" + b'"' + b"x" * 200_000 + b'"\r\n',
    }
    [figure] = figures_of(files, folder="f")
    panel = PanelRecord("centred", "", recorded_run("centred"))
    text = markdown_build(Report("t", (panel,)), figures={"centred": [figure]})
    assert "<script" not in MarkdownIt("gfm-like", {"linkify": False}).render(text)


@pytest.mark.parametrize("name", METHODS)
def test_a_run_cut_short_or_of_another_version_has_a_report(name: str) -> None:
    whole = recorded_run(name)
    for count in range(len(whole.events)):
        markdown_build(
            Report("t", (PanelRecord("p", "", replace(whole, events=whole.events[:count])),))
        )
    other = [EventRecord(1, AT, '{"kind":"tokens","tokens":5,"start":[]}')]
    thread = ThreadRecord(
        "t", "p", {"type": "token", "index": 0}, (CommentRecord("c", "a", "b", AT),), AT
    )
    panel = PanelRecord("p", "", replace(whole, events=tuple(other)))
    assert "Comment on token 1" in markdown_build(Report("t", (panel,), threads=(thread,)))
