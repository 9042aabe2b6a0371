"""Check that every pinned requirement has a wheel for each supported Python and platform."""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from lock.files import ROOT, requirement_lines
from lock.uv import run_uv

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = {
    "Linux x86-64": "x86_64-manylinux_2_28",
    "Linux arm64": "aarch64-manylinux_2_28",
    "macOS arm64": "aarch64-apple-darwin",
}
# Published as source alone; each builds anywhere, because it is Python without compiled parts.
SOURCE_ONLY = {
    "transformers-stream-generator": "needed by transformer-lens; one pure-Python module",
}
# Benchmark and soak run only on developers' machines.
CHECKED = ("requirements", "requirements-dev")
Resolves = Callable[[list[str]], bool]


def main() -> None:
    lines = sorted({line for name in CHECKED for line in pinned_lines(name)})
    print(f"{len(lines)} pinned requirements without those of SOURCE_ONLY: wheels that are missing")
    print(f"{'':14}" + "".join(f"{python:>8}" for python in PYTHONS))
    problems: dict[str, list[str]] = {}
    for platform, triple in PLATFORMS.items():
        counts = []
        for python in PYTHONS:
            missing = lacking(lines, lambda some, p=python, t=triple: has_wheels(some, p, t))
            counts.append(len(missing))
            for line in missing:
                problems.setdefault(line, []).append(f"{platform}, Python {python}")
        print(f"{platform:14}" + "".join(f"{count:8}" for count in counts), flush=True)
    for line, where in problems.items():
        print(f"No wheel of {line}: {'; '.join(where)}")
    sys.exit(bool(problems))


def pinned_lines(name: str) -> list[str]:
    lines = requirement_lines((ROOT / f"{name}.txt").read_text())
    return [line for line in lines if line.partition("==")[0] not in SOURCE_ONLY]


def has_wheels(lines: list[str], python: str, triple: str) -> bool:
    """Whether all have a wheel there; those whose marker excludes that machine count as having."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(lines))
        file.flush()
        done = run_uv(
            "compile", file.name, "--no-deps", "--only-binary", ":all:", "--quiet",
            "--python-version", python, "--python-platform", triple,
            "--output-file", str(Path(file.name).with_suffix(".out")),
        )  # fmt: skip
    Path(file.name).with_suffix(".out").unlink(missing_ok=True)
    return done.returncode == 0


def lacking(lines: list[str], resolves: Resolves) -> list[str]:
    """The lines that do not resolve, found by bisection."""
    if not lines or resolves(lines):
        return []
    if len(lines) == 1:
        return lines
    half = len(lines) // 2
    return lacking(lines[:half], resolves) + lacking(lines[half:], resolves)


if __name__ == "__main__":
    main()
