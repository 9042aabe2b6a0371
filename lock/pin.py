"""Pin every direct and indirect requirement (`make lock`)."""

import argparse
import tempfile
from pathlib import Path

from lock.files import CUDA, NAMES, ROOT
from lock.uv import resolve

CONSTRAINED = ("requirements",)  # the files that torch is installed by first
HEADER = "# Made from {name}.in by `make lock`; for all platforms and Pythons at once.\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions allowed")
    upgrade = ["--upgrade"] if parser.parse_args().upgrade else []
    for name in NAMES:
        pin(name, *upgrade)


def pin(name: str, *options: str) -> None:
    """Write NAME.txt from NAME.in; its present versions are kept where they are allowed."""
    target = ROOT / f"{name}.txt"
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / target.name
        if target.exists():
            output.write_text(target.read_text().replace(f"-c {CUDA}\n", ""))
        pinned, cuda = resolve(f"{name}.in", output, *options)
    constrained = ""
    if name in CONSTRAINED:
        constrained = f"-c {CUDA}\n"
        (ROOT / CUDA).write_text(HEADER.format(name=name) + cuda)
    target.write_text(HEADER.format(name=name) + constrained + pinned)


if __name__ == "__main__":
    main()
