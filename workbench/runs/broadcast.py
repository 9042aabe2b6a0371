"""Telling the pages that watch. At most once: they repair what is lost from the database."""

import asyncio
import logging
import threading
from functools import cache
from typing import Any
from uuid import UUID

import redis
from channels.layers import get_channel_layer

QUEUE_GROUP = "queue"
SEND_SECONDS = 5

log = logging.getLogger(__name__)


def run_group(run: UUID) -> str:
    return f"run.{run}"


def broadcast_events(*, run: UUID, attempt: int, first: int, frames: list[str]) -> None:
    """Events `first`, `first` + 1, … of an attempt, as the texts that the socket sends."""
    group_send(
        run_group(run),
        {
            "type": "run.events",
            "run": str(run),
            "attempt": attempt,
            "first": first,
            "frames": frames,
        },
    )


def broadcast_run(run: UUID) -> None:
    """The run's snapshot has changed."""
    group_send(run_group(run), {"type": "run.changed", "run": str(run)})


def broadcast_queue() -> None:
    """Positions in the queue have changed."""
    group_send(QUEUE_GROUP, {"type": "queue.changed"})


def group_send(group: str, message: dict[str, Any]) -> None:
    """Never raises: what is lost is read later."""
    layer = get_channel_layer()
    assert layer is not None
    sending = asyncio.run_coroutine_threadsafe(layer.group_send(group, message), _loop())
    try:
        sending.result(timeout=SEND_SECONDS)
    except (redis.RedisError, TimeoutError) as error:
        log.warning("Pages were not told at once, they will read it later: %s", error)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """One loop, and so one connection to Redis, for all threads of the process."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="broadcast", daemon=True).start()
    return loop
