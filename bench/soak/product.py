"""The product under attack: real processes with their own folder, on loopback."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.e2e.stack import Stack

PROMPT = "Anna has the ball. Tom has the book. Question: Who has the ball? Answer:"


@contextmanager
def product(**environment: str) -> Iterator[Stack]:
    """Freshly started, with other settings of .env.example; stopped at the end."""
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
