"""Resolve with uv: its arguments, and what is removed from its output."""

import os
import re
import subprocess
import sysconfig
from pathlib import Path

from lock.files import ROOT

OLDEST_PYTHON = "3.11"
# Only torch's CUDA build needs these: listed, they would be installed on machines without a GPU
# too, so they are constraints. Triton stays where requirements-dev.in asks for it.
CUDA_PACKAGE = re.compile(r"(nvidia|cuda)-")
TRITON = "triton"


def uv_executable() -> str:
    """The uv installed next to the running Python."""
    return str(Path(sysconfig.get_path("scripts")) / "uv")


def run_uv(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """`uv pip ...` in the repository; the caller looks at the exit status."""
    return subprocess.run(
        [uv_executable(), "pip", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "UV_NO_PROGRESS": "1", "MACOSX_DEPLOYMENT_TARGET": "14.0"},
    )  # fmt: skip


def resolve(ranges: str, to: Path, *options: str) -> tuple[str, str]:
    """The pinned requirements of the file `ranges`, for all platforms and Pythons at once.

    Then, apart, those that come with torch's CUDA build alone.

    Versions that `to` holds are kept where the ranges allow them.
    """
    done = run_uv(
        "compile", ranges, "--output-file", str(to), "--quiet",
        "--universal", "--python-version", OLDEST_PYTHON,
        "--annotation-style", "line", "--no-header", *options,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"uv cannot resolve {ranges}:\n{done.stderr}")
    lines = to.read_text().splitlines(keepends=True)
    asked = (ROOT / ranges).read_text()
    installed = [line for line in lines if is_installed(line, asked)]
    return "".join(installed), "".join(line for line in lines if line not in installed)


def is_installed(line: str, ranges: str) -> bool:
    """False for packages that come with torch's CUDA build alone."""
    if line.startswith(f"{TRITON}=="):
        return re.search(rf"^{TRITON}\b", ranges, re.MULTILINE) is not None
    return CUDA_PACKAGE.match(line) is None
