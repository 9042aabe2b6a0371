"""Reads a bundle in a separate process with limited memory and time.

A hostile bundle then cannot slow down or end the web process.
"""

import multiprocessing
import resource
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import django
import psutil

from analysis.errors import GlassbenchError
from workbench.reports.archive import archive_size
from workbench.reports.errors import BundleRefused

SMALL_BYTES = 2 * 2**20  # smaller bundles are read in this process
MEMORY_BYTES = 2 * 2**30
DEADLINE_SECONDS = 120


def bundle_read_confined(
    content: bytes, *, memory_bytes: int = MEMORY_BYTES, deadline: float = DEADLINE_SECONDS
) -> Any:
    """The `Bundle`, read by `bundle_read`. Raises its errors.

    Also raises BundleRefused if reading exceeds the memory or the time.
    """
    if archive_size(content) < SMALL_BYTES:
        return _read(content)
    pool = ProcessPoolExecutor(
        1, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(memory_bytes,)
    )
    try:
        outcome = pool.submit(_outcome, content).result(timeout=deadline)
    except TimeoutError:
        raise _refuse(f"reading it takes more than {deadline:g} seconds") from None
    except (BrokenProcessPool, MemoryError):
        raise _refuse(f"reading it takes more than {memory_bytes} bytes of memory") from None
    finally:
        _end(pool)
    if isinstance(outcome, _Refusal):
        raise outcome.error()
    return outcome


class _Refusal:
    """An error sent between processes; exceptions with keyword arguments cannot be pickled."""

    def __init__(self, error: GlassbenchError) -> None:
        self.kind, self.message = type(error), error.message
        self.remedy, self.field = error.remedy, error.field

    def error(self) -> GlassbenchError:
        return self.kind(self.message, remedy=self.remedy, field=self.field)


def _begin(memory_bytes: int) -> None:
    """Import first, so that the limit does not count the memory of libraries."""
    django.setup()
    import workbench.reports.reading  # noqa: F401

    most = psutil.Process().memory_info().vms + memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _outcome(content: bytes) -> Any:
    try:
        return _read(content)
    except GlassbenchError as error:
        return _Refusal(error)


def _read(content: bytes) -> Any:
    from workbench.reports.reading import bundle_read  # after Django is set up

    return bundle_read(content)


def _end(pool: ProcessPoolExecutor) -> None:
    """Kill the processes; waiting for one that hangs would take forever."""
    for process in list((pool._processes or {}).values()):
        process.kill()
    pool.shutdown(wait=False, cancel_futures=True)


def _refuse(why: str) -> BundleRefused:
    return BundleRefused(
        f"The bundle is refused: {why}.", remedy="Export fewer panels into each bundle."
    )
