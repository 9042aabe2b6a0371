import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from analysis.catalog import files
from analysis.catalog.entries import Catalog, describe
from analysis.catalog.metadata import has_mask_token, read_metadata
from analysis.errors import ModelUnreadable
from analysis.loading import ModelCache, load, loaded
from tests.tiny_models import (
    byte_tokenizer,
    edit_config,
    make_bert,
    make_llada,
    make_modernbert,
    make_t5,
)
from tests.tiny_pictures import make_flux, make_llava

Write = Callable[..., Path]


def problem(folder: Path) -> str:
    """Why the model cannot be loaded, as the list of models shows it."""
    found = describe(Catalog(bundled=folder.parent).find(folder.name)).problem
    assert found is not None
    return found


@pytest.mark.parametrize("name", ["tiny-llama", "tiny-gpt2", "tiny-bert"])
def test_facts_from_the_files_equal_those_of_the_loaded_model(catalog: Catalog, name: str) -> None:
    cache = ModelCache(2**30)
    list(load(name, catalog=catalog, cache=cache))
    model = loaded(catalog.find(name), cache)
    described = describe(catalog.find(name))
    metadata = described.metadata
    config = model.plain.config
    assert described.problem is None
    assert metadata.architecture == type(model.plain).__name__
    assert metadata.parameters == sum(weight.numel() for weight in model.plain.parameters())
    assert metadata.layers == config.num_hidden_layers
    assert metadata.heads == config.num_attention_heads
    assert metadata.key_value_heads == getattr(config, "num_key_value_heads", metadata.heads)
    assert metadata.width == model.plain.get_input_embeddings().weight.shape[1]
    assert metadata.vocabulary == model.plain.get_input_embeddings().weight.shape[0]
    assert metadata.context == config.max_position_embeddings
    assert metadata.dtype == "F32"
    stored = [file.stat().st_size for file in model.path.glob("*.safetensors")]
    assert metadata.bytes == sum(stored)


def test_parameters_count_what_is_stored_so_a_tied_head_counts_once(copy: Write) -> None:
    tied = copy("tied")
    once = read_metadata(tied).parameters
    tensors = load_file(tied / "model.safetensors")
    assert "lm_head.weight" not in tensors
    assert once == sum(tensor.size for tensor in tensors.values())
    embedding = tensors["model.embed_tokens.weight"]
    save_file(
        {**tensors, "lm_head.weight": embedding}, tied / "model.safetensors", {"format": "pt"}
    )
    assert read_metadata(tied).parameters == once + embedding.size


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
        read_metadata(folder)
    assert caught.value.remedy
    assert problem(folder) == f"{caught.value.message} {caught.value.remedy}"


def test_weights_that_disappear_between_two_looks_are_a_typed_error(
    copy: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy()
    monkeypatch.setattr(files, "weight_files", lambda path: [path / "gone.safetensors"])
    assert "gone.safetensors of copy cannot be read: No such file" in problem(folder)


def test_a_roberta_reads_fewer_tokens_than_it_has_positions(copy: Write) -> None:
    folder = copy()
    edit_config(folder, model_type="roberta", max_position_embeddings=514, pad_token_id=1)
    assert read_metadata(folder).context == 512


def test_a_text_part_that_names_no_sizes_is_described(tmp_path: Path) -> None:
    """The published configuration of LLaVA 1.5 leaves most of them to transformers."""
    folder = make_llava(tmp_path / "llava")
    text = {"model_type": "llama", "max_position_embeddings": 4096, "vocab_size": 32064}
    edit_config(folder, text_config=text)
    metadata = read_metadata(folder)
    assert (metadata.layers, metadata.heads, metadata.width) == (32, 32, 4096)
    assert (metadata.context, metadata.vocabulary) == (4096, 32064)


def test_a_pipeline_is_the_sum_of_its_parts(tmp_path: Path) -> None:
    folder = make_flux(tmp_path / "flux")
    metadata = read_metadata(folder)
    parts = {part.name: part for part in metadata.parts}
    assert {name: part.class_name for name, part in parts.items()} == {
        "scheduler": "FlowMatchEulerDiscreteScheduler",
        "text_encoder": "CLIPTextModel",
        "text_encoder_2": "T5EncoderModel",
        "tokenizer": "TokenizersBackend",
        "tokenizer_2": "TokenizersBackend",
        "transformer": "FluxTransformer2DModel",
        "vae": "AutoencoderKL",
    }
    assert parts["scheduler"].parameters is None
    weighed = [part for part in parts.values() if part.parameters]
    assert metadata.parameters == sum(part.parameters for part in weighed)
    assert metadata.bytes == sum(f.stat().st_size for f in folder.rglob("*.safetensors"))
    assert (metadata.architecture, metadata.capabilities) == ("FluxPipeline", ("text_to_image",))
    assert (metadata.layers, metadata.width, metadata.context, metadata.dtype) == (2, 32, 77, "F32")


def test_a_second_copy_of_the_weights_is_not_counted(tmp_path: Path) -> None:
    folder = make_flux(tmp_path / "flux")
    before = read_metadata(folder)
    weights = folder / "vae" / "diffusion_pytorch_model.safetensors"
    shutil.copy(weights, weights.with_name("diffusion_pytorch_model.fp16.safetensors"))
    assert read_metadata(folder) == before


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda folder: shutil.rmtree(folder / "vae"), "lacks the folder vae"),
        (lambda folder: (folder / "model_index.json").write_text("{}"), "names no _class_name"),
        (
            lambda folder: (folder / "model_index.json").write_text('{"_class_name": "X"}'),
            "no text_encoder",
        ),
        (
            lambda folder: (folder / "text_encoder" / "model.safetensors").rename(
                folder / "text_encoder" / "pytorch_model.bin"
            ),
            "only pytorch_model.bin",
        ),
    ],
)
def test_a_pipeline_that_cannot_be_read_says_why(
    tmp_path: Path, spoil: Callable[[Path], object], named: str
) -> None:
    folder = make_flux(tmp_path / "flux")
    spoil(folder)
    with pytest.raises(ModelUnreadable, match=named):
        read_metadata(folder)


def test_the_mask_token_is_found_wherever_it_is_written(tmp_path: Path) -> None:
    folder = make_bert(tmp_path / "bert")
    assert has_mask_token(folder)
    edit_json(folder / "tokenizer_config.json", mask_token=None)
    assert has_mask_token(folder)  # tokenizer.json lists it
    tokens = json.loads((folder / "tokenizer.json").read_text())["added_tokens"]
    edit_json(
        folder / "tokenizer.json", added_tokens=[t for t in tokens if t["content"] != "<mask>"]
    )
    assert not has_mask_token(folder)
    assert read_metadata(folder).capabilities == ("masked_lm",)
    (folder / "special_tokens_map.json").write_text('{"mask_token": "<mask>"}')
    assert has_mask_token(folder)


def test_training_for_diffusion_is_told_from_being_able_to_be_decoded_so(tmp_path: Path) -> None:
    folder = make_modernbert(tmp_path / "plain")
    assert read_metadata(folder).trained_for_diffusion is False
    edit_config(folder, masked_diffusion=True)
    metadata = read_metadata(folder)
    assert metadata.trained_for_diffusion is True
    assert metadata.capabilities == ("masked_lm", "masked_diffusion_lm")
    assert read_metadata(make_llada(tmp_path / "llada")).trained_for_diffusion is True
    assert read_metadata(make_t5(tmp_path / "t5")).trained_for_diffusion is None


def edit_json(file: Path, **values: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))
