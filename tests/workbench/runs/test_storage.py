"""A locked database or a full disk: runs are requeued, or fail with the reason."""

import errno
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import numpy as np
import pytest
import redis
from django.core.files.storage import default_storage
from django.db import OperationalError, connection, connections
from django.test import Client

from analysis.events import Event
from analysis.images.event import png_bytes
from tests.workbench.conftest import Step, steps
from workbench.runs import flags
from workbench.runs.models import Run, Status
from workbench.storage import storage_refusal
from workbench.worker.life import Watchdog, state
from workbench.worker.sweep import resend_lost
from workbench.worker.tasks import run_execute

pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., Run]
PICTURE = png_bytes(np.zeros((8, 8, 3), np.uint8))


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Hold the write lock of the real database file, as another program would."""
    if connection.vendor != "sqlite":
        pytest.skip("SQLite alone has one lock for all writers.")
    monkeypatch.setitem(connections.settings["default"]["OPTIONS"], "timeout", 0.05)
    connections.close_all()

    @contextmanager
    def hold() -> Iterator[None]:
        file = connections.settings["default"]["NAME"]
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")

    return hold


def test_a_run_whose_claim_fails_is_sent_again_at_once(
    make_run: Make, use_method: Any, locked: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_method(lambda _: steps(1))
    run = make_run()
    assert flags.sent_marked(run=run.id)
    with locked():
        run_execute(str(run.id))
    assert not flags.sent_marked(run=run.id)
    assert not flags.lease_exists(run=run.id)
    sent: list[str] = []
    monkeypatch.setattr(
        "workbench.worker.sweep.run_dispatch", lambda *, run, queue: sent.append(str(run))
    )
    resend_lost()
    assert sent == [str(run.id)]
    run_execute(str(run.id))
    run.refresh_from_db()
    assert run.status == Status.DONE


def test_a_claim_that_fails_without_redis_is_repeated_when_it_is_back(
    make_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(**_: Any) -> None:
        raise redis.ConnectionError("planted")

    run = make_run()
    with monkeypatch.context() as patched:
        for name in ("lease_take", "sent_forget"):
            patched.setattr(flags, name, away)
        run_execute(str(run.id))
    assert flags.sent_marked(run=run.id)
    Watchdog(state).tick(sweep=False)
    assert not flags.sent_marked(run=run.id)


def test_a_database_locked_in_mid_run_puts_the_run_back(
    make_run: Make, use_method: Any, locked: Callable[[], Any]
) -> None:
    def lock(_: Run) -> Iterator[Event]:
        yield Step(number=0)
        with locked():
            yield from steps(100_000)

    use_method(lock)
    run = make_run()
    run_execute(str(run.id))
    run.refresh_from_db()
    assert (run.status, run.attempt, run.error) == (Status.QUEUED, 1, None)
    use_method(lambda _: steps(1))
    run_execute(str(run.id))
    run.refresh_from_db()
    assert (run.status, run.attempt) == (Status.DONE, 2)


def test_a_database_that_stays_away_fails_the_run_in_the_end(
    make_run: Make, use_method: Any
) -> None:
    def fail(_: Run) -> Iterator[Event]:
        yield Step(number=0)
        raise OperationalError("database is locked")

    use_method(fail)
    run = make_run()
    for _ in range(3):
        run_execute(str(run.id))
    run.refresh_from_db()
    assert run.error["code"] == "unavailable"
    assert "database" in run.error["message"]


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "disk_full"),
        (errno.EDQUOT, "disk_full"),
        (errno.EROFS, "disk_read_only"),
        (errno.EACCES, "disk_read_only"),
    ],
)
def test_a_disk_that_takes_nothing_is_said(
    make_run: Make,
    use_method: Any,
    monkeypatch: pytest.MonkeyPatch,
    anna_client: Client,
    number: int,
    code: str,
) -> None:
    def full(*_: Any, **__: Any) -> str:
        raise OSError(number, "planted", "/srv/data/artifacts/x")

    monkeypatch.setattr(default_storage, "save", full)
    use_method(lambda _: steps(1, size=10_000))
    run = make_run()
    run_execute(str(run.id))
    run.refresh_from_db()
    assert run.error["code"] == code
    assert "/srv" not in str(run.error)
    answer = anna_client.post("/api/pictures", PICTURE, content_type="image/png")
    assert (answer.status_code, answer.json()["code"]) == (503, code)
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("database or disk is full", "disk_full"),
        ("could not extend file: No space left on device", "disk_full"),
        ("attempt to write a readonly database", "disk_read_only"),
        ("unable to open database file", "disk_read_only"),
        ("database is locked", None),
    ],
)
def test_the_words_of_databases(words: str, code: str | None) -> None:
    found = storage_refusal(OperationalError(words))
    assert (found.code if found else None) == code
    assert storage_refusal(FileNotFoundError(errno.ENOENT, "x")) is None
