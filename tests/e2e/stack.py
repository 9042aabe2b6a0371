"""The whole product as real processes on a data folder of their own.

The same commands as in the Procfile, one by one, so that a test can kill one and start it again.
"""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 240
STOP_SECONDS = 20
Json = dict[str, Any]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def commands() -> dict[str, list[str]]:
    """The Procfile's commands, the worker's without the loop that starts it again."""
    lines = (ROOT / "Procfile").read_text().splitlines()
    found = dict(line.split(": ", 1) for line in lines if line)
    loop = re.search(r"until (.+?); do", found["worker"])
    assert loop
    found["worker"] = loop[1]
    quoted = {name: text.removeprefix("exec ") for name, text in found.items()}
    return {name: [sys.executable, *shlex.split(text)[1:]] for name, text in quoted.items()}


def wait_until(what: str, true: Callable[[], Any], seconds: float = START_SECONDS) -> Any:
    """The first value that is true; fails naming what was waited for."""
    deadline = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.2)
    return value


@dataclass
class Stack:
    """Redis, web process and workers; `url` is where the page is.

    `environment` adds variables of .env.example. Logs are in `data_dir`/logs.
    """

    data_dir: Path
    environment: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    workers: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    servers: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.environment.get('BASE_PATH', '')}"

    @property
    def models(self) -> Path:
        """A folder under MODEL_DIRS; a model put here is found at once."""
        return self.data_dir / "models"

    def start(self, *, worker: bool = True) -> "Stack":
        """All processes, or all but the worker; returns when they are ready."""
        self.models.mkdir(parents=True)
        (self.data_dir / "logs").mkdir()
        self.manage("migrate", "--verbosity", "0")
        for name in ("redis", "web"):
            self.servers.append(self._spawn(name))
        if worker:
            self.start_worker(wait=False)
        wait_until("the page", self._answers)
        self.wait_for_workers()
        return self

    def manage(self, *arguments: str, **environment: str) -> None:
        """A command of manage.py, to its end."""
        command = [sys.executable, "manage.py", *arguments]
        subprocess.run(command, cwd=ROOT, env=self.child_environment(**environment), check=True)

    def start_worker(self, *, wait: bool = True, **environment: str) -> "subprocess.Popen[bytes]":
        """One worker more."""
        worker = self._spawn("worker", **environment)
        self.workers.append(worker)
        if wait:
            self.wait_for_workers()
        return worker

    def start_web(self, port: int) -> "subprocess.Popen[bytes]":
        """Another web process on the same data; returns when it answers."""
        process = self._spawn("web", PORT=str(port))
        self.servers.append(process)

        def answers() -> bool:
            assert process.poll() is None, self.log("web")
            try:
                return httpx.get(f"http://127.0.0.1:{port}/healthz").is_success
            except httpx.TransportError:
                return False

        wait_until("the other web process", answers)
        return process

    def kill_worker(self, worker: "subprocess.Popen[bytes] | None" = None) -> None:
        """SIGKILL, to the first worker if none is named."""
        self._end(worker or self.workers[0], signal.SIGKILL)

    def stop_worker(self, worker: "subprocess.Popen[bytes] | None" = None) -> int:
        """SIGTERM, as Ctrl+C in `make run` sends it; the exit status."""
        return self._end(worker or self.workers[0], signal.SIGTERM)

    def stop(self) -> None:
        """All processes as `make run` ends them; kills what does not listen."""
        running = [*self.workers, *self.servers]
        for process in running:
            os.killpg(process.pid, signal.SIGTERM)
        for process in running:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.workers.clear()
        self.servers.clear()
        self.client.close()

    def wait_for_workers(self) -> None:
        """Until every worker that was started and not ended says that it is ready."""
        pids = {str(worker.pid) for worker in self.workers}

        def ready() -> bool:
            for worker in self.workers:
                assert worker.poll() is None, self.log("worker")
            shown = self.get("/api/worker").json()["workers"]
            names = [w["name"] for w in shown if w["state"] == "ready"]
            return pids <= {name.rpartition("-")[2] for name in names}

        wait_until("the workers", ready)

    def log(self, name: str) -> str:
        """What the processes of that name have printed."""
        files = sorted((self.data_dir / "logs").glob(f"{name}*.log"))
        return "\n".join(file.read_text(errors="replace") for file in files)

    @cached_property
    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=60, trust_env=False)

    def get(self, path: str, **query: Any) -> httpx.Response:
        return self.client.get(path, params=query)

    def post(self, path: str, body: Json | None = None) -> httpx.Response:
        """A POST as the page sends it, with its token."""
        if "csrftoken" not in self.client.cookies:
            self.client.get("/")
        token = self.client.cookies["csrftoken"]
        return self.client.post(path, json=body, headers={"X-CSRFToken": token})

    def start_run(self, *, method: str = "reagent", model: str = "demo-lm", **params: Any) -> str:
        """The id of a new run."""
        run = str(uuid.uuid4())
        body = {"id": run, "method": method, "model": model, "params": params}
        answer = self.post("/api/runs", body)
        assert answer.status_code == 201, answer.text
        return run

    def run(self, run: str) -> Json:
        found: Json = self.get(f"/api/runs/{run}").json()
        return found

    def events(self, run: str, *, attempt: int = 0) -> list[Json]:
        """All events of an attempt (0: the latest)."""
        found: list[Json] = []
        while True:
            after = found[-1]["seq"] if found else 0
            page = self.get(f"/api/runs/{run}/events", attempt=attempt, after=after).json()
            found += page["events"]
            if not page["more"]:
                return found

    def wait_for_status(self, run: str, *statuses: str) -> Json:
        def reached() -> Json | None:
            found = self.run(run)
            return found if found["status"] in statuses else None

        reached_run: Json = wait_until(f"{run} to be {statuses}", reached)
        return reached_run

    def wait_for_event(self, run: str, kind: str, *, attempt: int = 0) -> Json:
        def seen() -> Json | None:
            events = self.events(run, attempt=attempt)
            return next((event for event in events if event["event"]["kind"] == kind), None)

        event: Json = wait_until(f"{kind} of {run}", seen)
        return event

    @contextmanager
    def socket(self, **options: Any) -> Iterator[ClientConnection]:
        """A socket as a page opens it."""
        address = f"ws://127.0.0.1:{self.port}/ws"
        origin: Any = f"http://127.0.0.1:{self.port}"
        with connect(address, origin=origin, max_size=None, **options) as opened:
            yield opened

    def child_environment(self, **more: str) -> dict[str, str]:
        """Nothing of the caller's settings, so that a developer's .env names cannot leak in."""
        passed = ("PATH", "HOME", "LANG", "VIRTUAL_ENV")
        return {
            **{name: os.environ[name] for name in passed if name in os.environ},
            "BIND": "127.0.0.1",
            "PORT": str(self.port),
            "DATA_DIR": str(self.data_dir),
            "DATABASE_URL": f"sqlite:///{self.data_dir / 'glassbench.sqlite3'}",
            "REDIS_URL": "",
            "MODEL_DIRS": str(self.models),
            "LEASE_SECONDS": "6",
            "CANCEL_GRACE_SECONDS": "60",
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",  # several processes share few cores
            **self.environment,
            **more,
        }

    def _spawn(self, name: str, **environment: str) -> "subprocess.Popen[bytes]":
        number = len(list((self.data_dir / "logs").glob(f"{name}*.log")))
        with (self.data_dir / "logs" / f"{name}{number}.log").open("wb") as log:
            return subprocess.Popen(
                commands()[name],
                cwd=ROOT,
                env=self.child_environment(**environment),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _end(self, worker: "subprocess.Popen[bytes]", how: signal.Signals) -> int:
        self.workers.remove(worker)
        os.killpg(worker.pid, how)
        return worker.wait(STOP_SECONDS)

    def _answers(self) -> bool:
        for server in self.servers:
            assert server.poll() is None, self.log("web") + self.log("redis")
        try:
            return self.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False


def read_messages(opened: ClientConnection, *, seconds: float = START_SECONDS) -> Iterator[Json]:
    """Messages of a socket, one after the other."""
    while True:
        yield json.loads(opened.recv(timeout=seconds))
