"""Workers are killed at random moments; every run still ends once, with each event once.

A run may end as `worker_lost` only after as many kills as MAX_LOST_WORKERS allows.
"""

import random
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from bench.soak.outcome import SoakOutcome, unbroken
from bench.soak.product import PROMPT, product
from bench.soak.watcher import Watcher
from tests.e2e.stack import Json, Stack, wait_until

PARAMS = {"prompt": PROMPT, "faithfulness": False, "baselines": False, "stop_early": False}
PROBES = 2048  # some seconds of work
STARTING_SHARE = 0.25  # of the kills that hit a worker while it starts
FINAL = ("done", "failed", "cancelled")
HOUR = 3600.0


def attack(*, runs: int, kills: int, seed: int = 0) -> SoakOutcome:
    """`runs` short runs on two workers, of which `kills` are killed with SIGKILL."""
    outcome = SoakOutcome("workers killed")
    with product(MAX_QUEUED_RUNS=str(runs + 1)) as stack:
        stack.start_worker()
        asked = [
            stack.start_run(**PARAMS, probes=PROBES, max_new_tokens=2, seed=n) for n in range(runs)
        ]
        with Watcher(stack, asked) as watcher, killing(stack, watcher, kills, seed) as killed:
            wait_until("all runs to end", lambda: watcher.ended >= set(asked), HOUR)
        ended = [stack.run(run) for run in asked]
        for run in ended:
            judge(outcome, stack, run, watcher.seqs[run["id"]])
    outcome.counts = {"runs": runs, "kills": len(killed)}
    outcome.counts |= Counter(_ending(run) for run in ended)
    return outcome


def _ending(run: Json) -> str:
    return "worker_lost" if run["status"] == "failed" else str(run["status"])


def judge(outcome: SoakOutcome, stack: Stack, run: Json, seen: dict[int, list[int]]) -> None:
    """Ended as designed, stored and sent to the watcher without gap or duplicate."""
    name, error = run["id"], run["error"]
    lost = error is not None and error["code"] == "worker_lost" and run["attempt"] >= 3
    outcome.check(
        f"{name} ended as {run['status']}: {error}", holds=run["status"] == "done" or lost
    )
    stored = stack.events(name)
    outcome.check(
        f"{name}: the stored events have a gap or a duplicate",
        holds=unbroken(event["seq"] for event in stored),
    )
    finals = [event for event in stored if event["event"].get("status") in FINAL]
    outcome.check(f"{name} has {len(finals)} final events", holds=len(finals) == 1)
    for attempt, seqs in seen.items():
        outcome.check(
            f"{name}, attempt {attempt}: the watcher saw a gap or a duplicate", holds=unbroken(seqs)
        )
    outcome.check(
        f"{name}: the watcher did not see all of the last attempt",
        holds=seen.get(run["attempt"], []) == [event["seq"] for event in stored],
    )


@contextmanager
def killing(stack: Stack, watcher: Watcher, kills: int, seed: int) -> Iterator[list[int]]:
    """Kills a worker again and again, at work or while it starts; a new one follows each.

    Kills are spread evenly over the runs that end: otherwise no run would complete on a machine on
    which workers start slowly.
    """
    ended = threading.Event()
    killed: list[int] = []
    chance = random.Random(seed)

    def due(*, working: bool) -> list["subprocess.Popen[bytes]"]:
        """The workers of which one may be killed now."""
        early = len(killed) * len(watcher.seqs) > len(watcher.ended) * kills
        return [] if early else _busy(stack) if working else stack.workers

    def work() -> None:
        while len(killed) < kills and not ended.wait(chance.uniform(0, 2)):
            working = chance.random() > STARTING_SHARE
            while not (workers := due(working=working)) and not ended.wait(0.2):
                pass
            if workers:
                worker = chance.choice(workers)
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


def _busy(stack: Stack) -> list["subprocess.Popen[bytes]"]:
    """The workers that work on a run."""
    shown = stack.get("/api/worker").json()["workers"]
    busy = {w["name"].rpartition("-")[2] for w in shown if w["busy"]}
    return [worker for worker in stack.workers if str(worker.pid) in busy]
