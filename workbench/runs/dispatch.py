"""Sends runs to the workers: the message holds only the run's id."""

import logging
from uuid import UUID

import redis
from kombu.exceptions import OperationalError

from workbench.celery import app
from workbench.runs import flags

TASK = "workbench.run_execute"
NORMAL, FIRST = 6, 0  # kombu's Redis transport delivers the lowest number first

log = logging.getLogger(__name__)


def run_dispatch(*, run: UUID, queue: str, priority: int = NORMAL) -> None:
    """Send the run's message. If Redis is not reachable, a worker's sweep sends it later."""
    try:
        app.send_task(TASK, args=[str(run)], queue=queue, priority=priority, retry=False)
        flags.sent_mark(run=run)
    except (OperationalError, redis.RedisError) as error:
        log.warning("Run %s waits until Redis is back: %s", run, error)
