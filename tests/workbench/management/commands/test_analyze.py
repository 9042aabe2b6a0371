"""The command line: the same numbers as `analysis.run`, and one clear line on bad input."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import call_command

import analysis
from analysis.catalog.entries import folder_entry
from analysis.catalog.revision import file_digests
from analysis.environment import packages
from analysis.method import get
from analysis.workload import Speed
from tests.tiny_models import make_llama
from workbench.management.commands.analyze import _setting

pytestmark = pytest.mark.django_db  # durations of earlier runs
QUICK = ["--set", "probes=32", "--set", "faithfulness=false", "--set", "baselines=false"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_llama(tmp_path_factory.mktemp("models") / "tiny-llama")


def start(*arguments: object, data: Path) -> subprocess.Popen[bytes]:
    """The command as in a shell's foreground: Ctrl+C reaches it, however the tests were started."""
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "manage.py", "analyze", *map(str, arguments)],
        env={**os.environ, "DATA_DIR": str(data)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def analyze(*arguments: object, data: Path) -> tuple[int, str, str]:
    process = start(*arguments, data=data)
    out, err = process.communicate(timeout=120)
    return process.returncode, out.decode(), err.decode()


def read(out: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    manifest = json.loads((out / "manifest.json").read_text())
    lines = (out / "events.jsonl").read_text().splitlines()
    return manifest, [json.loads(line) for line in lines]


def array(out: Path, ref: dict[str, Any]) -> np.ndarray:
    found: np.ndarray = np.load(out / "arrays" / f"{ref['sha256']}.npy")
    assert list(found.shape) == ref["shape"]
    assert hashlib.sha256(found.tobytes()).hexdigest() == ref["sha256"]
    return found


@pytest.mark.parametrize(
    ("given", "taken"), [("#263", 263), ("#0", 0), (" ball", " ball"), ("5", "5"), ("#a", "#a")]
)
def test_a_contrast_is_a_text_or_an_id(given: str, taken: str | int) -> None:
    assert _setting(get("reagent"), f"contrast={given}") == ("contrast", taken)


@pytest.mark.parametrize(("given", "taken"), [("#2 #63", [2, 63]), ("#2", [2]), (" [2]", " [2]")])
def test_a_continuation_is_a_text_or_ids(given: str, taken: str | list[int]) -> None:
    assert _setting(get("reagent"), f"continuation={given}") == ("continuation", taken)


def test_a_contrast_by_its_id_reaches_the_run(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, _, err = analyze(
        "reagent", "--model", folder, "--set", "prompt=Anna has", "--set", "contrast=#263", *QUICK,
        "--out", out, data=tmp_path / "data",
    )  # fmt: skip
    assert code == 0, err
    manifest, events = read(out)
    assert manifest["params"]["contrast"] == 263
    [output] = [event for event in events if event["kind"] == "output"]
    assert output["contrast"]["id"] == 263


def test_a_folder_holds_the_numbers_of_analysis_run(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, _, err = analyze(
        "reagent", "--model", folder, "--set", "prompt=12", "--set", "seed=4", *QUICK,
        "--out", out, data=tmp_path / "data",
    )  # fmt: skip
    assert code == 0, err
    manifest, events = read(out)
    params = {"prompt": "12", "seed": 4, "probes": 32, "faithfulness": False, "baselines": False}
    expected = list(analysis.run("reagent", model=folder_entry(folder), params=params))
    assert [e["kind"] for e in events] == [e.model_dump()["kind"] for e in expected]
    last = [e for e in events if e["kind"] == "scores"][-1]
    scores: Any = [e for e in expected if e.model_dump()["kind"] == "scores"][-1]
    np.testing.assert_allclose(array(out, last["mean"]), scores.mean, atol=1e-7)
    assert manifest["status"] == "done"
    assert manifest["seed"] == 4
    assert manifest["model"]["self_check"]["passed"]
    assert manifest["params"]["replace_rate"] == 0.3  # defaults are written out
    assert manifest["packages"] == packages()
    assert manifest["model_files"] == file_digests(folder)
    assert {"glassbench", "python", "system", "threads", "gpu"} <= manifest.keys()
    assert sorted(manifest["arrays"]) == sorted(p.stem for p in (out / "arrays").iterdir())


def test_a_dtype_reaches_the_run_and_its_manifest(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, _, err = analyze(
        "reagent", "--model", folder, "--set", "prompt=12", *QUICK, "--dtype", "bfloat16",
        "--out", out, data=tmp_path / "data",
    )  # fmt: skip
    assert code == 0, err
    manifest, _ = read(out)
    assert (manifest["dtype"], manifest["model"]["dtype"]) == ("bfloat16", "bfloat16")


def test_scores_are_estimated_again_from_the_folder_alone(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    call_command(
        "analyze", "reagent", "--model", str(folder), "--set", "prompt=Anna has the ball.",
        "--set", "probes=320", "--set", "max_new_tokens=2", "--set", "faithfulness=false",
        "--set", "baselines=false", "--set", "stop_early=false", "--out", str(out),
        stdout=StringIO(),
    )  # fmt: skip
    _, events = read(out)
    tokens = [token for e in events if e["kind"] == "tokens" for token in e["tokens"]]
    probes = [e for e in events if e["kind"] == "probes"]
    last = [e for e in events if e["kind"] == "scores"][-1]
    masks, ids, measure = (
        np.concatenate([array(out, e[name]) for e in probes])
        for name in ("masks", "ids", "measure")
    )
    assert len(masks) == last["probes"] == 320
    assert (masks.astype(bool) == (ids != np.array([token["id"] for token in tokens]))).all()
    replaceable = np.array([not token["protected"] for token in tokens])
    assert not masks[:, ~replaceable].any()
    falls = np.array(last["base"]) - measure
    design = np.column_stack([np.ones(len(masks)), masks[:, replaceable]])
    slope = np.linalg.lstsq(design, falls, rcond=None)[0][1:].T
    for row, valid in enumerate(last["valid"]):
        expected = np.zeros(len(tokens))
        expected[replaceable] = slope[row]
        expected[valid:] = 0
        np.testing.assert_allclose(array(out, last["mean"])[row], expected, atol=1e-9)


def test_preset_then_file_then_setting_the_later_one_wins(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "params.json"
    file.write_text(json.dumps({"prompt": "from the file", "paper_probes": 2, "top_n": 2}))
    code, _, err = analyze(
        "reagent", "--model", folder, "--preset", "paper", "--params", file, "--set", "top_n=3",
        "--set", "paper_max_steps=5", *QUICK, "--out", tmp_path / "out", data=tmp_path / "data",
    )  # fmt: skip
    assert code == 0, err
    params = read(tmp_path / "out")[0]["params"]
    chosen = ("prompt", "estimator", "paper_probes", "top_n", "replace_rate")
    assert [params[name] for name in chosen] == ["from the file", "paper", 2, 3, 0.1]


BAD: list[tuple[list[str], str]] = [
    (["nope"], "unknown_method"),
    (["reagent", "--model", "nope", "--set", "prompt=a"], "unknown_model"),
    (["reagent", "--model", "EMPTY", "--set", "prompt=a"], "model_unreadable"),
    (["reagent"], "--model is missing"),
    (["reagent", "--model", "FOLDER"], "prompt"),
    (["reagent", "--model", "FOLDER", "--set", "prompt"], "no ="),
    (["reagent", "--model", "FOLDER", "--set", "prompt= "], "prompt_empty"),
    (["reagent", "--model", "FOLDER", "--set", "prompt=a", "--set", "probes=3"], "16"),
    (["reagent", "--model", "FOLDER", "--set", "prompt=a", "--set", "colour=3"], "colour"),
    (["reagent", "--model", "FOLDER", "--set", "prompt=\udcff"], "invalid"),
    (["reagent", "--model", "FOLDER", "--preset", "none", "--set", "prompt=a"], "paper, 16 probes"),
    (["reagent", "--model", "FOLDER", "--params", "/nowhere.json"], "cannot be read"),
    (["reagent", "--model", "FOLDER", "--dtype", "float8"], "auto, float32, bfloat16, float16"),
]


def refuse(*arguments: object) -> str:
    """What a refused command says, in this process."""
    out, err = StringIO(), StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("analyze", *map(str, arguments), stdout=out, stderr=err)
    assert ended.value.code == 2
    assert out.getvalue() == ""
    lines = [line for line in err.getvalue().splitlines() if "it/s]" not in line]
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize(("arguments", "named"), BAD)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str], named: str, folder: Path, tmp_path: Path
) -> None:
    folders = {"FOLDER": folder, "EMPTY": tmp_path}
    given = [folders.get(argument, argument) for argument in arguments]
    assert named in refuse(*given, "--out", tmp_path / "out")


def test_a_folder_in_use_is_not_overwritten(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    output = refuse("reagent", "--model", folder, "--set", "prompt=a", "--out", tmp_path)
    assert "not empty" in output


def test_ctrl_c_keeps_what_there_is_and_says_so(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(
        "reagent", "--model", folder, "--set", "prompt=a ball", "--set", "probes=65536",
        "--set", "stop_early=false", "--out", out, data=tmp_path / "data",
    )  # fmt: skip
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        if (out / "arrays").is_dir() and any((out / "arrays").iterdir()):
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=60)
    assert process.returncode == 130, output
    manifest, events = read(out)
    assert manifest["status"] == "cancelled"
    assert any(event["kind"] == "scores" for event in events)


def test_the_list_names_methods_and_models() -> None:
    out = StringIO()
    call_command("analyze", "--list", stdout=out)
    assert "reagent" in out.getvalue()
    assert "demo-lm" in out.getvalue()


SLOW = Speed(3e4, 1e9, 1e6)


def run_on(device: Speed, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> tuple[str, str]:
    """What the command prints on a device of that speed, and what of it is an error line."""
    monkeypatch.setattr("analysis.model.calibration.calibrate", lambda: device)
    out, err = StringIO(), StringIO()
    call_command("analyze", *map(str, arguments), stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_an_estimate_is_printed_and_nothing_is_run(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("reagent", "--model", folder, "--set", "prompt=Anna has", "--estimate")
    out, err = run_on(SLOW, monkeypatch, *given, "--out", tmp_path / "out")
    assert out.startswith("about ")
    assert "of which loading" in out
    assert "by the measured speed of this device" in out
    assert err == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("answer", "faithfulness"), [("y\n", "true"), ("c\n", "false"), ("no\n", None)]
)
def test_a_long_run_is_asked_about_on_a_terminal(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    faithfulness: str | None,
) -> None:
    terminal = StringIO(answer)
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    given = ("reagent", "--model", folder, "--set", "prompt=a ball", "--set", "baselines=false")
    small = ("--set", "probes=16", "--set", "draws=1", "--out", tmp_path / "out")
    if faithfulness is None:
        with pytest.raises(SystemExit):
            run_on(SLOW, monkeypatch, *given, *small)
        assert not (tmp_path / "out" / "manifest.json").exists()
        return
    _, err = run_on(SLOW, monkeypatch, *given, *small)
    assert "Cheaper, about" in err
    assert "no faithfulness curves" in err
    manifest, _ = read(tmp_path / "out")
    assert manifest["params"]["faithfulness"] is (faithfulness == "true")


@pytest.mark.parametrize(("more", "says"), [((), "there is no terminal"), (("--yes",), "")])
def test_without_a_terminal_a_long_run_starts(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    more: tuple[str, ...],
    says: str,
) -> None:
    given = ("reagent", "--model", folder, "--set", "prompt=a ball", *QUICK, *more)
    out, err = run_on(SLOW, monkeypatch, *given, "--out", tmp_path / "out")
    assert "Expected: about" in err
    assert says in err
    assert ("there is no terminal" in err) is bool(says)
    assert out.endswith("manifest.json\n")
