"""The watchdog: presence, leases, and the end of a worker that does not react."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from django.test import Client

from workbench import redis_connection
from workbench.runs import flags
from workbench.runs.execution import run_claim
from workbench.runs.models import Run, Status
from workbench.worker import life
from workbench.worker.life import Watchdog, WorkerState

pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., Run]


@pytest.fixture
def state() -> WorkerState:
    return WorkerState()


@pytest.fixture
def running(make_run: Make, state: WorkerState) -> Run:
    run = run_claim(run=make_run().id, worker=state.name)
    assert run is not None
    return run


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Exit codes with which the process would have ended."""
    codes: list[int] = []
    monkeypatch.setattr("workbench.worker.life.os._exit", codes.append)
    return codes


def test_a_worker_is_seen_with_what_it_does(
    state: WorkerState, running: Run, anna_client: Client, tom_client: Client
) -> None:
    watchdog = Watchdog(state)
    watchdog.tick(sweep=False)
    shown = anna_client.get("/api/worker").json()["workers"]
    idle = {"name": "worker 1", "state": "starting", "device": None, "busy": False, "run": None}
    assert shown == [idle]
    state.stage, state.device = "ready", "cpu"
    with state.working(run=running.id, attempt=1):
        watchdog.tick(sweep=False)
    shown = anna_client.get("/api/worker").json()["workers"][0]
    assert (shown["state"], shown["busy"], shown["run"]) == ("ready", True, str(running.id))
    strange = tom_client.get("/api/worker").json()["workers"][0]
    assert (strange["busy"], strange["run"]) == (True, None)


def test_a_worker_that_is_gone_is_struck_off(state: WorkerState) -> None:
    Watchdog(state).tick(sweep=False)
    redis_connection.connection().delete(f"{redis_connection.PREFIX}:worker:{state.name}")
    assert flags.worker_list() == []
    assert redis_connection.connection().scard(flags.WORKERS) == 0


def test_the_lease_is_kept_while_there_is_work(state: WorkerState, running: Run) -> None:
    watchdog = Watchdog(state)
    with state.working(run=running.id, attempt=1):
        watchdog.tick(sweep=False)
        assert flags.lease_exists(run=running.id)
    assert not flags.lease_exists(run=running.id)
    watchdog.tick(sweep=False)
    assert not flags.lease_exists(run=running.id)


def test_an_ignored_cancel_ends_the_process(
    state: WorkerState, running: Run, ends: list[int], settings: Any
) -> None:
    watchdog = Watchdog(state)
    settings.CANCEL_GRACE_SECONDS = 3600
    with state.working(run=running.id, attempt=1):
        flags.cancel_ask(run=running.id)
        watchdog.tick(sweep=False)
        assert ends == []
        settings.CANCEL_GRACE_SECONDS = 0
        watchdog.tick(sweep=False)
    running.refresh_from_db()
    assert (running.status, ends) == (Status.CANCELLED, [1])
    assert not flags.lease_exists(run=running.id)


def test_the_wait_for_a_cancel_starts_anew_with_each_run(
    state: WorkerState, make_run: Make, ends: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("workbench.worker.life.time.monotonic", lambda: clock[0])
    watchdog = Watchdog(state)
    for _ in range(3):
        run = run_claim(run=make_run().id, worker=state.name)
        assert run is not None
        flags.cancel_ask(run=run.id)
        with state.working(run=run.id, attempt=1):
            watchdog.tick(sweep=False)
            clock[0] += 6
            watchdog.tick(sweep=False)
    assert ends == []


def test_an_ignored_stop_requeues_the_run(
    state: WorkerState, running: Run, ends: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1.0]
    monkeypatch.setattr("workbench.worker.life.time.monotonic", lambda: clock[0])
    watchdog = Watchdog(state)
    state.stopping.set()
    with state.working(run=running.id, attempt=1):
        watchdog.tick(sweep=False)
        assert ends == []
        clock[0] += life.STOP_GRACE_SECONDS + 0.1
        watchdog.tick(sweep=False)
    running.refresh_from_db()
    assert (running.status, ends) == (Status.QUEUED, [0])


def test_a_redis_that_is_away_is_borne(
    state: WorkerState, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(**_: Any) -> None:
        raise redis.ConnectionError("planted")

    monkeypatch.setattr(flags, "worker_announce", away)
    Watchdog(state).tick(sweep=True)
    assert "planted" in caplog.text


def test_the_watchdog_sweeps(state: WorkerState, running: Run) -> None:
    watchdog = Watchdog(state)
    watchdog.tick(sweep=True)
    watchdog.tick(sweep=False)
    watchdog.tick(sweep=True)
    running.refresh_from_db()
    assert running.status == Status.QUEUED


@pytest.mark.parametrize(("exitcode", "status"), [(None, 0), (0, 0), (1, 1)])
def test_a_worker_that_leaves_keeps_its_exit_status(
    state: WorkerState,
    ends: list[int],
    monkeypatch: pytest.MonkeyPatch,
    exitcode: int | None,
    status: int,
) -> None:
    monkeypatch.setattr(life, "state", state)
    life.left(sender=SimpleNamespace(exitcode=exitcode))
    life.end_quietly(state)
    assert ends == [status]


def test_a_worker_that_has_not_left_ends_as_ever(state: WorkerState, ends: list[int]) -> None:
    life.end_quietly(state)
    assert ends == []
