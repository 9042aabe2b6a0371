"""The product that is attacked: real processes on a folder of their own, on loopback."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.e2e.stack import Stack

PROMPT = "Anna has the ball. Tom has the book. Question: Who has the ball? Answer:"


@contextmanager
def product(**environment: str) -> Iterator[Stack]:
    """Started afresh, with settings of .env.example changed; stopped at the end."""
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder) / "data", environment)
        stack.data_dir.mkdir()
        try:
            yield stack.start()
        finally:
            stack.stop()


def web_memory(stack: Stack) -> int:
    """Bytes that the web process and its children hold."""
    web = psutil.Process(stack.servers[1].pid)
    return sum(process.memory_info().rss for process in [web, *web.children(recursive=True)])
