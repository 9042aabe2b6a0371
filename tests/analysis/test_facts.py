from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from analysis import model_files
from analysis.catalog import Catalog
from analysis.errors import ModelUnreadable
from analysis.facts import read_facts
from analysis.model import ModelCache, load, loaded
from tests.tiny_models import byte_tokenizer, edit_config

Write = Callable[..., Path]


def problem(folder: Path) -> str:
    """Why the model cannot be loaded, as the list of models shows it."""
    found = Catalog(bundled=folder.parent, model_dirs=()).describe(folder.name)["problem"]
    assert isinstance(found, str)
    return found


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


def test_weights_that_disappear_between_two_looks_are_a_typed_error(
    copy: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy()
    monkeypatch.setattr(model_files, "weight_files", lambda path: [path / "gone.safetensors"])
    assert "gone.safetensors of copy cannot be read: No such file" in problem(folder)


def test_a_roberta_reads_fewer_tokens_than_it_has_positions(copy: Write) -> None:
    folder = copy()
    edit_config(folder, model_type="roberta", max_position_embeddings=514, pad_token_id=1)
    assert read_facts(folder)["context"] == 512
