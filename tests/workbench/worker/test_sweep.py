"""Repair of runs whose worker vanished and of lost messages."""

from collections.abc import Callable

import pytest

from workbench import redis_connection
from workbench.runs import flags
from workbench.runs.execution import run_claim
from workbench.runs.models import Run, Status
from workbench.worker.sweep import Sweep, resend_lost

pytestmark = pytest.mark.django_db
Make = Callable[..., Run]


def repair(sweep: Sweep, run: Run) -> Run:
    sweep.repair()
    run.refresh_from_db()
    return run


def test_a_run_without_a_lease_waits_again_at_the_second_sweep(running: Run) -> None:
    sweep = Sweep()
    assert repair(sweep, running).status == Status.RUNNING
    assert repair(sweep, running).status == Status.QUEUED
    assert running.lost_workers == 1
    again = run_claim(run=running.id, worker="w")
    assert again is not None
    assert again.attempt == 2


def test_a_run_with_a_lease_is_left_alone(running: Run) -> None:
    sweep = Sweep()
    flags.lease_refresh(run=running.id, worker="w")
    for _ in range(3):
        assert repair(sweep, running).status == Status.RUNNING


def test_a_lease_that_comes_back_clears_the_suspicion(running: Run) -> None:
    sweep = Sweep()
    sweep.repair()
    flags.lease_refresh(run=running.id, worker="w")
    sweep.repair()
    flags.lease_drop(run=running.id)
    assert repair(sweep, running).status == Status.RUNNING


def test_a_new_attempt_is_not_suspected_for_the_old_one(running: Run) -> None:
    sweep = Sweep()
    sweep.repair()
    Run.objects.filter(pk=running.pk).update(attempt=2)
    assert repair(sweep, running).status == Status.RUNNING


def test_two_workers_recover_a_run_once(running: Run) -> None:
    sweeps = [Sweep(), Sweep()]
    for sweep in sweeps * 2:
        sweep.repair()
    running.refresh_from_db()
    assert (running.status, running.lost_workers) == (Status.QUEUED, 1)


def test_a_message_lost_with_redis_is_sent_again(
    make_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, started = make_run(), make_run()
    run_claim(run=started.id, worker="w")
    sent: list[object] = []
    monkeypatch.setattr("workbench.worker.sweep.run_dispatch", lambda **run: sent.append(run))
    resend_lost()
    assert sent == []
    redis_connection.connection().flushdb()
    resend_lost()
    assert sent == [{"run": waiting.id, "queue": "causal_lm"}]
