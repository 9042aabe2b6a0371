"""The end of a command that is refused."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from analysis.errors import GlassbenchError

REFUSED = 2


@contextmanager
def exit_on_refusal(stderr: Any) -> Iterator[None]:
    """Print a typed error of the block to `stderr` and exit with REFUSED."""
    try:
        yield
    except GlassbenchError as error:
        stderr.write(f"{error.code}: {error.message} {error.remedy}")
        sys.exit(REFUSED)
