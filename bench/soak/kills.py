"""Workers are killed at random moments; every run still ends once, with each event once.

A run may end as `worker_lost` only after as many kills as MAX_LOST_WORKERS allows.
"""

import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from bench.soak.outcome import Outcome, unbroken
from bench.soak.product import PROMPT, product
from bench.soak.watcher import Watcher
from tests.e2e.stack import Json, Stack, wait_until

PARAMS = {"prompt": PROMPT, "faithfulness": False, "baselines": False, "stop_early": False}
FINAL = ("done", "failed", "cancelled")
HOUR = 3600.0


def attack(*, runs: int, kills: int, seed: int = 0) -> Outcome:
    """`runs` short runs on two workers, of which `kills` are killed with SIGKILL."""
    outcome = Outcome("workers killed")
    with product(MAX_QUEUED_RUNS=str(runs + 1)) as stack:
        stack.start_worker()
        asked = [
            stack.start_run(**PARAMS, probes=4096, max_new_tokens=2, seed=n) for n in range(runs)
        ]
        with Watcher(stack, asked) as watcher, killing(stack, kills, random.Random(seed)) as killed:
            wait_until("all runs to end", lambda: watcher.ended >= set(asked), HOUR)
        found = [stack.run(run) for run in asked]
        for run in found:
            judge(outcome, stack, run, watcher.seqs[run["id"]])
    outcome.counts = {"runs": runs, "kills": len(killed)}
    outcome.counts |= Counter(_ending(run) for run in found)
    return outcome


def _ending(run: Json) -> str:
    return "worker_lost" if run["status"] == "failed" else str(run["status"])


def judge(outcome: Outcome, stack: Stack, run: Json, seen: dict[int, list[int]]) -> None:
    """Ended as designed, stored without hole or double, and told to the watcher likewise."""
    name, error = run["id"], run["error"]
    lost = error is not None and error["code"] == "worker_lost" and run["attempt"] >= 3
    outcome.check(
        f"{name} ended as {run['status']}: {error}", holds=run["status"] == "done" or lost
    )
    stored = stack.events(name)
    outcome.check(
        f"{name}: the stored events have a hole or a double",
        holds=unbroken(event["seq"] for event in stored),
    )
    finals = [event for event in stored if event["event"].get("status") in FINAL]
    outcome.check(f"{name} has {len(finals)} final events", holds=len(finals) == 1)
    for attempt, seqs in seen.items():
        outcome.check(
            f"{name}, attempt {attempt}: the watcher saw a hole or a double", holds=unbroken(seqs)
        )
    outcome.check(
        f"{name}: the watcher did not see all of the last attempt",
        holds=seen.get(run["attempt"], []) == [event["seq"] for event in stored],
    )


@contextmanager
def killing(stack: Stack, kills: int, chance: random.Random) -> Iterator[list[int]]:
    """Kills a worker again and again, also while it starts; each is followed by a new one."""
    ended = threading.Event()
    killed: list[int] = []

    def work() -> None:
        while len(killed) < kills and not ended.wait(chance.uniform(0.5, 6)):
            worker = chance.choice(stack.workers)
            killed.append(worker.pid)
            stack.kill_worker(worker)
            stack.start_worker(wait=False)

    thread = threading.Thread(target=work, name="killer")
    thread.start()
    try:
        yield killed
    finally:
        ended.set()
        thread.join()
