"""Writes of workers: runs are claimed once, attempts fenced, events numbered without gaps."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from analysis.errors import OutOfMemory
from workbench import redis_connection
from workbench.catalog.models import ModelCheck
from workbench.catalog.selectors import model_get, model_list
from workbench.errors import AttemptLost
from workbench.runs import flags
from workbench.runs.execution import (
    Pending,
    event_append,
    run_claim,
    run_end,
    run_model_seen,
    run_recover,
    run_release,
)
from workbench.runs.models import Run, RunEvent, Status
from workbench.runs.selectors import event_list, run_snapshot

pytestmark = pytest.mark.django_db
Make = Callable[..., Run]


def payloads(run: Run, attempt: int) -> list[dict[str, Any]]:
    return [json.loads(row.payload) for row in event_list(run=run, attempt=attempt, after=0)]


def test_a_run_is_claimed_once(make_run: Make) -> None:
    run = make_run()
    claimed = run_claim(run=run.id, worker="first")
    assert claimed is not None
    assert (claimed.status, claimed.attempt, claimed.worker) == (Status.RUNNING, 1, "first")
    assert run_claim(run=run.id, worker="second") is None
    run.refresh_from_db()
    assert (run.attempt, run.worker) == (1, "first")
    assert payloads(run, 1) == [{"kind": "status", "status": "running", "error": None}]


def test_the_last_event_and_the_status_come_together(running: Run) -> None:
    event_append(run=running.id, attempt=1, events=[Pending(2, "{}")])
    error = OutOfMemory("Too much.", remedy="Take less.")
    assert run_end(run=running.id, attempt=1, status=Status.FAILED, error=error)
    running.refresh_from_db()
    assert (running.status, running.error) == (Status.FAILED, error.as_dict())
    rows = event_list(run=running, attempt=1, after=0)
    assert [row.seq for row in rows] == [1, 2, 3]
    last = payloads(running, 1)[-1]
    assert last == {"kind": "status", "status": "failed", "error": error.as_dict()}
    shown = run_snapshot(running)
    assert shown.error is not None
    assert shown.error.remedy == "Take less."


def test_an_error_may_name_a_token_that_holds_nul(running: Run) -> None:
    error = OutOfMemory("a\0b", remedy="c")
    assert run_end(run=running.id, attempt=1, status=Status.FAILED, error=error)
    running.refresh_from_db()
    assert running.error["message"] == "a\\0b"
    assert payloads(running, 1)[-1]["error"] == running.error


def test_an_attempt_that_was_lost_writes_nothing(running: Run) -> None:
    run_release(run=running.id, attempt=1)
    with pytest.raises(AttemptLost):
        event_append(run=running.id, attempt=1, events=[Pending(2, "{}")])
    with pytest.raises(AttemptLost):
        run_model_seen(
            run=running.id, attempt=1, info={"id": "toy", "revision": "x"}, environment={}
        )
    assert not run_end(run=running.id, attempt=1, status=Status.DONE)
    second = run_claim(run=running.id, worker="second")
    assert second is not None
    with pytest.raises(AttemptLost):
        event_append(run=running.id, attempt=1, events=[Pending(2, "{}")])
    event_append(run=running.id, attempt=2, events=[Pending(2, '{"of":"second"}')])
    assert payloads(second, 2)[1:] == [{"of": "second"}]
    assert len(payloads(second, 1)) == 1


def test_an_ended_run_takes_no_more_events(running: Run) -> None:
    run_end(run=running.id, attempt=1, status=Status.CANCELLED)
    with pytest.raises(AttemptLost):
        event_append(run=running.id, attempt=1, events=[Pending(3, "{}")])
    assert not run_end(run=running.id, attempt=1, status=Status.DONE)


def test_a_released_run_waits_again_and_is_sent_again(running: Run) -> None:
    redis_connection.connection().flushdb()
    assert run_release(run=running.id, attempt=1)
    running.refresh_from_db()
    assert (running.status, running.attempt, running.lost_workers) == (Status.QUEUED, 1, 0)
    assert flags.sent_marked(run=running.id)
    assert not run_release(run=running.id, attempt=1)


def test_a_run_that_keeps_losing_workers_fails_with_a_remedy(running: Run, settings: Any) -> None:
    settings.MAX_LOST_WORKERS = 3
    for attempt in (1, 2):
        assert run_recover(run=running.id, attempt=attempt)
        assert run_claim(run=running.id, worker="next")
    assert run_recover(run=running.id, attempt=3)
    running.refresh_from_db()
    assert running.status == Status.FAILED
    assert running.error["code"] == "worker_lost"
    assert running.error["remedy"]


def test_a_cancel_is_obeyed_when_the_worker_is_lost(running: Run) -> None:
    flags.cancel_ask(run=running.id)
    run_recover(run=running.id, attempt=1)
    running.refresh_from_db()
    assert running.status == Status.CANCELLED


def test_an_array_is_linked_once_and_kept_for_its_runs(make_run: Make) -> None:
    for _ in range(2):
        run = run_claim(run=make_run().id, worker="w")
        assert run is not None
        arrays = {"a" * 64: 5, "b" * 64: 6}
        event_append(run=run.id, attempt=1, events=[Pending(2, "{}", arrays)] * 1)
        event_append(run=run.id, attempt=1, events=[Pending(3, "{}", {"a" * 64: 5})])
        assert sorted(run.artifacts.values_list("size", flat=True)) == [5, 6]


def test_the_self_check_of_a_load_is_remembered(running: Run) -> None:
    check = {"passed": True, "max_abs_difference": 1e-6}
    info = {"id": "toy", "revision": running.revision, "self_check": check}
    run_model_seen(run=running.id, attempt=1, info=info, environment={})
    run_model_seen(run=running.id, attempt=1, info={**info, "self_check": None}, environment={})
    detail = model_get(model="toy")
    assert detail.self_check == check
    assert detail.checked_at is not None
    assert ModelCheck.objects.count() == 1


def test_a_failed_self_check_is_listed_by_its_dtype_until_it_passes(make_run: Make) -> None:
    def load(dtype: str, check: dict[str, Any]) -> dict[str, str]:
        run = run_claim(run=make_run(dtype=dtype).id, worker="w")
        assert run is not None
        info = {"id": "toy", "revision": run.revision, "self_check": check, "dtype": dtype}
        run_model_seen(run=run.id, attempt=1, info=info, environment={})
        [found] = [one for one in model_list() if one.description.entry.id == "toy"]
        assert found.failed_checks == model_get(model="toy").failed_checks
        return found.failed_checks

    failed = {"passed": False, "max_abs_difference": 0.5, "tolerance": 0.1, "message": ""}
    passed = {**failed, "passed": True, "max_abs_difference": 0.05}
    told = "largest difference 0.500, tolerance 0.100."
    assert load("auto", passed) == {}
    assert load("float16", failed) == {"float16": told}
    assert model_get(model="toy").checked_dtype == "float16"
    assert load("auto", failed) == {"auto": told, "float16": told}
    assert load("float16", passed) == {"auto": told}
    ModelCheck.objects.update(revision="another")
    assert model_get(model="toy").failed_checks == {}


def test_what_a_run_is_computed_with_is_kept(running: Run) -> None:
    info = {"id": "toy", "revision": running.revision}
    run_model_seen(run=running.id, attempt=1, info=info, environment={"python": "3.11.2"})
    running.refresh_from_db()
    assert running.environment == {"python": "3.11.2"}


def test_a_second_model_of_a_run_does_not_change_its_revision(running: Run) -> None:
    before = running.revision
    run_model_seen(
        run=running.id, attempt=1, info={"id": "masked", "revision": "other"}, environment={}
    )
    running.refresh_from_db()
    assert running.revision == before


def test_events_of_one_place_cannot_be_written_twice(running: Run) -> None:
    from django.db import IntegrityError, transaction

    with pytest.raises(IntegrityError), transaction.atomic():
        event_append(run=running.id, attempt=1, events=[Pending(1, "{}")])
    assert RunEvent.objects.count() == 1


def test_text_that_a_json_column_would_refuse_is_kept(running: Run, anna: User) -> None:
    event_append(run=running.id, attempt=1, events=[Pending(2, '{"text":"\\u0000"}')])
    assert payloads(running, 1)[1] == {"text": "\0"}
