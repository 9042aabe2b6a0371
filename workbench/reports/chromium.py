"""Renders a report in Chromium: its PDF, and its figures as files.

Chromium opens only the report file, with a new profile and without network, and is killed with all
its processes when it is done or late. It runs without its sandbox as root, where it does not start
otherwise, and with CHROMIUM_SANDBOX=off.
"""

import base64
import binascii
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.conf import settings
from pydantic import TypeAdapter, ValidationError

from analysis.images.event import PNG_SIGNATURE
from workbench.reports.document import Report
from workbench.reports.errors import ChromiumBusy, ChromiumFailed, ChromiumMissing
from workbench.reports.html import html_build
from workbench.reports.page import FigureFiles

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TIMEOUT_SECONDS = 120
WAIT_SECONDS = 60
FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-breakpad",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-pings",
    "--mute-audio",
    "--password-store=basic",
    # Without network: no name is resolved, and the proxy for addresses does not exist.
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-server=127.0.0.1:9",
    "--proxy-bypass-list=<-loopback>",
)
FIGURES = re.compile(r'<script type="application/json" id="figures">(.*?)</script>', re.DOTALL)
_FILES: TypeAdapter[list[FigureFiles]] = TypeAdapter(list[FigureFiles])
_one_at_a_time = threading.BoundedSemaphore(1)


def chromium_path() -> str | None:
    """The setting CHROMIUM, or the system's Chromium; None if there is none."""
    given: str = settings.CHROMIUM
    return shutil.which(given) if given else next(filter(None, map(shutil.which, NAMES)), None)


def report_pdf(report: Report) -> bytes:
    """The report on A4 with page numbers. Raises ChromiumMissing, ChromiumBusy, ChromiumFailed."""
    with _opened(report) as (folder, page):
        _run(folder, "--no-pdf-header-footer", "--print-to-pdf=report.pdf", f"{page}#paper")
        file = folder / "report.pdf"
        content = file.read_bytes() if file.is_file() else b""
    if not content.startswith(b"%PDF-"):
        raise _failed("it wrote no PDF")
    return content


def report_figures(report: Report) -> list[FigureFiles]:
    """Every figure of the report as SVG, PNG and CSV, in order. Raises as `report_pdf` does."""
    with _opened(report) as (folder, page):
        text = _run(folder, "--dump-dom", f"{page}#figures")
    block = FIGURES.search(text)
    if block is None:
        raise _failed("the page gave no figures")
    try:
        files = _FILES.validate_json(block[1])
    except ValidationError as error:
        raise _failed(
            f"the page gave figures of another form: {error.errors()[0]['msg']}"
        ) from None
    known = {panel.id for panel in report.panels}
    for file in files:
        if file.panel not in known or not _whole(file):
            raise _failed(f"the page gave a figure {file.stem} that is none")
    return files


def _whole(file: FigureFiles) -> bool:
    """Whether the figure's files are of their kinds."""
    try:
        png = base64.b64decode(file.png, validate=True) if file.png is not None else PNG_SIGNATURE
    except binascii.Error:
        return False
    return png.startswith(PNG_SIGNATURE) and (file.svg is None or file.svg.startswith("<svg "))


@contextmanager
def _opened(report: Report) -> Iterator[tuple[Path, str]]:
    """A folder with the report's file, and the address of that file."""
    if chromium_path() is None:
        raise ChromiumMissing(
            "There is no Chromium on the server.",
            remedy="Install it or set CHROMIUM; or open the HTML report and print it from there.",
        )
    content = html_build(report, compressed=False)
    if not _one_at_a_time.acquire(timeout=WAIT_SECONDS):
        raise ChromiumBusy(
            f"Other reports are being printed, for {WAIT_SECONDS} s now.",
            remedy="Try again in a minute.",
        )
    try:
        with tempfile.TemporaryDirectory(prefix="glassbench-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            file = folder / "report.html"
            file.write_bytes(content)
            yield folder, file.as_uri()
    finally:
        _one_at_a_time.release()


def _run(folder: Path, *arguments: str) -> str:
    """What Chromium printed. Raises ChromiumFailed, also when it is late."""
    command = [str(chromium_path()), *FLAGS, *_sandbox(), f"--user-data-dir={folder / 'profile'}"]
    with (folder / "printed").open("w+b") as printed:
        process = subprocess.Popen(
            [*command, *arguments],
            cwd=folder,
            env=_environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            status = process.wait(TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            raise _failed(f"it was not done after {TIMEOUT_SECONDS} s") from None
        finally:
            _end(process)
        if status != 0:
            raise _failed(f"it ended with status {status}")
        printed.seek(0)
        return printed.read().decode("utf-8", "replace")


def _environment(folder: Path) -> dict[str, str]:
    """A minimal environment, without the server's secrets."""
    return {"PATH": os.defpath, "HOME": str(folder), "TMPDIR": str(folder), "LANG": "C.UTF-8"}


def _sandbox() -> list[str]:
    return ["--no-sandbox"] if os.geteuid() == 0 or not settings.CHROMIUM_SANDBOX else []


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill the browser and the processes that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _failed(why: str) -> ChromiumFailed:
    return ChromiumFailed(
        f"Chromium made nothing of the report: {why}.",
        remedy="Open the HTML report and print it from there. Where Chromium may not use its "
        "sandbox, set CHROMIUM_SANDBOX=off.",
    )
