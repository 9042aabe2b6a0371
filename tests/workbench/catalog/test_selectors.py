import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.catalog.entries import Catalog
from tests.tiny_models import make_llama
from workbench.catalog import selectors

FOLDERS = 12
pytestmark = pytest.mark.django_db


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve model folders, which are all that the catalog lists."""
    first = make_llama(tmp_path / "models" / "m00")
    for number in range(1, FOLDERS):
        shutil.copytree(first, first.with_name(f"m{number:02}"))
    found = Catalog(bundled=first.parent)
    monkeypatch.setattr(selectors, "catalog", lambda: found)
    monkeypatch.setattr("analysis.catalog.entries._downloaded", list)
    return first.parent


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[Path]:
    """How often each folder is listed and each file is read as a text."""
    count: Counter[Path] = Counter()
    iterdir, read_text = Path.iterdir, Path.read_text

    def listed(path: Path) -> Iterator[Path]:
        count[path] += 1
        return iterdir(path)

    def read(path: Path, encoding: str | None = None) -> str:
        count[path] += 1
        return read_text(path, encoding)

    monkeypatch.setattr(Path, "iterdir", listed)
    monkeypatch.setattr(Path, "read_text", read)
    return count


def test_the_list_reads_each_folder_and_its_configuration_once(
    root: Path, reads: Counter[Path]
) -> None:
    assert [found.description.entry.id for found in selectors.model_list()] == [
        f"m{number:02}" for number in range(FOLDERS)
    ]
    folders = [root / f"m{number:02}" for number in range(FOLDERS)]
    assert reads[root] == 1
    assert {reads[folder.resolve()] for folder in folders} == {1}
    assert {reads[folder / "config.json"] for folder in folders} == {1}


def test_a_list_asked_for_again_parses_no_tokenizer_and_no_weights(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = selectors.model_list()
    for parser in ("vocabulary.Tokenizer", "files.safe_open"):
        monkeypatch.setattr(f"analysis.catalog.{parser}", None)
    assert selectors.model_list() == before
    assert all(found.description.problem is None for found in before)
