"""manage.py trace: a run is shown and exported without a model."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

import analysis
from analysis.catalog.entries import folder_entry
from analysis.decoding import trace as traces
from tests.tiny_models import make_llama


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What analyze writes."""
    root = tmp_path_factory.mktemp("run")
    entry = folder_entry(make_llama(root / "tiny-llama"))
    params = {"prompt": "Anna has", "max_new_tokens": 5, "trial_cap": 5, "samples": 2}
    events = analysis.run("cntp", model=entry, params=params)
    lines = [json.dumps(event.model_dump(mode="json")) for event in events]
    (root / "events.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return root


def run(*arguments: object) -> str:
    out = StringIO()
    call_command("trace", *map(str, arguments), stdout=out, stderr=out)
    return out.getvalue()


def test_a_folder_and_its_export_are_shown_alike(folder: Path, tmp_path: Path) -> None:
    to = tmp_path / "trace.json"
    run("export", folder, to)
    shown = run("show", folder)
    assert shown == run("show", to)
    assert "Anna has" in shown
    assert "beam search" in shown
    assert len(traces.load(to.read_text()).traces) == 7


def test_nothing_is_overwritten(folder: Path, tmp_path: Path, capsys: object) -> None:
    to = tmp_path / "trace.json"
    to.write_text("mine")
    with pytest.raises(SystemExit) as ended:
        run("export", folder, to)
    assert ended.value.code == 2
    assert to.read_text() == "mine"


@pytest.mark.parametrize("content", [None, "no trace"])
def test_what_cannot_be_read_ends_with_two(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "file"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SystemExit) as ended:
        run("show", file)
    assert ended.value.code == 2


def test_the_schema_is_written(tmp_path: Path) -> None:
    run("schema", "--out", tmp_path / "schema.json")
    assert json.loads((tmp_path / "schema.json").read_text()) == traces.schema()
