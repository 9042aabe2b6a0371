"""Sockets that never read, next to sockets that do, on one live run."""

import json
from contextlib import ExitStack

from bench.soak.outcome import SoakOutcome, unbroken
from bench.soak.product import PROMPT, product, web_memory
from bench.soak.watcher import Watcher
from tests.e2e.stack import wait_until

MIB = 2**20
GROWTH_BYTES = 100 * MIB
PARAMS = {"prompt": PROMPT, "faithfulness": False, "baselines": False, "stop_early": False}
LONG = {**PARAMS, "probes": 16_384, "max_new_tokens": 4}


def attack(*, readers: int, silent: int) -> SoakOutcome:
    """Every reader sees every event once; the web process does not grow with the silent ones."""
    outcome = SoakOutcome("slow readers", {"readers": readers, "silent sockets": silent})
    with product() as stack, ExitStack() as opened:
        before = web_memory(stack)
        run = stack.start_run(**LONG)
        watch = json.dumps({"type": "watch", "run": run, "attempt": 0, "after": 0})
        for _ in range(silent):
            opened.enter_context(stack.socket(ping_interval=None)).send(watch)
        watchers = [opened.enter_context(Watcher(stack, [run])) for _ in range(readers)]
        stack.wait_for_status(run, "done", "failed")
        wait_until("the readers", lambda: all(watcher.ended for watcher in watchers))
        growth = web_memory(stack) - before
        stored = [event["seq"] for event in stack.events(run)]
    outcome.counts |= {"events": len(stored), "MiB more in the web process": growth // MIB}
    outcome.check("the stored events have a gap or a duplicate", holds=unbroken(stored))
    for number, watcher in enumerate(watchers):
        outcome.check(
            f"reader {number} missed events or saw them twice",
            holds=watcher.seqs[run][1] == stored,
        )
    outcome.check(f"the web process grew by {growth // MIB} MiB", holds=growth < GROWTH_BYTES)
    return outcome
