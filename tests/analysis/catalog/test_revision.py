from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.catalog import revision
from analysis.catalog.entries import Catalog
from analysis.catalog.revision import folder_revision
from analysis.errors import ModelUnreadable
from tests.tiny_pictures import make_flux

Write = Callable[..., Path]


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


def test_chat_templates_in_files_of_their_own_are_part_of_the_revision(copy: Write) -> None:
    folder = copy()
    found = {folder_revision(folder)}
    for name in ("chat_template.jinja", "additional_chat_templates/tool_use.jinja"):
        (folder / name).parent.mkdir(exist_ok=True)
        for template in ("{{ messages }}", "{{ messages[0] }}"):
            (folder / name).write_text(template)
            found.add(folder_revision(folder))
    assert len(found) == 5


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


def test_a_file_that_disappears_while_listing_is_a_typed_error(copy: Write) -> None:
    folder = copy()
    (folder / "generation_config.json").unlink()
    (folder / "generation_config.json").symlink_to(folder / "gone")
    with pytest.raises(ModelUnreadable, match=r"generation_config\.json"):
        _ = Catalog(bundled=folder.parent).find("copy").revision


@pytest.mark.parametrize(
    "name", ["text_encoder_2/model.safetensors", "scheduler/scheduler_config.json"]
)
def test_a_change_of_a_pipelines_part_is_another_revision(tmp_path: Path, name: str) -> None:
    folder = make_flux(tmp_path / "flux")
    before = folder_revision(folder)
    change_last_byte(folder / name)
    assert folder_revision(folder) != before


def test_a_change_of_the_mask_decoder_is_another_revision(copy: Write) -> None:
    folder = copy()
    (folder / "mask_decoder").mkdir()
    file = folder / "mask_decoder" / "text_head.safetensors"
    file.write_bytes(b"1")
    before = folder_revision(folder)
    file.write_bytes(b"2")
    assert folder_revision(folder) != before


def test_other_folders_are_no_part_of_the_revision(copy: Write, tmp_path: Path) -> None:
    for folder in (copy(), make_flux(tmp_path / "flux")):
        before = folder_revision(folder)
        (folder / "checkpoint-500").mkdir()
        (folder / "checkpoint-500" / "model.safetensors").write_bytes(b"1")
        assert folder_revision(folder) == before


def change_last_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
