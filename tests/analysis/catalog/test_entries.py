import shutil
import subprocess
import sys
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import _cache_manager

from analysis.catalog.entries import BUNDLED, Catalog, Description, describe, hub_patterns
from analysis.errors import UnknownModel
from tests.tiny_pictures import make_flux

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of hub models, whatever this machine holds."""
    for module in (constants, _cache_manager):
        monkeypatch.setattr(module, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def put_into_hub_cache(folder: Path, hub_cache: Path, name: str, commit: str) -> Path:
    """The folder as huggingface_hub keeps a downloaded repository."""
    repository = hub_cache / f"models--{name.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    return Path(shutil.copytree(folder, repository / "snapshots" / commit))


@pytest.mark.parametrize("module", ["catalog", "errors", "events", "method"])
def test_what_the_web_process_reads_never_imports_torch(module: str) -> None:
    check = f"import sys, analysis.{module}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", check], check=True, cwd=BUNDLED.parent)


def test_bundled_models_and_folders_are_found_by_name(model_dir: Path, tmp_path: Path) -> None:
    catalog = Catalog(bundled=model_dir, model_dirs=(tmp_path / "none",))
    assert [entry.id for entry in catalog.entries()] == ["tiny-bert", "tiny-gpt2", "tiny-llama"]
    assert catalog.find("tiny-llama").source == "bundled"
    assert catalog.find("tiny-llama").path == model_dir / "tiny-llama"


def test_an_earlier_folder_hides_a_later_one_of_the_same_name(copy: Write, model_dir: Path) -> None:
    mine = copy("tiny-llama")
    catalog = Catalog(bundled=mine.parent, model_dirs=(model_dir,))
    assert [entry.id for entry in catalog.entries()] == ["tiny-llama", "tiny-bert", "tiny-gpt2"]
    assert catalog.find("tiny-llama").path == mine
    assert {entry.id: entry.path for entry in catalog.entries()}["tiny-llama"] == mine


def test_a_hub_id_has_no_files_until_it_is_downloaded(catalog: Catalog) -> None:
    entry = catalog.find("owner/some-model@v1.0")
    assert (entry.source, entry.path) == ("hub", None)
    assert (entry.repository, entry.requested_revision) == ("owner/some-model", "v1.0")
    assert entry.revision is None
    assert describe(entry) == Description(entry, metadata=None, problem=None)


def test_a_downloaded_hub_model_is_listed_with_its_commit(
    catalog: Catalog, copy: Write, hub_cache: Path
) -> None:
    snapshot = put_into_hub_cache(copy(), hub_cache, "owner/some-model", "c0ffee" * 6 + "c0de")
    assert catalog.find("owner/some-model").path == snapshot
    entry = catalog.entries()[-1]
    assert (entry.id, entry.revision) == ("owner/some-model", snapshot.name)
    metadata = describe(entry).metadata
    assert metadata is not None
    assert metadata.layers == 2


def test_a_download_that_broke_off_counts_as_not_downloaded(
    catalog: Catalog, copy: Write, hub_cache: Path
) -> None:
    snapshot = put_into_hub_cache(copy(), hub_cache, "owner/some-model", "c0ffee" * 6 + "c0de")
    (snapshot / "model.safetensors").unlink()
    assert catalog.find("owner/some-model").path is None


@pytest.mark.parametrize(
    "tricky",
    [
        "", ".", "..", "../x", "/etc", "/etc/passwd", "a/../../b", "a/..", "..%2f..", "%2e%2e",
        "%2e%2e/%2e%2e", "a/b/c", "a/b@../../c", "a/b@/etc/passwd", "a/b@", "tiny-llama/",
        "tiny-llama\0",
        "tiny-llama\n", "a/b\n", "a/b\0", "a\\b", "~", "~root/x", "C:\\x", "a/b--c", "a/b.git",
        "a/b.", "a--b/c", "x" * 100_000, "a/" + "x" * 100_000, "ünïcode", "a/\u202eb", "\ud800",
    ],
)  # fmt: skip
def test_no_id_reaches_a_path_of_its_own(catalog: Catalog, tricky: str) -> None:
    with pytest.raises(UnknownModel) as caught:
        catalog.find(tricky)
    assert len(caught.value.message) < 200
    assert "tiny-llama" in caught.value.remedy
    caught.value.message.encode()


def test_folders_that_are_no_models_are_not_listed(tmp_path: Path, copy: Write) -> None:
    root = copy("model").parent
    (root / "empty").mkdir()
    (root / ".hidden").mkdir()
    (root / ".hidden" / "config.json").write_text("{}")
    (root / "file.json").write_text("{}")
    catalog = Catalog(bundled=root, model_dirs=(tmp_path / "missing",))
    assert [entry.id for entry in catalog.entries()] == ["model"]


def test_downloads_of_a_revision_are_listed_under_it(
    catalog: Catalog, copy: Write, hub_cache: Path
) -> None:
    commits = {name: name[0] * 40 for name in ("abc", "def")}
    snapshot = put_into_hub_cache(copy(), hub_cache, "owner/some-model", commits["abc"])
    refs = snapshot.parents[1] / "refs"
    (refs / "v1.0").write_text(commits["abc"])
    shutil.copytree(snapshot, snapshot.with_name(commits["def"]))
    ids = [entry.id for entry in catalog.entries() if entry.source == "hub"]
    names = ["owner/some-model", f"owner/some-model@{commits['def']}", "owner/some-model@v1.0"]
    assert ids == names
    assert catalog.find("owner/some-model@v1.0").path == snapshot
    assert catalog.find(names[1]).path == snapshot.with_name(commits["def"])


def test_a_pipeline_is_downloaded_when_all_its_parts_are(
    catalog: Catalog, tmp_path: Path, hub_cache: Path
) -> None:
    folder = make_flux(tmp_path / "flux")
    snapshot = put_into_hub_cache(folder, hub_cache, "owner/flux", "c0ffee" * 6 + "c0de")
    assert catalog.find("owner/flux").path == snapshot
    shutil.rmtree(snapshot / "vae")
    assert catalog.find("owner/flux").path is None


def test_of_a_pipeline_the_parts_are_fetched_and_single_files_are_not(tmp_path: Path) -> None:
    patterns, ignored = hub_patterns(make_flux(tmp_path / "flux"))

    def kept(name: str) -> bool:
        wanted = any(fnmatch(name, pattern) for pattern in patterns)
        return wanted and not any(fnmatch(name, pattern) for pattern in ignored)

    assert kept("model_index.json")
    assert kept("transformer/diffusion_pytorch_model-00001-of-00003.safetensors")
    assert kept("tokenizer_2/spiece.model")
    assert not kept("flux1-dev.safetensors")
    assert not kept("transformer/diffusion_pytorch_model.fp16-00001-of-00002.safetensors")
    assert not kept("other/model.safetensors")
