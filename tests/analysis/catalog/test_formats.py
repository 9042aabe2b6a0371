"""What the list of models says of a checkpoint's format, before anything is loaded."""

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from analysis.catalog import formats
from analysis.catalog.entries import Catalog, describe
from analysis.catalog.metadata import read_metadata
from analysis.errors import ModelUnreadable
from tests.load_folder import load_folder
from tests.tiny_models import edit_config

Write = Callable[..., Path]
# As published: TheBloke's GPTQ and AWQ, unsloth's 4 bit, RedHatAI's, DeepSeek's and OpenAI's.
QUANTIZED: dict[str, dict[str, Any]] = {
    "bitsandbytes": {"quant_method": "bitsandbytes", "load_in_4bit": True},
    "GPTQ": {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": True},
    "AWQ": {"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm"},
    "compressed-tensors": {"quant_method": "compressed-tensors", "format": "pack-quantized"},
}
PACKAGES = {
    "bitsandbytes": "bitsandbytes",
    "GPTQ": "gptqmodel and optimum",
    "AWQ": "gptqmodel",
    "compressed-tensors": "compressed-tensors",
}


def problem(folder: Path) -> str | None:
    """What the list of models shows; loading is refused with the same sentence."""
    found = describe(Catalog(bundled=folder.parent).find(folder.name)).problem
    if found is not None:
        with pytest.raises(ModelUnreadable) as caught:
            load_folder(folder)
        assert found == f"{caught.value.message} {caught.value.remedy}"
        assert str(folder.parent) not in found
    return found


@pytest.mark.parametrize("name", QUANTIZED)
def test_a_quantized_checkpoint_names_the_package_that_is_missing(
    copy: Write, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = copy("packed")
    edit_config(folder, quantization_config=QUANTIZED[name])
    monkeypatch.setattr(formats, "is_installed", lambda _: False)
    package = PACKAGES[name]
    told = f"packed stores quantized weights as {name}, and {package} is not installed."
    assert str(problem(folder)).startswith(f"{told} Install {package} in the worker's")
    monkeypatch.setattr(formats, "is_installed", lambda _: True)
    assert describe(Catalog(bundled=folder.parent).find("packed")).problem is None


def test_older_configs_of_bitsandbytes_name_no_method() -> None:
    config = {"text_config": {"quantization_config": {"quant_method": "awq"}}}
    assert formats.quantization({"quantization_config": {"load_in_8bit": True}}) == "bitsandbytes"
    assert formats.quantization(config) == "awq"
    assert formats.quantization({"quantization_config": {}}) is None


def test_an_unknown_way_of_quantizing_is_named(copy: Write) -> None:
    folder = copy("packed")
    edit_config(folder, quantization_config={"quant_method": "own/way"})
    assert "quantized weights as 'own/way', which is not read here" in str(problem(folder))


def test_packages_are_looked_for_by_their_name_for_pip() -> None:
    assert formats.is_installed("huggingface-hub")
    assert formats.is_installed("jaxtyping")
    assert not formats.is_installed("optimum-quanto")


def test_a_folder_of_this_project_is_no_installed_package(copy: Write) -> None:
    assert find_spec("kernels") is not None
    assert not formats.is_installed("kernels")
    folder = copy("packed")
    edit_config(folder, quantization_config={"quant_method": "eetq"})
    assert "as EETQ, and kernels is not installed" in str(problem(folder))


def split(folder: Path, *, names: int = 3) -> list[str]:
    """Split the weights as save_pretrained does."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    files = [f"model-{i + 1:05}-of-{names:05}.safetensors" for i in range(names)]
    placed = {name: files[i % names] for i, name in enumerate(tensors)}
    for file in files:
        part = {name: tensors[name] for name, there in placed.items() if there == file}
        save_file(part, folder / file, {"format": "pt"})
    index = {"metadata": {}, "weight_map": placed}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return files


def test_a_missing_part_of_split_weights_is_named(copy: Write) -> None:
    folder = copy("split")
    whole = read_metadata(folder)
    files = split(folder)
    assert read_metadata(folder).parameters == whole.parameters
    (folder / files[1]).unlink()
    index = "model.safetensors.index.json"
    assert f"split lacks {files[1]}, which {index} names." in str(problem(folder))
    (folder / files[2]).unlink()
    assert f"split lacks {files[1]} and 1 more files, which" in str(problem(folder))


def test_weights_that_no_index_names_are_not_counted(copy: Write) -> None:
    """Mistral ships its own format, consolidated.safetensors, next to that of transformers."""
    folder = copy("mistral")
    before = read_metadata(folder)
    (folder / "consolidated.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    assert read_metadata(folder).parameters == before.parameters
    split(folder)
    assert read_metadata(folder).parameters == before.parameters


def test_an_adapter_names_its_base_model(copy: Write) -> None:
    folder = copy("lora")
    for file in ("config.json", "model.safetensors"):
        (folder / file).unlink()
    save_file({"weight": np.zeros(1)}, folder / "adapter_model.safetensors")
    asked = {"peft_type": "LORA", "base_model_name_or_path": "meta-llama/Llama-3.2-1B"}
    (folder / "adapter_config.json").write_text(json.dumps(asked))
    assert "lora is an adapter ('LORA') for 'meta-llama/Llama-3.2-1B'" in str(problem(folder))
    asked["base_model_name_or_path"] = "/home/somebody/models/base"
    (folder / "adapter_config.json").write_text(json.dumps(asked))
    assert "for 'base', which is not among the models here. Download 'base'" in str(problem(folder))


@pytest.mark.parametrize("config", [True, False])
def test_gguf_is_listed_with_the_reason(copy: Write, tmp_path: Path, *, config: bool) -> None:
    folder = copy("packed") if config else tmp_path / "models" / "packed"
    if config:
        (folder / "model.safetensors").unlink()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model-Q4_K_M.gguf").write_bytes(b"GGUF")
    assert "holds GGUF files (model-Q4_K_M.gguf), which llama.cpp runs" in str(problem(folder))


@pytest.mark.parametrize("kind", ["mamba", "mamba2", "falcon_mamba", "rwkv", "xlstm"])
def test_a_model_without_attention_is_refused_for_that(copy: Write, kind: str) -> None:
    folder = copy("recurrent")
    edit_config(folder, model_type=kind, num_attention_heads=None)
    assert f"is of the type {kind}: it has no attention" in str(problem(folder))


def test_a_folder_without_a_tokenizer_says_what_is_missing(copy: Write) -> None:
    folder = copy("mute")
    inner = folder / "tokenizer"
    inner.mkdir()
    (folder / "tokenizer.json").rename(inner / "tokenizer.json")
    assert "has no tokenizer (tokenizer.json" in str(problem(folder))
    assert "Copy the files of its folder tokenizer next to config.json." in str(problem(folder))
    (inner / "tokenizer.json").unlink()
    assert "tokenizer.save_pretrained(folder)" in str(problem(folder))
    (folder / "tekken.json").write_text("{}")
    assert "tekken.json alone, and mistral-common is not installed" in str(problem(folder))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "ByT5Tokenizer"}')
    assert describe(Catalog(bundled=folder.parent).find("mute")).problem is None


def test_of_several_tokenizers_the_one_that_is_read_is_named(copy: Write) -> None:
    folder = copy("several")
    assert read_metadata(folder).warnings == ()
    (folder / "tekken.json").write_text("{}")
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "tokenizer.json").write_text("{}")
    told = "The folder also holds tekken.json and tokenizer/tokenizer.json: tokenizer.json is read."
    assert read_metadata(folder).warnings == (told,)
    assert load_folder(folder).tokenizer("Anna").input_ids
