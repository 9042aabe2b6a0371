"""Run the suite on the newest versions that the ranges allow (`make lock-check`)."""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from lock.files import ROOT, pinned_versions
from lock.uv import resolve

RANGES = "requirements-dev"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="glassbench-newest-") as folder:
        newest = Path(folder) / "newest.txt"
        newest.write_text(resolve(f"{RANGES}.in", newest)[0])
        differing = differences(
            pinned_versions((ROOT / f"{RANGES}.txt").read_text()),
            pinned_versions(newest.read_text()),
        )
        print("\n".join(differing) or "The newest versions are those that are pinned.", flush=True)
        python = install(newest, Path(folder) / "venv")
        command = [str(python), "-m", "pytest", *sys.argv[1:]]
        broken = subprocess.run(command, cwd=ROOT, check=False).returncode
    if broken:
        print("The suite fails on the newest versions:", *differing, sep="\n  ")
    sys.exit(broken)


def differences(pinned: dict[str, set[str]], newest: dict[str, set[str]]) -> list[str]:
    """One line for each package whose versions differ, with both."""
    return [
        f"{name}: pinned {versions(pinned, name)}, newest {versions(newest, name)}"
        for name in sorted(pinned | newest)
        if pinned.get(name) != newest.get(name)
    ]


def versions(by_name: dict[str, set[str]], name: str) -> str:
    return ", ".join(sorted(by_name.get(name, ()))) or "none"


def install(requirements: Path, folder: Path) -> Path:
    """The Python of a new environment that has `requirements`."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run(
        [str(python), "-m", "pip", "install", "--disable-pip-version-check",
         "--quiet", "-r", str(requirements)],
        check=True,
    )  # fmt: skip
    return python


if __name__ == "__main__":
    main()
