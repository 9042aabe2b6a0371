"""One running product for all end-to-end tests."""

import shutil
from collections.abc import Iterator

import pytest

from analysis.catalog import BUNDLED
from tests.e2e.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The product, running; a test that ends a worker starts another.

    Beside demo-lm there is `no-weights`, a model folder without its weights.
    """
    running = Stack(tmp_path_factory.mktemp("stack"))
    try:
        running.start()
        broken = running.models / "no-weights"
        broken.mkdir()
        shutil.copy(BUNDLED / "demo-lm" / "config.json", broken)
        yield running
    finally:
        running.stop()
