"""Broadcasts to watching pages. A message may be lost; pages then read the database."""

import asyncio
import logging
import threading
from functools import cache
from typing import Any

import redis
from channels.layers import get_channel_layer

log = logging.getLogger(__name__)

SEND_SECONDS = 5


def group_send(group: str, message: dict[str, Any]) -> None:
    """Send a message to a group. Never raises: pages recover lost messages from the database."""
    layer = get_channel_layer()
    assert layer is not None
    sending = asyncio.run_coroutine_threadsafe(layer.group_send(group, message), _loop())
    try:
        sending.result(timeout=SEND_SECONDS)
    except (redis.RedisError, TimeoutError) as error:
        log.warning("Redis is not reachable; pages read the change later: %s", error)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """One event loop, and so one Redis connection, for all threads of the process."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="broadcast", daemon=True).start()
    return loop
