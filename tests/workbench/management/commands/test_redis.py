"""The embedded server, as a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.stack import ROOT, wait_until

pytestmark = pytest.mark.django_db


@pytest.fixture
def wrapper(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    environment = {**os.environ, "DATA_DIR": str(tmp_path), "REDIS_URL": "", "DATABASE_URL": ""}
    command = [sys.executable, "manage.py", "redis"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
    yield process
    process.kill()
    process.wait()


def server_of(wrapper: "subprocess.Popen[bytes]") -> psutil.Process:
    children = wait_until("the server", psutil.Process(wrapper.pid).children)
    server: psutil.Process = children[0]
    wait_until("its name", lambda: server.name() == "valkey-server")
    return server


def test_a_server_that_is_left_over_heeds_sigterm(wrapper: "subprocess.Popen[bytes]") -> None:
    server = server_of(wrapper)
    wrapper.kill()
    wrapper.wait()
    server.send_signal(signal.SIGTERM)
    server.wait(timeout=20)


def test_a_ctrl_c_to_the_group_leaves_it_to_the_wrapper(
    wrapper: "subprocess.Popen[bytes]",
) -> None:
    server = server_of(wrapper)
    assert os.getpgid(server.pid) != os.getpgid(wrapper.pid)
    os.killpg(wrapper.pid, signal.SIGINT)
    assert wrapper.wait(timeout=20) == 0
    server.wait(timeout=20)


def test_a_server_that_does_not_leave_is_ended(wrapper: "subprocess.Popen[bytes]") -> None:
    server = server_of(wrapper)
    server.suspend()  # as on a machine that is too busy to let it go on
    os.killpg(wrapper.pid, signal.SIGINT)
    assert wrapper.wait(timeout=60) == 0
    server.wait(timeout=20)
