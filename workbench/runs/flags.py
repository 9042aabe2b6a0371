"""Short-lived state in Redis: leases of runs, stop requests, live workers.

All of it may be lost: the database is authoritative, and the sweep repairs the rest.
"""

import json
from typing import Any
from uuid import UUID

from django.conf import settings

from workbench.redis_connection import PREFIX, connection

WORKERS = f"{PREFIX}:workers"
PRESENCE_SECONDS = 5
CANCEL_SECONDS = 24 * 3600
SENT_SECONDS = 300  # a run that is still queued afterwards is sent again


def lease_take(*, run: UUID, worker: str) -> bool:
    """Take the lease. False if another worker has it."""
    return bool(
        connection().set(_lease(run), worker, nx=True, px=int(settings.LEASE_SECONDS * 1000))
    )


def lease_refresh(*, run: UUID, worker: str) -> None:
    connection().set(_lease(run), worker, px=int(settings.LEASE_SECONDS * 1000))


def lease_drop(*, run: UUID) -> None:
    connection().delete(_lease(run))


def lease_exists(*, run: UUID) -> bool:
    return bool(connection().exists(_lease(run)))


def cancel_ask(*, run: UUID) -> None:
    connection().set(_cancel(run), "1", ex=CANCEL_SECONDS)


def cancel_asked(*, run: UUID) -> bool:
    return bool(connection().exists(_cancel(run)))


def cancel_forget(*, run: UUID) -> None:
    connection().delete(_cancel(run))


def sent_mark(*, run: UUID) -> None:
    connection().set(_sent(run), "1", ex=SENT_SECONDS)


def sent_forget(*, run: UUID) -> None:
    """Let the sweep send the run again."""
    connection().delete(_sent(run))


def sent_marked(*, run: UUID) -> bool:
    return bool(connection().exists(_sent(run)))


def worker_announce(*, worker: str, state: dict[str, Any]) -> None:
    """Announce a worker; forgotten after PRESENCE_SECONDS."""
    with connection().pipeline() as pipe:
        pipe.sadd(WORKERS, worker)
        pipe.set(_presence(worker), json.dumps(state), ex=PRESENCE_SECONDS)
        pipe.execute()


def worker_leave(*, worker: str) -> None:
    with connection().pipeline() as pipe:
        pipe.srem(WORKERS, worker)
        pipe.delete(_presence(worker))
        pipe.execute()


def worker_list() -> list[dict[str, Any]]:
    """The last state of each live worker; the others are removed."""
    names = sorted(str(name) for name in connection().smembers(WORKERS))
    states = connection().mget([_presence(name) for name in names]) if names else []
    gone = [name for name, state in zip(names, states, strict=True) if state is None]
    if gone:
        connection().srem(WORKERS, *gone)
    return [json.loads(state) for state in states if state is not None]


def _lease(run: UUID) -> str:
    return f"{PREFIX}:lease:{run}"


def _cancel(run: UUID) -> str:
    return f"{PREFIX}:cancel:{run}"


def _sent(run: UUID) -> str:
    return f"{PREFIX}:sent:{run}"


def _presence(worker: str) -> str:
    return f"{PREFIX}:worker:{worker}"
