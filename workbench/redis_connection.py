"""The process's Redis connection, and counters of attempts."""

from functools import cache

import redis
from django.conf import settings

PREFIX = "glassbench"


@cache
def connection() -> "redis.Redis":
    """The process's connection pool."""
    return redis.Redis.from_url(settings.REDIS_URL, decode_responses=True)


def ping() -> None:
    """Raises redis.RedisError when Redis does not answer."""
    connection().ping()


def tries_count(*, what: str, address: str, seconds: int) -> int:
    """Attempts from an address within the current time window, including this one."""
    name = f"{PREFIX}:tries:{what}:{address}"
    with connection().pipeline() as pipe:
        pipe.set(name, 0, ex=seconds, nx=True)
        pipe.incr(name)
        return int(pipe.execute()[1])
