"""Run the web process."""

import logging
import socket
import time
from typing import Any

import redis
import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from workbench import redis_connection
from workbench.deadlines import Deadlines
from workbench.masking import masked

# Larger frames close the connection. A page that was offline may send a whole document.
MAX_FRAME_BYTES = settings.MAX_DOCUMENT_BYTES + 2**16
REDIS_SECONDS = 10


class Command(BaseCommand):
    help = "Run the web process, and print its address once it answers."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument(
            "--check-port",
            action="store_true",
            help="Only print PORT, or report that it is in use.",
        )

    def handle(self, *args: Any, check_port: bool = False, **options: Any) -> None:
        refuse_taken_port()
        if check_port:
            self.stdout.write(str(settings.PORT))
            return
        wait_for_redis()
        Server(server_config()).run()


class Server(uvicorn.Server):
    """Logs its address as soon as it listens."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host = f"[{settings.BIND}]" if ":" in settings.BIND else settings.BIND
        logging.getLogger("workbench").info(
            "Glassbench: http://%s:%d%s/", host, settings.PORT, settings.BASE_PATH
        )


def server_config() -> uvicorn.Config:
    return uvicorn.Config(
        "workbench.asgi:application",
        host=settings.BIND,
        port=settings.PORT,
        http=Deadlines,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=bool(settings.TRUSTED_PROXIES),
        forwarded_allow_ips=settings.TRUSTED_PROXIES,
        ws_max_size=MAX_FRAME_BYTES,
        # Compression would take memory for each socket and time for each event.
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=2,
    )


def refuse_taken_port() -> None:
    """Raises CommandError, which names the port and how to choose another."""
    family = socket.AF_INET6 if ":" in settings.BIND else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.BIND, settings.PORT))
        except OSError as error:
            raise CommandError(
                f"Port {settings.PORT} on {settings.BIND} cannot be used ({error.strerror}): "
                "another program has it, perhaps an earlier Glassbench. Stop that, or choose "
                f"another port: make run PORT={settings.PORT + 1}"
            ) from None


def wait_for_redis() -> None:
    """Wait for Redis, which starts in parallel. Raises CommandError if it does not answer."""
    deadline = time.monotonic() + REDIS_SECONDS
    while True:
        try:
            redis_connection.ping()
        except redis.RedisError as error:
            if time.monotonic() > deadline:
                raise CommandError(
                    f"Redis at {masked(settings.REDIS_URL)} does not answer."
                ) from error
            time.sleep(0.05)
        else:
            return
