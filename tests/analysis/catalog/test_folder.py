"""Only files that lie inside a model's folder, or its repository in the hub's cache, are read."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.catalog.card import read_card, read_measured
from analysis.catalog.entries import Catalog, describe, folder_entry
from analysis.catalog.folder import first_line, without_folders
from analysis.catalog.revision import folder_revision
from analysis.errors import ModelUnreadable
from tests.load_folder import load_folder

Write = Callable[..., Path]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file and a folder that no model may show."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text("[secret]")
    return folder


def problem(folder: Path) -> str | None:
    return describe(Catalog(bundled=folder.parent).find(folder.name)).problem


@pytest.mark.parametrize("name", ["README.md", "report.json"])
def test_a_note_that_is_a_link_to_outside_is_not_shown(
    copy: Write, outside: Path, name: str
) -> None:
    folder = copy()
    (folder / name).symlink_to(outside / "secret")
    assert read_card(folder) is None
    assert read_measured(folder) == []
    assert problem(folder) is None  # the model itself is whole


def test_a_chain_of_links_to_outside_is_not_shown(copy: Write, outside: Path) -> None:
    folder = copy()
    (folder / "a.md").symlink_to("b.md")
    (folder / "b.md").symlink_to("../../outside/secret")
    (folder / "README.md").symlink_to("a.md")
    assert read_card(folder) is None


def test_a_folder_that_is_a_link_to_outside_does_not_help(copy: Write, outside: Path) -> None:
    folder = copy()
    (folder / "docs").symlink_to(outside)
    (folder / "README.md").symlink_to("docs/secret")
    assert read_card(folder) is None


def test_a_link_in_a_circle_is_no_note(copy: Write) -> None:
    folder = copy()
    (folder / "README.md").symlink_to("README.md")
    assert read_card(folder) is None


def test_a_link_to_inside_is_read(copy: Write) -> None:
    folder = copy()
    (folder / "docs").mkdir()
    (folder / "docs" / "card.md").write_text("the card")
    (folder / "docs" / "link.md").symlink_to("card.md")
    (folder / "README.md").symlink_to("docs/link.md")
    assert read_card(folder) == "the card"
    assert problem(folder) is None


@pytest.mark.parametrize(
    "name",
    [
        "config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors",
        "generation_config.json", "chat_template.jinja", "modeling_own.py", "vocab.bpe",
        "mask_decoder", "additional_chat_templates/rag.jinja",
    ],
)  # fmt: skip
def test_no_file_of_a_model_may_be_a_link_to_outside(copy: Write, outside: Path, name: str) -> None:
    folder = copy("linked")
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    if file.exists():
        file.rename(outside / file.name)
        file.symlink_to(outside / file.name)
    else:
        file.symlink_to(outside / "secret")
    found = problem(folder)
    assert found is not None
    assert file.name in found
    assert "outside of the folder" in found
    assert str(outside) not in found
    for read in (folder_revision, load_folder):
        with pytest.raises(ModelUnreadable, match="outside of the folder"):
            read(folder)


def test_a_weight_index_may_not_name_a_file_of_another_folder(copy: Write, outside: Path) -> None:
    folder = copy()
    (folder / "model.safetensors").rename(outside / "other.safetensors")
    index = {"weight_map": {"a": "../../outside/other.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    found = problem(folder)
    assert found is not None
    assert "other.safetensors" in found


def test_a_folder_that_the_operator_links_whole_is_a_model(copy: Write, tmp_path: Path) -> None:
    folder = copy()
    (tmp_path / "root").mkdir()
    linked = tmp_path / "root" / "linked"
    linked.symlink_to(folder)
    assert problem(linked) is None
    assert folder_revision(linked) == folder_revision(folder)


def test_the_hub_caches_links_to_its_blobs_are_read(copy: Write, tmp_path: Path) -> None:
    """As huggingface_hub lays a repository out."""
    folder = copy()
    (folder / "README.md").write_text("the card")
    repository = tmp_path / "hub" / "models--owner--name"
    snapshot = repository / "snapshots" / ("c0ffee" * 6 + "c0de")
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    for file in folder.iterdir():
        file.rename(repository / "blobs" / f"hash-of-{file.name}")
        (snapshot / file.name).symlink_to(f"../../blobs/hash-of-{file.name}")
    assert read_card(snapshot) == "the card"
    assert problem(snapshot) is None
    assert load_folder(snapshot).info.layers == 2
    (repository.parent / "models--owner--other").mkdir()
    (repository.parent / "models--owner--other" / "secret").write_text("secret")
    (snapshot / "README.md").unlink()
    (snapshot / "README.md").symlink_to("../../../models--owner--other/secret")
    assert read_card(snapshot) is None


def test_a_library_s_message_names_no_folder_of_this_machine() -> None:
    message = "Error no file at '/srv/models/own/x.json' or /etc/a b; see https://hub.co/docs/a"
    assert without_folders(message) == "Error no file at 'x.json' or a b; see https://hub.co/docs/a"
    assert first_line(OSError("/srv/models/x is no file\nmore")) == "OSError: x is no file"


def test_a_damaged_model_s_error_names_no_folder_of_this_machine(copy: Write) -> None:
    folder = copy()
    (folder / "tokenizer_config.json").write_text("{")
    with pytest.raises(ModelUnreadable) as caught:
        load_folder(folder)
    assert os.sep not in caught.value.message.replace("https://", "")
    assert folder_entry(folder).id in caught.value.message
