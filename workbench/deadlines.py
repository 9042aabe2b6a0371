"""Closes connections that send no request: each open one takes a file descriptor."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 20.0


class Deadlines(H11Protocol):
    """HTTP with a time limit for the head of a request."""

    head_seconds = HEAD_SECONDS

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._head: asyncio.TimerHandle | None = None
        self._time_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._time_head()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._time_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop()

    def _time_head(self) -> None:
        """Run the timer while the connection waits for, or receives, the head of a request."""
        if self.transport.get_protocol() is not self or self.conn.their_state is not h11.IDLE:
            self._stop()
        elif self._head is None:
            self._head = self.loop.call_later(self.head_seconds, self.transport.close)

    def _stop(self) -> None:
        if self._head:
            self._head.cancel()
            self._head = None
