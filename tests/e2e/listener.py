"""A loopback server that hands each connection to a thread, and bytes from socket to socket."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self


class Listener:
    """Accepts connections for `target`, a port of this machine, on its own `port`."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.listener.close()

    def serve(self, near: socket.socket) -> None:
        """Handle one connection; runs in its own thread."""
        raise NotImplementedError

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                near, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(near,), daemon=True).start()

    def connect(self) -> socket.socket:
        """A connection to the target."""
        return socket.create_connection(("127.0.0.1", self.target))


def exchange(near: socket.socket, far: socket.socket) -> None:
    """Copy bytes both ways until either side ends."""
    threading.Thread(target=pump, args=(near, far), daemon=True).start()
    pump(far, near)


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Copy bytes until the source ends."""
    with contextlib.suppress(OSError):  # either end was closed
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
