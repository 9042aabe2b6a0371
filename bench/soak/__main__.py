"""Run the parts of the soak that are named (all, if none is) and say what went wrong."""

import argparse
import signal
import sys
from collections.abc import Callable

from bench.soak import kills, permissions, requests, slow_readers
from bench.soak.outcome import SoakOutcome

PARTS: dict[str, Callable[[argparse.Namespace], SoakOutcome]] = {
    "kills": lambda given: kills.attack(runs=given.runs, kills=given.kills, seed=given.seed),
    "slow_readers": lambda given: slow_readers.attack(readers=given.readers, silent=given.silent),
    "requests": lambda given: requests.attack(per_operation=given.examples, seed=given.seed),
    "permissions": lambda _: permissions.attack(),
}


def main() -> int:
    """0 where nothing went wrong, else 1."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # child processes are ended too
    given = arguments()
    outcomes = []
    for part in given.parts:
        outcomes.append(PARTS[part](given))
        print(outcomes[-1].summary(), flush=True)
    return int(any(outcome.faults for outcome in outcomes))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.soak", description=__doc__)
    parser.add_argument("parts", nargs="*", default=list(PARTS), help=", ".join(PARTS))
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--kills", type=int, default=75)
    parser.add_argument("--readers", type=int, default=150)
    parser.add_argument("--silent", type=int, default=80)
    parser.add_argument("--examples", type=int, default=90, help="requests for each operation")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if unknown := sorted(set(given.parts) - set(PARTS)):
        parser.error(f"no such part: {', '.join(unknown)}; choose among {', '.join(PARTS)}")
    return given


if __name__ == "__main__":
    sys.exit(main())
