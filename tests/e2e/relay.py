"""A relay between browser and server that can be cut: Chromium keeps sockets open when offline."""

import contextlib
import socket
from types import TracebackType

from tests.e2e.listener import Listener, exchange


class Relay(Listener):
    """Forwards connections from its own port until `cut`, and again after `restore`."""

    def __init__(self, target: int) -> None:
        super().__init__(target)
        self.open = True
        self.ends: list[socket.socket] = []

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)
        self.cut()

    def cut(self) -> None:
        """Drop every connection and refuse new ones."""
        self.open = False
        for end in self.ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self.ends.clear()

    def restore(self) -> None:
        self.open = True

    def serve(self, near: socket.socket) -> None:
        if not self.open:
            near.close()
            return
        far = self.connect()
        self.ends += [near, far]
        exchange(near, far)
