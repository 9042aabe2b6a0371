"""The guard ends a blocked worker: real processes, database and Redis."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest
from django.conf import settings as project
from django.db import connection

from tests.e2e.stack import wait_until
from workbench.runs import flags
from workbench.runs.models import Run, Status
from workbench.worker import guard
from workbench.worker.guard import Guard, memory_limit, memory_used

pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., Run]
# A worker that is inside one call which never gives the interpreter back.
HOLDING = """
import re, sys
import django; django.setup()
from workbench.worker.guard import GuardProcess
own = GuardProcess("w")
own.report({"run": sys.argv[1], "attempt": 1})
print("ready", flush=True)
re.match(r"(a+)+$", "a" * 60 + "b")
"""
GROWING = HOLDING.replace('re.match(r"(a+)+$", "a" * 60 + "b")', "kept = [b'a' * 10**6]\n") + (
    "while True: kept.append(b'a' * 10**6)\n"
)


def start(code: str, run: Run, **env: str) -> subprocess.Popen[str]:
    """A process that starts a guard of its own, on the database and the Redis of the test."""
    if connection.vendor != "sqlite":
        pytest.skip("The other process is given the file of the test's database.")
    url = f"sqlite:///{connection.settings_dict['NAME']}"
    own = {"DATABASE_URL": url, "REDIS_URL": project.REDIS_URL, **env}
    worker = subprocess.Popen(
        [sys.executable, "-c", code, str(run.id)],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "workbench.settings", **own},
        cwd=project.BASE_DIR,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == "ready\n"
    return worker


def ended(worker: subprocess.Popen[str], run: Run) -> Run:
    """The run, once its worker is dead and it has ended."""
    with worker:
        try:
            worker.wait(timeout=120)
            deadline = time.monotonic() + 60
            while run.status == Status.RUNNING and time.monotonic() < deadline:
                time.sleep(0.05)
                run.refresh_from_db()
        finally:
            worker.kill()
    return run


def test_a_cancel_ends_a_worker_that_holds_the_interpreter(running: Run) -> None:
    worker = start(HOLDING, running, CANCEL_GRACE_SECONDS="0.5")
    deadline = time.monotonic() + 60
    while not flags.lease_exists(run=running.id):  # the guard holds it
        assert time.monotonic() < deadline
        time.sleep(0.05)
    flags.cancel_ask(run=running.id)
    run = ended(worker, running)
    assert worker.returncode == -9
    assert run.status == Status.CANCELLED
    wait_until("the lease to be dropped", lambda: not flags.lease_exists(run=run.id), seconds=60)


def test_a_worker_that_takes_too_much_memory_is_ended_and_says_so(running: Run) -> None:
    worker = start(GROWING, running, WORKER_MEMORY_BYTES=str(400 * 10**6))
    run = ended(worker, running)
    assert worker.returncode == -9
    assert run.error["code"] == "out_of_memory"
    assert "the limit is 0.4 GiB" in run.error["message"]


def test_a_worker_that_is_stopped_loses_its_lease(running: Run) -> None:
    sleeping = subprocess.Popen(["sleep", "100"])
    watching = Guard(pid=sleeping.pid, worker="w")
    watching.receive(f'{{"run": "{running.id}", "attempt": 1}}')
    with sleeping:
        watching.tick()
        assert flags.lease_exists(run=running.id)
        flags.lease_drop(run=running.id)
        sleeping.send_signal(signal.SIGSTOP)
        os.waitpid(sleeping.pid, os.WUNTRACED)
        watching.tick()
        assert not flags.lease_exists(run=running.id)
        sleeping.kill()


def test_a_guard_ends_with_its_worker(running: Run) -> None:
    worker = start(HOLDING, running)
    [watching] = psutil.Process(worker.pid).children()
    worker.kill()
    worker.communicate()
    watching.wait(timeout=60)


def test_a_worker_that_hears_its_cancel_is_left_alone(
    running: Run, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CANCEL_GRACE_SECONDS = 0
    watching = Guard(pid=os.getpid(), worker="w")
    monkeypatch.setattr(watching, "_end", lambda *_: pytest.fail("ended"))
    watching.tick()  # nothing is worked on
    watching.receive(f'{{"run": "{running.id}", "attempt": 1}}')
    watching.tick()
    flags.cancel_ask(run=running.id)
    watching.receive("{}")
    watching.tick()


def test_a_guard_that_ended_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[subprocess.Popen[str]] = []

    def start(*_: Any) -> subprocess.Popen[str]:
        command = ["cat"] if begun else ["true"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL}
        begun.append(subprocess.Popen(command, text=True, **pipes))  # type: ignore[call-overload]
        return begun[-1]

    monkeypatch.setattr(guard, "start", start)
    own = guard.GuardProcess("w")
    with contextlib.suppress(BrokenPipeError):
        own.report({})
    begun[0].wait()
    own.report({})
    assert len(begun) == 2
    assert begun[1].poll() is None
    own.close()
    assert begun[1].poll() == 0


def test_the_limit_is_the_setting_or_a_share_of_all_there_is(settings: Any) -> None:
    settings.WORKER_MEMORY_BYTES = 123
    assert memory_limit() == 123
    settings.WORKER_MEMORY_BYTES = 0
    assert 0 < memory_limit() < psutil.virtual_memory().total
    assert memory_used(psutil.Process()) > 10**6
