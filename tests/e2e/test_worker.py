"""Real worker processes: killed, stopped, hung, duplicated; no run is lost, mixed or stuck."""

import json
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing

import psutil
import pytest
import redis

from tests.e2e.stack import Json, Stack, read_messages, wait_until

pytestmark = pytest.mark.e2e

PROMPT = "Anna has the ball. Tom has the book. Question: Who has the ball? Answer:"
PLAIN = {"prompt": PROMPT, "faithfulness": False, "baselines": False, "stop_early": False}
LONG = {**PLAIN, "probes": 65_536}
MIDDLING = {**PLAIN, "probes": 2000, "max_new_tokens": 2}
QUICK = {**PLAIN, "probes": 64, "max_new_tokens": 2}


@pytest.fixture(autouse=True)
def _leave_no_run(stack: Stack) -> Iterator[None]:
    """A run left by a test that failed would keep the worker from the next."""
    yield
    for run in stack.get("/api/runs").json():
        if run["status"] in {"queued", "running"}:
            stack.post(f"/api/runs/{run['id']}/cancel")


def workers(stack: Stack) -> list[Json]:
    found: list[Json] = stack.get("/api/worker").json()["workers"]
    return found


def check_whole(stack: Stack, run: str, *, attempt: int) -> list[Json]:
    """The events of the attempt: numbered without holes, begun once, ended once."""
    events = stack.events(run, attempt=attempt)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    statuses = [e["event"]["status"] for e in events if e["event"]["kind"] == "status"]
    assert statuses[0] == "running"
    assert len(statuses) == 2
    assert events[-1]["event"]["kind"] == "status"
    return events


def test_a_run_goes_through_and_a_second_is_cached(stack: Stack) -> None:
    params = {**QUICK, "seed": 1}
    run = stack.start_run(**params)
    done = stack.wait_for_status(run, "done", "failed")
    assert done["status"] == "done", done["error"]
    events = check_whole(stack, run, attempt=1)
    kinds = {event["event"]["kind"] for event in events}
    assert {"model", "tokens", "output", "scores", "cost", "status"} <= kinds
    copy = stack.run(stack.start_run(**params))
    assert (copy["status"], copy["cached_from"]) == ("done", run)
    assert stack.events(copy["id"]) == events


def test_a_page_sees_a_run_live(stack: Stack) -> None:
    with stack.socket() as page:
        run = stack.start_run(**QUICK, seed=2)
        page.send(json.dumps({"type": "watch", "run": run, "attempt": 0, "after": 0}))
        seen: list[Json] = []
        for message in read_messages(page):
            assert message["type"] in {"run", "event"}, message
            if message["type"] == "event":
                seen.append(message)
                if message["event"].get("status") in {"done", "failed"}:
                    break
    stored = check_whole(stack, run, attempt=1)
    assert [message["event"] for message in seen] == [row["event"] for row in stored]


def test_a_cancel_frees_the_worker_and_keeps_what_there_is(stack: Stack) -> None:
    run = stack.start_run(**LONG, seed=3)
    stack.wait_for_event(run, "scores")
    assert stack.post(f"/api/runs/{run}/cancel").status_code == 200
    stack.wait_for_status(run, "cancelled")
    events = check_whole(stack, run, attempt=1)
    assert events[-1]["event"]["status"] == "cancelled"
    assert any(event["event"]["kind"] == "scores" for event in events)
    after = stack.start_run(**QUICK, seed=4)
    stack.wait_for_status(after, "done")
    wait_until("a free worker", lambda: [worker["busy"] for worker in workers(stack)] == [False])


def test_a_killed_worker_s_run_completes_as_a_new_attempt(stack: Stack) -> None:
    run = stack.start_run(**MIDDLING, seed=5)
    stack.wait_for_event(run, "scores")
    stack.kill_worker()
    stack.start_worker()
    done = stack.wait_for_status(run, "done", "failed")
    assert (done["status"], done["attempt"]) == ("done", 2)
    second = check_whole(stack, run, attempt=2)
    assert sum(bool(event["event"].get("final")) for event in second) == 1
    first = stack.events(run, attempt=1)
    assert [event["seq"] for event in first] == list(range(1, len(first) + 1))
    assert first[-1]["event"]["kind"] != "status"


def test_a_stopped_worker_puts_its_run_back_in_time(stack: Stack) -> None:
    run = stack.start_run(**LONG, seed=6)
    stack.wait_for_event(run, "scores")
    assert stack.stop_worker() == 0
    waiting = stack.run(run)
    assert (waiting["status"], waiting["position"], waiting["attempt"]) == ("queued", 1, 1)
    stack.start_worker()
    stack.wait_for_event(run, "scores", attempt=2)
    stack.post(f"/api/runs/{run}/cancel")
    stack.wait_for_status(run, "cancelled")


def pause_between_writes(stack: Stack, worker: "subprocess.Popen[bytes]") -> None:
    """SIGSTOP, again until it does not hit a transaction, which would lock SQLite for all."""
    file, state = stack.data_dir / "glassbench.sqlite3", psutil.Process(worker.pid).status
    while True:
        worker.send_signal(signal.SIGSTOP)
        wait_until("the worker to be stopped", lambda: state() == psutil.STATUS_STOPPED)
        with closing(sqlite3.connect(file, timeout=1)) as database:
            try:
                database.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                worker.send_signal(signal.SIGCONT)
                time.sleep(0.05)
            else:
                return


def test_a_worker_that_does_not_listen_is_ended(stack: Stack) -> None:
    """SIGSTOP simulates a method that hangs: its own watchdog cannot run either, so the run
    goes to another worker; the first, when it wakes, may write no more."""
    run = stack.start_run(**MIDDLING, seed=7)
    stack.wait_for_event(run, "scores")
    hung = stack.workers[0]
    pause_between_writes(stack, hung)
    stack.workers.remove(hung)
    stack.start_worker()
    stack.wait_for_event(run, "scores", attempt=2)
    hung.send_signal(signal.SIGCONT)
    done = stack.wait_for_status(run, "done", "failed")
    assert (done["status"], done["attempt"]) == ("done", 2)
    check_whole(stack, run, attempt=2)
    hung.send_signal(signal.SIGTERM)
    assert hung.wait(20) == 0


def test_messages_lost_with_redis_are_sent_again(stack: Stack) -> None:
    stack.stop_worker()
    runs = [stack.start_run(**QUICK, seed=seed) for seed in (8, 9)]
    assert [stack.run(run)["position"] for run in runs] == [1, 2]
    redis.Redis(unix_socket_path=str(stack.data_dir / "redis.sock")).flushall()
    stack.start_worker()
    for run in runs:
        assert stack.wait_for_status(run, "done", "failed")["attempt"] == 1


def test_two_workers_share_the_work(stack: Stack) -> None:
    second = stack.start_worker()
    runs = [stack.start_run(**LONG, seed=seed) for seed in (10, 11)]
    for run in runs:
        stack.wait_for_event(run, "scores")
    wait_until("both at work", lambda: {worker["run"] for worker in workers(stack)} == set(runs))
    for run in runs:
        stack.post(f"/api/runs/{run}/cancel")
        stack.wait_for_status(run, "cancelled")
    assert stack.stop_worker(second) == 0
    wait_until("one worker", lambda: len(workers(stack)) == 1)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"prompt": " "}, None),
        ({"prompt": "word " * 5000}, "prompt_too_long"),
        ({"prompt": "one </s> two"}, "special_token_in_text"),
        ({"target_start": 1000}, "target_out_of_range"),
        ({"prompt": "\u202e<script>alert(1)</script>\u202c \x01"}, None),
    ],
)
def test_the_worker_lives_after_each_refusal(stack: Stack, given: Json, code: str | None) -> None:
    pid = stack.workers[0].pid
    ended = stack.wait_for_status(stack.start_run(**{**QUICK, **given}), "done", "failed")
    if code:
        assert ended["error"]["code"] == code
        assert ended["error"]["remedy"]
    assert ended["status"] == "done" or ended["error"]["code"] != "internal"
    assert stack.workers[0].pid == pid
    assert stack.workers[0].poll() is None


def test_a_model_page_s_check_is_remembered(stack: Stack) -> None:
    run = stack.start_run(method="inspect")
    assert stack.wait_for_status(run, "done", "failed")["status"] == "done"
    facts = stack.get("/api/models/demo-lm").json()
    assert facts["self_check"]["passed"] is True
    assert facts["checked_at"]


def test_the_web_process_stays_small(stack: Stack) -> None:
    web = psutil.Process(stack.servers[1].pid)
    assert not [m.path for m in web.memory_maps() if "libtorch" in m.path]
