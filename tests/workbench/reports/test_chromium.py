"""Chromium as a process: its arguments and its end. A shell script replaces it."""

import base64
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.recorded import recorded_report
from workbench.reports import chromium
from workbench.reports.errors import ChromiumFailed, ChromiumMissing

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\nrest").decode()
FIGURE = {"panel": "note", "stem": "map", "title": "Map", "csv": "a", "svg": "<svg />", "png": PNG}
Stand = Callable[[str], Path]


@pytest.fixture
def stand_in(tmp_path: Path, settings: Any) -> Stand:
    """A built page, and a program in the place of Chromium."""
    (tmp_path / "report").mkdir()
    for name in ("report.js", "report.css"):
        (tmp_path / "report" / name).write_text("")
    settings.FRONTEND_DIST = tmp_path

    def make(script: str) -> Path:
        program = tmp_path / "chromium"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        settings.CHROMIUM = str(program)
        return tmp_path

    return make


def printing(files: Any) -> str:
    text = json.dumps(files).replace("<", "\\u003c")
    tag = f'<script type="application/json" id="figures">{text}</script>'
    return f"cat <<'END'\n<html><body>{tag}</body></html>\nEND"


def test_where_there_is_none_the_remedy_is_named(stand_in: Stand, settings: Any) -> None:
    stand_in("exit 0")
    settings.CHROMIUM = "/nowhere/chromium"
    with pytest.raises(ChromiumMissing) as refused:
        chromium.report_pdf(recorded_report())
    assert "print" in refused.value.remedy


def test_it_opens_our_file_with_nothing_of_ours_and_no_network(
    stand_in: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = stand_in("")
    stand_in(
        f"env > {folder}/env\n"
        f"printf '%s\\n' \"$@\" > {folder}/arguments\n"
        "printf %%PDF-1.4 > report.pdf"
    )
    monkeypatch.setenv("SECRET_KEY", "hidden")
    assert chromium.report_pdf(recorded_report()) == b"%PDF-1.4"
    environment = dict(
        line.partition("=")[::2] for line in (folder / "env").read_text().splitlines()
    )
    assert set(environment) <= {"PATH", "HOME", "LANG", "TMPDIR", "PWD", "OLDPWD", "SHLVL", "_"}
    arguments = (folder / "arguments").read_text().splitlines()
    page = f"file://{environment['HOME']}/report.html#paper"
    assert [argument for argument in arguments if not argument.startswith("--")] == [page]
    assert "--proxy-server=127.0.0.1:9" in arguments
    assert f"--user-data-dir={environment['HOME']}/profile" in arguments
    assert not Path(environment["HOME"]).exists()


@pytest.mark.parametrize(
    ("user", "allowed", "without"), [(0, True, True), (1000, True, False), (1000, False, True)]
)
def test_it_keeps_its_sandbox_unless_it_cannot(
    monkeypatch: pytest.MonkeyPatch, settings: Any, user: int, allowed: Any, without: Any
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    settings.CHROMIUM_SANDBOX = allowed
    assert (chromium._sandbox() == ["--no-sandbox"]) is without


def test_one_that_is_late_is_ended_with_all_it_started(
    stand_in: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = stand_in("")
    stand_in(f"sleep 600 & echo $! > {folder}/child; wait")
    monkeypatch.setattr(chromium, "TIMEOUT_SECONDS", 0.5)
    with pytest.raises(ChromiumFailed, match=r"0\.5 s"):
        chromium.report_figures(recorded_report())
    child = int((folder / "child").read_text())
    deadline = time.monotonic() + 10
    while _lives(child):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _lives(pid: int) -> bool:
    """Whether the process runs; one that waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("exit 3", "status 3"),
        ("echo nothing", "gave no figures"),
        (printing([{"stem": "map"}]), "another form"),
        (printing([FIGURE | {"stem": "../map"}]), "another form"),
        (printing([FIGURE | {"panel": "other"}]), "that is none"),
        (printing([FIGURE | {"png": "bm90IGEgcG5n"}]), "that is none"),
        (printing([FIGURE | {"svg": "<html>"}]), "that is none"),
    ],
)
def test_what_is_no_figure_is_refused(stand_in: Stand, script: str, why: str) -> None:
    stand_in(script)
    with pytest.raises(ChromiumFailed, match=why):
        chromium.report_figures(recorded_report())


def test_figures_are_those_of_the_page(stand_in: Stand) -> None:
    stand_in(printing([FIGURE, FIGURE | {"stem": "cost", "svg": None, "png": None}]))
    files = chromium.report_figures(recorded_report())
    assert [(file.stem, file.svg, file.png) for file in files] == [
        ("map", "<svg />", PNG),
        ("cost", None, None),
    ]


def test_a_file_that_is_no_pdf_is_refused(stand_in: Stand) -> None:
    stand_in("echo nothing > report.pdf")
    with pytest.raises(ChromiumFailed, match="no PDF"):
        chromium.report_pdf(recorded_report())
