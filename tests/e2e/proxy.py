"""A reverse proxy as small as one can be: a path in front of the product, with or without sockets.

One request a connection: the head is rewritten, then bytes go through both ways.
"""

import contextlib
import re
import socket

from tests.e2e.listener import Listener, exchange

HEAD_END = b"\r\n\r\n"


class Proxy(Listener):
    """Serves the product of `target` below `base`; `strip` removes the path, as nginx may.

    `upgrade=False`: as a proxy that does not forward Upgrade, so that no socket opens.
    """

    def __init__(self, target: int, *, base: str, strip: bool, upgrade: bool = True) -> None:
        super().__init__(target)
        self.base, self.strip, self.upgrade = base, strip, upgrade

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.base}/"

    def serve(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError), near:  # either end went away
            head, rest = _read_head(near)
            path = head.split(b" ", 2)[1].decode()
            if not path.startswith(f"{self.base}/"):
                near.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                return
            with self.connect() as far:
                far.sendall(self._rewritten(head) + HEAD_END + rest)
                exchange(near, far)

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
