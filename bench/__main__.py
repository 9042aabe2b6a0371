"""Run subjects, print the table and write data/bench/results.json."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from bench.table import Line, table

SUBJECTS = (
    "reagent",
    "decoding",
    "vocab_stats",
    "block_attention",
    "pictures",
    "page",
    "server",
    "sessions",
    "information_flow",
    "reports",
    "stop",
    "growth",
    "estimate",
)
FOLDER = Path(__file__).parents[1] / "data" / "bench"


def main() -> int:
    """0 where every line was timed; 1 where one was refused, whether its goal is met or not."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # child processes are ended too
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("subjects", nargs="*", default=SUBJECTS, help=", ".join(SUBJECTS))
    parser.add_argument(
        "--items", type=int, help="stories per line of decoding, for a quick estimate"
    )
    given = parser.parse_args()
    chosen = given.subjects
    if unknown := sorted(set(chosen) - set(SUBJECTS)):
        parser.error(f"no such subject: {', '.join(unknown)}; choose among {', '.join(SUBJECTS)}")
    measured = {subject: list(_measured(subject, given.items)) for subject in chosen}
    results_write(FOLDER / "results.json", measured)
    every = [line for lines in measured.values() for line in lines]
    print(f"\n{table(every)}\n\n{machine()}")
    return int(any(line.refused for line in every))


def machine() -> str:
    """The machine, as far as it matters to the figures."""
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} CPU cores; load {load:.1f} at the end"


def results_write(path: Path, measured: dict[str, list[Line]]) -> None:
    """Replace the measured subjects in the results file, keep the others."""
    results = json.loads(path.read_text()) if path.exists() else {}
    results |= {subject: [line.as_dict() for line in lines] for subject, lines in measured.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")


def _measured(subject: str, items: int | None) -> Iterator[Line]:
    module = import_module(f"bench.{subject}")
    for line in module.lines(items) if items and hasattr(module, "ITEMS") else module.lines():
        print(table([line]).splitlines()[-1], file=sys.stderr, flush=True)
        yield line


if __name__ == "__main__":
    sys.exit(main())
