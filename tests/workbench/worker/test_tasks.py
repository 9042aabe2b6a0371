"""The task: each way in which a run can end."""

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
import torch

from analysis import stopping
from analysis.errors import PromptTooLong
from analysis.events import Event, ModelInfo, ModelLoaded, SelfCheck
from tests.workbench.conftest import Step, seqs, steps
from workbench.catalog.selectors import model_get
from workbench.runs import flags
from workbench.runs.execution import run_claim, run_release
from workbench.runs.models import Run, Status
from workbench.worker.life import Watchdog, state
from workbench.worker.tasks import run_execute

pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., Run]


def execute(run: Run) -> Run:
    run_execute(str(run.id))
    run.refresh_from_db()
    return run


def kinds(run: Run) -> list[str]:
    payloads = [json.loads(row.payload) for row in run.events.order_by("attempt", "seq")]
    return [event.get("status", event["kind"]) for event in payloads]


def test_a_run_is_done(make_run: Make, use_method: Any) -> None:
    use_method(lambda _: steps(5))
    run = execute(make_run())
    assert (run.status, run.attempt, run.error) == (Status.DONE, 1, None)
    assert kinds(run) == ["running", *["step"] * 5, "done"]
    assert seqs(run) == list(range(1, 8))
    assert run.started_at <= run.finished_at
    assert not flags.lease_exists(run=run.id)
    assert state.work is None


def test_a_message_delivered_twice_does_nothing(make_run: Make, use_method: Any) -> None:
    use_method(lambda _: steps(1))
    run = execute(make_run())
    before = kinds(run)
    assert kinds(execute(run)) == before
    run_execute(str(uuid.uuid4()))


def test_a_message_for_a_run_being_worked_on_leaves_it_alone(
    make_run: Make, use_method: Any
) -> None:
    run = make_run()
    flags.lease_take(run=run.id, worker="other")
    run_claim(run=run.id, worker="other")
    use_method(lambda _: steps(1))
    assert execute(run).status == Status.RUNNING
    assert run.worker == "other"
    assert flags.lease_exists(run=run.id)


def test_the_lease_is_held_while_it_works(make_run: Make, use_method: Any) -> None:
    leases = []

    def look(run: Run) -> Iterator[Event]:
        leases.append((flags.lease_exists(run=run.id), state.as_dict()["run"]))
        yield Step(number=0)

    use_method(look)
    run = execute(make_run())
    assert leases == [(True, str(run.id))]


def test_large_arrays_are_kept_and_linked(make_run: Make, use_method: Any) -> None:
    use_method(lambda _: steps(2, size=10_000))
    run = execute(make_run())
    assert [artifact.size for artifact in run.artifacts.all()] == [80_000]


def test_a_refusal_of_the_method_is_kept_with_its_remedy(make_run: Make, use_method: Any) -> None:
    def refuse(_: Run) -> Iterator[Event]:
        yield Step(number=0)
        raise PromptTooLong("120 tokens; the limit is 96.", remedy="Shorten it.", field="prompt")

    use_method(refuse)
    run = execute(make_run())
    assert kinds(run) == ["running", "step", "failed"]
    assert run.error == {
        "code": "prompt_too_long",
        "message": "120 tokens; the limit is 96.",
        "remedy": "Shorten it.",
        "field": "prompt",
    }


def test_a_fault_of_a_method_is_logged_not_shown(
    make_run: Make, use_method: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Run) -> Iterator[Event]:
        yield Step(number=0)
        raise ZeroDivisionError("secret detail")

    use_method(fail)
    run = execute(make_run())
    assert run.error["code"] == "internal"
    assert "secret detail" not in json.dumps(run.error)
    log_id = run.error["remedy"].split()[2]
    assert log_id in caplog.text
    assert "secret detail" in caplog.text
    use_method(lambda _: steps(1))
    assert execute(make_run()).status == Status.DONE


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("planted"),
        torch.OutOfMemoryError("planted"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: planted"),
    ],
)
def test_running_out_of_memory_is_typed_and_the_worker_lives(
    make_run: Make, use_method: Any, error: Exception
) -> None:
    def fail(_: Run) -> Iterator[Event]:
        yield Step(number=0)
        raise error

    use_method(fail)
    run = execute(make_run())
    assert run.error["code"] == "out_of_memory"
    use_method(lambda _: steps(1))
    assert execute(make_run()).status == Status.DONE


def test_an_event_too_large_fails_the_run(make_run: Make, use_method: Any, settings: Any) -> None:
    settings.MAX_EVENT_BYTES = 10
    use_method(lambda _: steps(1))
    assert execute(make_run()).error["code"] == "event_too_large"


def test_a_cancel_ends_a_run_between_events_and_its_events_stay(
    make_run: Make, use_method: Any
) -> None:
    closed = []

    def cancelled(run: Run) -> Iterator[Event]:
        try:
            for number in range(1000):
                if number == 3:
                    flags.cancel_ask(run=run.id)
                yield Step(number=number)
        finally:
            closed.append(True)

    use_method(cancelled)
    run = execute(make_run())
    assert run.status == Status.CANCELLED
    assert kinds(run) == ["running", *["step"] * 4, "cancelled"]
    assert closed == [True]
    assert not flags.cancel_asked(run=run.id)


def test_a_cancel_ends_a_run_inside_a_pass(make_run: Make, use_method: Any) -> None:
    """A pass that yields nothing asks before each large operation."""
    closed = []

    def silent(run: Run) -> Iterator[Event]:
        yield Step(number=0)
        try:
            flags.cancel_ask(run=run.id)
            with state.working(run=run.id, attempt=1):
                Watchdog(state).tick(sweep=False)
            stopping.check()
            raise AssertionError("not reached")
        finally:
            closed.append(True)

    use_method(silent)
    run = execute(make_run())
    assert (run.status, run.error, closed) == (Status.CANCELLED, None, [True])
    use_method(lambda _: steps(1))
    assert execute(make_run()).status == Status.DONE


def test_a_stopping_worker_puts_its_run_back(make_run: Make, use_method: Any) -> None:
    def stopped(_: Run) -> Iterator[Event]:
        yield Step(number=0)
        state.stopping.set()
        yield Step(number=1)
        raise AssertionError("not reached")

    use_method(stopped)
    run = execute(make_run())
    assert (run.status, run.attempt) == (Status.QUEUED, 1)
    state.stopping.clear()
    use_method(lambda _: steps(3))
    run = execute(run)
    assert (run.status, run.attempt) == (Status.DONE, 2)
    assert seqs(run, 1) == [1, 2, 3]
    assert seqs(run, 2) == [1, 2, 3, 4, 5]


def test_a_worker_that_lost_its_run_stops_quietly(
    make_run: Make, use_method: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def lose(run: Run) -> Iterator[Event]:
        yield Step(number=0)
        run_release(run=run.id, attempt=1)
        assert run_claim(run=run.id, worker="other")
        yield from steps(100_000)

    use_method(lose)
    run = execute(make_run())
    assert (run.status, run.attempt, run.worker) == (Status.RUNNING, 2, "other")
    assert seqs(run, 2) == [1]
    assert "Stopped: attempt 1" in caplog.text


def test_without_redis_a_cancel_is_not_received_but_the_run_continues(
    make_run: Make, use_method: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(**_: Any) -> bool:
        raise redis.ConnectionError("planted")

    run = make_run()
    use_method(lambda _: steps(2))
    for name in ("cancel_asked", "cancel_forget", "lease_drop"):
        monkeypatch.setattr(flags, name, away)
    assert execute(run).status == Status.DONE


def test_the_loaded_model_is_recorded(make_run: Make, use_method: Any) -> None:
    revision = model_get(model="toy").revision
    check = SelfCheck(
        passed=True, max_abs_difference=1e-6, max_abs_difference_fast=1e-6, tolerance=1e-3, tokens=9
    )
    info = ModelInfo(
        id="toy", revision=revision, architecture="LlamaForCausalLM", parameters=32, layers=2,
        heads=4, key_value_heads=2, width=32, context=96, vocabulary=320, dtype="float32",
        device="cpu", capabilities=["causal_lm"], weights="raw", self_check=check,
    )  # fmt: skip
    use_method(lambda _: (event for event in [ModelLoaded(info=info)]))
    run = execute(make_run(method="inspect", params={}))
    assert (run.status, run.queue) == (Status.DONE, "default")
    assert model_get(model="toy").self_check["passed"] is True
