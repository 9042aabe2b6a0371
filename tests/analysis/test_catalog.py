import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import _cache_manager
from safetensors.numpy import load_file, save_file

from analysis import model_files, revision
from analysis.catalog import BUNDLED, Catalog
from analysis.errors import ModelUnreadable, UnknownModel
from analysis.facts import read_facts
from analysis.model import ModelCache, load, loaded
from analysis.revision import folder_revision
from tests.tiny_models import byte_tokenizer

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of hub models, whatever this machine holds."""
    for module in (constants, _cache_manager):
        monkeypatch.setattr(module, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def copy(model_dir: Path, tmp_path: Path) -> Write:
    """Copy tiny-llama into a folder of that name."""

    def write(name: str = "copy") -> Path:
        return Path(shutil.copytree(model_dir / "tiny-llama", tmp_path / "models" / name))

    return write


def edit_config(folder: Path, **values: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def problem(folder: Path) -> str:
    """Why the model cannot be loaded, as the list of models shows it."""
    found = Catalog(bundled=folder.parent, model_dirs=()).describe(folder.name)["problem"]
    assert isinstance(found, str)
    return found


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
    assert catalog.revision("owner/some-model@v1.0") is None
    facts = catalog.describe("owner/some-model@v1.0")
    assert facts["problem"] is None
    assert facts["parameters"] is None


def test_a_downloaded_hub_model_is_listed_with_its_commit(
    catalog: Catalog, copy: Write, hub_cache: Path
) -> None:
    snapshot = put_into_hub_cache(copy(), hub_cache, "owner/some-model", "c0ffee" * 6 + "c0de")
    assert catalog.find("owner/some-model").path == snapshot
    assert catalog.revision("owner/some-model") == snapshot.name
    assert catalog.entries()[-1].id == "owner/some-model"
    assert catalog.describe("owner/some-model")["layers"] == 2


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
        catalog.describe(tricky)
    assert len(caught.value.message) < 200
    assert "tiny-llama" in caught.value.remedy
    caught.value.message.encode()


@pytest.mark.parametrize("name", ["tiny-llama", "tiny-gpt2", "tiny-bert"])
def test_facts_from_the_files_equal_those_of_the_loaded_model(catalog: Catalog, name: str) -> None:
    cache = ModelCache(2**30)
    list(load(name, catalog=catalog, cache=cache))
    model = loaded(catalog.find(name), cache)
    facts = catalog.describe(name)
    config = model.plain.config
    assert facts["problem"] is None
    assert facts["architecture"] == type(model.plain).__name__
    assert facts["parameters"] == sum(weight.numel() for weight in model.plain.parameters())
    assert facts["layers"] == config.num_hidden_layers
    assert facts["heads"] == config.num_attention_heads
    assert facts["key_value_heads"] == getattr(config, "num_key_value_heads", facts["heads"])
    assert facts["width"] == model.plain.get_input_embeddings().weight.shape[1]
    assert facts["vocabulary"] == model.plain.get_input_embeddings().weight.shape[0]
    assert facts["context"] == config.max_position_embeddings
    assert facts["dtype"] == "F32"
    stored = [file.stat().st_size for file in model.path.glob("*.safetensors")]
    assert facts["bytes"] == sum(stored)


def test_parameters_count_what_is_stored_so_a_tied_head_counts_once(copy: Write) -> None:
    tied = copy("tied")
    once = read_facts(tied)["parameters"]
    tensors = load_file(tied / "model.safetensors")
    assert "lm_head.weight" not in tensors
    assert once == sum(tensor.size for tensor in tensors.values())
    embedding = tensors["model.embed_tokens.weight"]
    save_file(
        {**tensors, "lm_head.weight": embedding}, tied / "model.safetensors", {"format": "pt"}
    )
    assert read_facts(tied)["parameters"] == once + embedding.size


def test_same_bytes_elsewhere_are_the_same_revision(copy: Write, model_dir: Path) -> None:
    assert folder_revision(copy()) == folder_revision(model_dir / "tiny-llama")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_one_changed_byte_is_another_revision(copy: Write, name: str) -> None:
    before = folder_revision(copy("before"))
    file = copy("after") / name
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert folder_revision(file.parent) != before


def test_a_change_of_the_models_own_code_is_another_revision(copy: Write) -> None:
    folder = copy()
    (folder / "modeling_own.py").write_text("A = 1\n")
    before = folder_revision(folder)
    (folder / "modeling_own.py").write_text("A = 12\n")
    assert folder_revision(folder) != before


def test_notes_and_the_quality_report_are_no_part_of_the_revision(copy: Write) -> None:
    folder = copy()
    before = folder_revision(folder)
    (folder / "report.json").write_text("{}")
    (folder / "README.md").write_text("a note")
    assert folder_revision(folder) == before


def test_large_files_are_told_apart_by_samples(
    copy: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revision, "WHOLE_HASH_BYTES", 10_000)
    monkeypatch.setattr(revision, "SAMPLE_BYTES", 100)
    monkeypatch.setattr(revision, "SAMPLES", 5)
    first = copy("first") / "model.safetensors"
    size = first.stat().st_size
    revisions = {folder_revision(first.parent)}
    for number, at in enumerate((0, (size - 100) // 4, (size - 100) // 2 + 99, size - 1)):
        file = copy(f"changed-{number}") / "model.safetensors"
        content = bytearray(file.read_bytes())
        content[at] ^= 1
        file.write_bytes(content)
        revisions.add(folder_revision(file.parent))
    longer = copy("longer") / "model.safetensors"
    longer.write_bytes(longer.read_bytes() + b"\0")
    revisions.add(folder_revision(longer.parent))
    assert len(revisions) == 6


def spoil_no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def spoil_broken_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def spoil_config_of_no_text(folder: Path) -> None:
    (folder / "config.json").write_bytes(b"\xff\xfe{}")


def spoil_config_list(folder: Path) -> None:
    (folder / "config.json").write_text("[]")


def spoil_deep_config(folder: Path) -> None:
    (folder / "config.json").write_text("[" * 200_000)


def spoil_config_without_sizes(folder: Path) -> None:
    (folder / "config.json").write_text("{}")


def spoil_sizes_that_are_texts(folder: Path) -> None:
    edit_config(folder, num_hidden_layers="two")


def spoil_part_for_text(folder: Path) -> None:
    edit_config(folder, text_config="no object")


def spoil_architectures(folder: Path) -> None:
    edit_config(folder, architectures=[5])


def spoil_weights_pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def spoil_weights_truncated(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])


def spoil_weights_of_other_format(folder: Path) -> None:
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")


def spoil_weights_link(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to(folder / "gone")


def spoil_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")


def spoil_larger_vocabulary(folder: Path) -> None:
    byte_tokenizer().save_pretrained(folder)
    edit_config(folder, vocab_size=300)


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (spoil_no_config, "no config.json"),
        (spoil_broken_config, "not JSON"),
        (spoil_config_of_no_text, "not JSON"),
        (spoil_config_list, "not an object"),
        (spoil_deep_config, "not JSON"),
        (spoil_config_without_sizes, "num_attention_heads"),
        (spoil_sizes_that_are_texts, "num_hidden_layers"),
        (spoil_part_for_text, "text_config"),
        (spoil_architectures, "architectures"),
        (spoil_weights_pickled, "pytorch_model.bin"),
        (spoil_weights_truncated, "model.safetensors"),
        (spoil_weights_of_other_format, "model.safetensors"),
        (spoil_weights_link, "model.safetensors"),
        (spoil_tokenizer, "tokenizer.json"),
        (spoil_larger_vocabulary, "ids up to 310"),
    ],
)
def test_a_folder_that_cannot_be_read_says_why(
    copy: Write, spoil: Callable[[Path], None], named: str
) -> None:
    folder = copy("spoilt")
    spoil(folder)
    with pytest.raises(ModelUnreadable, match=named) as caught:
        read_facts(folder)
    assert caught.value.remedy
    assert problem(folder) == f"{caught.value.message} {caught.value.remedy}"


def test_a_file_that_disappears_while_listing_is_a_typed_error(copy: Write) -> None:
    folder = copy()
    (folder / "generation_config.json").unlink()
    (folder / "generation_config.json").symlink_to(folder / "gone")
    with pytest.raises(ModelUnreadable, match=r"generation_config\.json"):
        Catalog(bundled=folder.parent).revision("copy")


def test_weights_that_disappear_between_two_looks_are_a_typed_error(
    copy: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy()
    monkeypatch.setattr(model_files, "weight_files", lambda path: [path / "gone.safetensors"])
    assert "gone.safetensors of copy cannot be read: No such file" in problem(folder)


def test_folders_that_are_no_models_are_not_listed(tmp_path: Path, copy: Write) -> None:
    root = copy("model").parent
    (root / "empty").mkdir()
    (root / ".hidden").mkdir()
    (root / ".hidden" / "config.json").write_text("{}")
    (root / "file.json").write_text("{}")
    catalog = Catalog(bundled=root, model_dirs=(tmp_path / "missing",))
    assert [entry.id for entry in catalog.entries()] == ["model"]


def test_a_roberta_reads_fewer_tokens_than_it_has_positions(copy: Write) -> None:
    folder = copy()
    edit_config(folder, model_type="roberta", max_position_embeddings=514, pad_token_id=1)
    assert read_facts(folder)["context"] == 512
