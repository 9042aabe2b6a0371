"""`make run`'s processes together: they come up, come back, and leave nothing behind."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.e2e.stack import ROOT, Stack, wait_until

pytestmark = pytest.mark.e2e


@pytest.fixture
def honcho(tmp_path: Path) -> Iterator[tuple[Stack, psutil.Process]]:
    """honcho with the Procfile, as `make run` starts it, on a folder and port of its own."""
    place = Stack(tmp_path / "data", {"PYTHON": sys.executable, "PRELOAD_MODEL": ""})
    place.models.mkdir(parents=True)
    environment = place.child_environment()
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        cwd=ROOT, env=environment, check=True,
    )  # fmt: skip
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "honcho", "start", "--port", str(place.port)],
            cwd=ROOT, env=environment, stdout=log, stderr=log,
        )  # fmt: skip
    running = psutil.Process(process.pid)
    yield place, running
    if process.poll() is None:
        for child in running.children(recursive=True):
            child.kill()
        process.kill()
    process.wait()
    place.client.close()


def answers(place: Stack) -> bool:
    try:
        return place.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


def workers(running: psutil.Process) -> list[psutil.Process]:
    """Worker processes that live, not the shell loops around them."""
    return [child for child in running.children(recursive=True) if is_worker(child)]


def is_worker(process: psutil.Process) -> bool:
    try:
        return "celery" in process.cmdline() and Path(process.exe()).name.startswith("python")
    except psutil.NoSuchProcess:  # ended between being listed and being looked at
        return False


def test_they_come_up_come_back_and_go(honcho: tuple[Stack, psutil.Process]) -> None:
    place, running = honcho
    wait_until("the page", lambda: answers(place))
    wait_until("a worker", lambda: place.get("/api/worker").json()["workers"])

    killed = wait_until("the worker's process", lambda: workers(running))[0]
    killed.send_signal(signal.SIGKILL)
    wait_until("another worker", lambda: [p for p in workers(running) if p.pid != killed.pid])

    family = running.children(recursive=True)
    assert {"valkey-server"} <= {process.name() for process in family}
    running.send_signal(signal.SIGINT)
    _, alive = psutil.wait_procs([running, *family], timeout=30)
    assert alive == []


def test_a_taken_port_is_named_with_the_way_out(stack: Stack) -> None:
    result = subprocess.run(
        [sys.executable, "manage.py", "serve", "--check-port"],
        cwd=ROOT, env=stack.child_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode != 0
    assert f"Port {stack.port}" in result.stderr
    assert f"make run PORT={stack.port + 1}" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_second_redis_on_the_same_folder_is_refused(stack: Stack) -> None:
    result = subprocess.run(
        [sys.executable, "manage.py", "redis"],
        cwd=ROOT, env=stack.child_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode != 0
    assert "runs already" in result.stderr


def test_files_are_served_without_a_word_in_the_log(stack: Stack) -> None:
    response = stack.get("/static/accounts/account.css")
    assert response.status_code == 200
    assert response.headers["Content-Security-Policy"]
    assert "Warning" not in stack.log("web")
    assert "Traceback" not in stack.log("web")
