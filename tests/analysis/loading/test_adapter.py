"""LoRA adapters made by peft, merged into a tiny base model."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, PromptTuningConfig, get_peft_model
from safetensors.numpy import load_file, save_file
from transformers import AutoModelForCausalLM

import analysis
from analysis.catalog.adapters import ADAPTER, ADAPTER_WEIGHTS
from analysis.catalog.entries import Catalog, describe, folder_entry
from analysis.catalog.revision import folder_revision
from analysis.errors import ModelUnreadable
from analysis.loading import ModelCache, load, loaded
from analysis.model import Model
from tests.load_folder import load_folder

# peft asks transformers for an attribute under its earlier name.
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
Make = Callable[..., Path]


@pytest.fixture
def make(model_dir: Path, tmp_path: Path) -> Make:
    """An adapter in a folder beside its base model, tiny-llama."""
    root = tmp_path / "models"
    base = Path(shutil.copytree(model_dir / "tiny-llama", root / "tiny-llama"))

    def write(config: Any = None, **changes: Any) -> Path:
        plain = AutoModelForCausalLM.from_pretrained(base)
        torch.manual_seed(1)
        model = get_peft_model(plain, config or LoraConfig(target_modules=["q_proj", "down_proj"]))
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.3)
        folder = root / "lora"
        model.save_pretrained(str(folder))
        edit(folder, base_model_name_or_path="somebody/tiny-llama", **changes)
        return folder

    return write


def edit(folder: Path, **changes: Any) -> None:
    asked = json.loads((folder / ADAPTER).read_text())
    (folder / ADAPTER).write_text(json.dumps({**asked, **changes}))


def catalog_of(folder: Path) -> Catalog:
    return Catalog(Path("none"), (folder.parent,))


def load_adapter(folder: Path) -> Model:
    cache, catalog = ModelCache(2**30), catalog_of(folder)
    list(load(folder.name, catalog=catalog, cache=cache))
    return loaded(catalog.find(folder.name), cache)


def test_logits_are_those_of_plain_peft(make: Make, model_dir: Path) -> None:
    folder = make()
    model = load_adapter(folder)
    ids = torch.tensor([[5, 6, 7, 8, 9]])
    base = AutoModelForCausalLM.from_pretrained(model_dir / "tiny-llama")
    with torch.no_grad():
        before = base(ids).logits
        expected = PeftModel.from_pretrained(base, str(folder)).eval()(ids).logits
    found = model.logits(ids, torch.arange(5))
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    assert (found - before).abs().max() > 0.1
    assert model.info.self_check is not None
    assert model.info.self_check.passed
    assert not any("lora" in name for name, _ in model.plain.named_parameters())
    assert model.info.weights == "LoRA adapter merged into tiny-llama"


def test_an_adapter_is_an_entry_that_methods_run_on(make: Make) -> None:
    folder = make()
    catalog = catalog_of(folder)
    assert [entry.id for entry in catalog.entries() if entry.source == "folder"] == [
        "lora",
        "tiny-llama",
    ]
    described = describe(catalog.find("lora"))
    assert described.capabilities == ("causal_lm",)
    params = {"prompt": "Anna has", "max_new_tokens": 2}
    kinds = [e.kind for e in analysis.run("cntp", model="lora", params=params, catalog=catalog)]  # type: ignore[attr-defined]
    assert "trace_end" in kinds
    entry = folder_entry(folder)  # as on the command line
    assert list(analysis.run("inspect", model=entry, params={}, catalog=catalog))


def test_the_revision_depends_on_adapter_and_base(make: Make) -> None:
    folder = make()

    def revision() -> str:
        return str(catalog_of(folder).find("lora").revision)

    first = revision()
    assert first not in {folder_revision(folder), folder_revision(folder.parent / "tiny-llama")}
    edit(folder, note="changed")
    second = revision()
    config = folder.parent / "tiny-llama" / "config.json"
    config.write_text(config.read_text() + " ")
    assert len({first, second, revision()}) == 3


def refusal(folder: Path) -> str:
    """What the list of models or, if it finds no fault, loading says."""
    problem = describe(catalog_of(folder).find("lora")).problem
    with pytest.raises(ModelUnreadable) as caught:
        load_adapter(folder)
    told = f"{caught.value.message} {caught.value.remedy}"
    assert problem in (None, told)
    assert str(folder.parent) not in told
    return told


def test_a_base_model_that_is_not_here_is_named(make: Make) -> None:
    folder = make()
    edit(folder, base_model_name_or_path="somebody/another")
    assert "for 'somebody/another', which is not among the models here" in refusal(folder)
    edit(folder, base_model_name_or_path=None)
    assert "for a model that it does not name" in refusal(folder)


def test_other_kinds_of_adapters_are_refused(make: Make) -> None:
    prompt = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2)
    assert "('PROMPT_TUNING'); only LORA is read here" in refusal(make(prompt))


def test_modules_that_are_saved_whole_are_refused(make: Make) -> None:
    whole = LoraConfig(target_modules=["q_proj"], modules_to_save=["norm"])
    assert "an adapter with modules_to_save" in refusal(make(whole))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_change_of_one_of_two_tied_weights_is_refused(make: Make) -> None:
    assert "tie_word_embeddings" in refusal(make(LoraConfig(target_modules=["lm_head"])))


def test_an_adapter_that_could_run_code_is_refused(make: Make) -> None:
    folder = make()
    (folder / ADAPTER_WEIGHTS).rename(folder / "adapter_model.bin")
    assert "without adapter_model.safetensors" in refusal(folder)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("shape", "size mismatch for"),
        ("missing", "it lacks 1 weights"),
        ("more", "the model has no place for 1 weights, such as another"),
        ("nan", "NaN"),
        ("target", "nowhere"),
    ],
)
def test_an_adapter_that_does_not_fit_is_named(make: Make, how: str, told: str) -> None:
    folder = make()
    file = folder / ADAPTER_WEIGHTS
    weights = dict(load_file(file))
    name = next(key for key in sorted(weights) if "lora_B" in key)
    if how == "shape":
        weights[name] = np.zeros((3, 8), np.float32)
    elif how == "missing":
        del weights[name]
    elif how == "more":
        weights["another"] = np.zeros((3, 8), np.float32)
    elif how == "nan":
        weights[name] = np.full_like(weights[name], np.nan)
    else:
        edit(folder, target_modules=["nowhere"])
    save_file(weights, file, {"format": "pt"})
    text = refusal(folder)
    assert "The adapter lora does not fit its base model" in text
    assert told in text


def test_an_adapter_beside_whole_weights_is_left_alone(make: Make, model_dir: Path) -> None:
    """A merged model may keep adapter_config.json: nothing is read of what it names."""
    base = make().parent / "tiny-llama"
    (base / ADAPTER).write_text(json.dumps({"peft_type": "LORA", "base_model_name_or_path": "a/b"}))
    ids = torch.tensor([[5, 6, 7]])
    found = load_folder(base).logits(ids, torch.arange(3))
    expected = load_folder(model_dir / "tiny-llama").logits(ids, torch.arange(3))
    torch.testing.assert_close(found, expected, atol=0, rtol=0)
