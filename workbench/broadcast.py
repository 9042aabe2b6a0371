"""Telling the pages that watch. At most once: they repair what is lost from the database."""

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
