"""A reverse proxy as small as one can be: a path in front of the product, with or without sockets.

One request a connection: the head is rewritten, then bytes go through both ways.
"""

import contextlib
import re
import socket
import threading
from types import TracebackType

HEAD_END = b"\r\n\r\n"


class Proxy:
    """Serves the product of `target` below `base`; `strip` takes the path off, as nginx may.

    `upgrade=False`: as a proxy that does not pass Upgrade on, so that no socket opens.
    """

    def __init__(self, target: int, *, base: str, strip: bool, upgrade: bool = True) -> None:
        self.target, self.base, self.strip, self.upgrade = target, base, strip, upgrade
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.base}/"

    def __enter__(self) -> "Proxy":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                near, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError), near:  # either end went away
            head, rest = _read_head(near)
            path = head.split(b" ", 2)[1].decode()
            if not path.startswith(f"{self.base}/"):
                near.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                return
            with socket.create_connection(("127.0.0.1", self.target)) as far:
                far.sendall(self._rewritten(head) + HEAD_END + rest)
                threading.Thread(target=_pump, args=(near, far), daemon=True).start()
                _pump(far, near)

    def _rewritten(self, head: bytes) -> bytes:
        if self.strip:
            head = head.replace(b" " + self.base.encode() + b"/", b" /", 1)
        if self.upgrade and re.search(rb"(?im)^upgrade: *websocket\r?$", head):
            return head
        head = re.sub(rb"(?im)^(?:connection|upgrade):.*\r\n", b"", head + b"\r\n")
        return head + b"Connection: close"


def _read_head(near: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while HEAD_END not in data:
        more = near.recv(65536)
        if not more:
            raise OSError("it ended before its head did")
        data += more
    head, _, rest = data.partition(HEAD_END)
    return head, rest


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):  # either end was closed
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
