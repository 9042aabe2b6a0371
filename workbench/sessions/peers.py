"""The rooms of one session in other processes, reached through Redis.

A message may be lost: after a gap in the numbers, and periodically, rooms read the database.
"""

import logging
from typing import Any
from uuid import UUID

import redis
from channels.layers import get_channel_layer

from workbench.sessions.broadcast import session_group
from workbench.sessions.store import document_group

log = logging.getLogger(__name__)


class Peers:
    """Sends and receives messages between `join` and `leave`."""

    def __init__(self, session: UUID) -> None:
        self._session = session
        self._layer: Any = get_channel_layer()
        self._channel = ""

    async def join(self) -> None:
        self._channel = await self._layer.new_channel()
        for group in self._groups():
            await self._layer.group_add(group, self._channel)

    async def leave(self) -> None:
        for group in self._groups():
            await self._layer.group_discard(group, self._channel)

    async def send(self, message: dict[str, Any], group: str | None = None) -> None:
        """Send to the rooms of the session, or to another group."""
        try:
            group = group or document_group(self._session)
            await self._layer.group_send(group, {**message, "from": self._channel})
        except redis.RedisError as error:
            log.warning("Redis is not reachable; other processes read the change later: %s", error)

    async def receive(self) -> dict[str, Any]:
        """The next message of another process."""
        while True:
            message: dict[str, Any] = await self._layer.receive(self._channel)
            if message.get("from") != self._channel:
                return message

    def _groups(self) -> tuple[str, str]:
        return document_group(self._session), session_group(self._session)
