"""Reading a bundle in a process of its own, so that a hostile one costs the server nothing.

The process has bounded memory and time, and holds no lock of the one that serves pages.
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

SMALL_BYTES = 2 * 2**20  # what unpacks to less is read at once
MEMORY_BYTES = 2 * 2**30
DEADLINE_SECONDS = 120


def bundle_read_confined(
    content: bytes, *, memory_bytes: int = MEMORY_BYTES, deadline: float = DEADLINE_SECONDS
) -> Any:
    """The `Bundle`, as `bundle_read` gives it, and its errors.

    Raises BundleRefused where reading needs more memory or time than there is.
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
    """An error on its way between processes; exceptions with keyword arguments cannot travel."""

    def __init__(self, error: GlassbenchError) -> None:
        self.kind, self.message = type(error), error.message
        self.remedy, self.field = error.remedy, error.field

    def error(self) -> GlassbenchError:
        return self.kind(self.message, remedy=self.remedy, field=self.field)


def _begin(memory_bytes: int) -> None:
    """Import first: the limit is on what reading takes, not on what libraries reserve."""
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
    """Without waiting: a process that is stuck would never come to its end."""
    for process in list((pool._processes or {}).values()):
        process.kill()
    pool.shutdown(wait=False, cancel_futures=True)


def _refuse(why: str) -> BundleRefused:
    return BundleRefused(
        f"The bundle is refused: {why}.", remedy="Export fewer panels into each bundle."
    )
