"""Fixtures for the web process: Redis, model folders, users, clients."""

import json
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import redis
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from safetensors.numpy import save_file

from analysis.events import Array, Event
from workbench import redis_connection
from workbench.catalog.selectors import catalog
from workbench.management.commands.redis import server_command
from workbench.runs.execution import run_claim
from workbench.runs.models import Run
from workbench.sessions.run_start import run_create
from workbench.worker.life import state

PARAMS = {"prompt": "Tom has the ball."}


@pytest.fixture(scope="session", autouse=True)
def redis_server() -> Iterator[None]:
    """A real Redis: that of REDIS_URL if set, otherwise an embedded one."""
    if not settings.EMBEDDED_REDIS:
        yield
        return
    with subprocess.Popen(server_command()) as server:
        deadline = time.monotonic() + 10
        while True:
            try:
                redis_connection.ping()
                break
            except redis.ConnectionError:
                assert time.monotonic() < deadline
                time.sleep(0.01)
        yield
        redis_connection.connection().close()
        server.terminate()


@pytest.fixture(autouse=True)
def _empty_redis(redis_server: None) -> None:
    redis_connection.connection().flushdb()


def make_model_folder(folder: Path, **changes: Any) -> Path:
    """Files of a causal language model as far as the web process reads them."""
    folder.mkdir(parents=True)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "hidden_size": 32,
        "max_position_embeddings": 96,
        "vocab_size": 320,
        **changes,
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "vocab.txt").write_text("[PAD]\n")
    save_file({"weight": np.zeros((4, 8), np.float32)}, folder / "model.safetensors")
    return folder


@pytest.fixture(autouse=True)
def models(tmp_path_factory: pytest.TempPathFactory, settings: Any) -> Iterator[Path]:
    """A folder under MODEL_DIRS with one good model, `toy`, and one masked one, `masked`."""
    root = tmp_path_factory.mktemp("models")
    make_model_folder(root / "toy")
    make_model_folder(root / "masked", architectures=["BertForMaskedLM"])
    settings.MODEL_DIRS = [root]
    catalog.cache_clear()
    yield root
    catalog.cache_clear()


@pytest.fixture
def anna(db: None) -> User:
    return User.objects.create_user("anna", password="anna's password")


@pytest.fixture
def tom(db: None) -> User:
    return User.objects.create_user("tom", password="tom's password")


@pytest.fixture
def anna_client(anna: User) -> Client:
    client = Client(REMOTE_ADDR="192.0.2.1")
    client.force_login(anna)
    return client


@pytest.fixture
def tom_client(tom: User) -> Client:
    client = Client(REMOTE_ADDR="192.0.2.2")
    client.force_login(tom)
    return client


@pytest.fixture
def stranger_client(db: None) -> Client:
    return Client(REMOTE_ADDR="192.0.2.3")


@pytest.fixture
def make_run(anna: User) -> Callable[..., Run]:
    """Creates a run of Anna's on the toy model; each has its own seed, so none is cached."""

    def make(**changes: Any) -> Run:
        seed = Run.objects.count()
        asked: dict[str, Any] = {"owner": anna, "method": "reagent", "model": "toy", **changes}
        asked.setdefault("params", {**PARAMS, "seed": seed})
        asked.setdefault("run", uuid.uuid4())
        return run_create(**asked)[0]

    return make


class Step(Event):
    """The event of methods that exist only in tests."""

    kind: Literal["step"] = "step"
    number: int
    array: Array | None = None


Events = Callable[[Run], Iterator[Event]]


def steps(count: int, *, size: int = 0) -> Iterator[Event]:
    for number in range(count):
        yield Step(number=number, array=np.arange(size, dtype=np.float64) if size else None)


@pytest.fixture
def running(make_run: Callable[..., Run]) -> Run:
    """A run that a worker has claimed: attempt 1."""
    run = run_claim(run=make_run().id, worker="w")
    assert run is not None
    return run


@pytest.fixture
def use_method(monkeypatch: pytest.MonkeyPatch) -> Callable[[Events], None]:
    """Let every run yield the events of this function."""

    def use(events: Events) -> None:
        monkeypatch.setattr("workbench.worker.tasks.analysis_events", events)

    return use


@pytest.fixture(autouse=True)
def _fresh_worker_state() -> Iterator[None]:
    yield
    state.stopping.clear()
    state.work = None


def seqs(run: Run, attempt: int = 1) -> list[int]:
    found: Any = run.events.filter(attempt=attempt).order_by("seq")
    return [row.seq for row in found]
