"""The running product: from a click to the first event, many sockets on one run, memory.

Redis, web process and worker are real and freshly started, on the bundled model.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from bench.clicks import FINAL, QUIET, click_lines, colour_line
from bench.fan_out import SOCKETS, delivery_lines, fan_out
from bench.table import Line
from tests.e2e.stack import Stack


def lines() -> Iterator[Line]:
    with running() as stack:
        yield from click_lines(stack)
        yield colour_line(stack)
        idle = memory(stack)
        ours = fan_out(stack)
        yield Line(
            f"memory of the web process, after {SOCKETS} sockets",
            "MiB",
            memory(stack),
            at_most=150,
            details={"before_the_sockets": idle},
        )
    with running(DJANGO_SETTINGS_MODULE="bench.default_layer") as stack:
        theirs = fan_out(stack)
    yield from delivery_lines(ours, theirs)


@contextmanager
def running(**environment: str) -> Iterator[Stack]:
    """The product with a worker that has its model loaded and has run once."""
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder) / "data", environment)
        stack.data_dir.mkdir()
        try:
            stack.start()
            stack.wait_for_status(stack.start_run(**QUIET, probes=64), *FINAL)
            yield stack
        finally:
            stack.stop()


def memory(stack: Stack) -> float:
    """Resident memory of the web process and its children, MiB."""
    web = psutil.Process(stack.servers[1].pid)
    processes = [web, *web.children(recursive=True)]
    return sum(process.memory_info().rss for process in processes) / 2**20
