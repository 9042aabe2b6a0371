import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from analysis.catalog.revision import folder_revision
from analysis.errors import ModelUnreadable
from analysis.model import ImagePipeline, Model
from analysis.model.chat_template import template_of
from tests.load_folder import load_folder
from tests.tiny_models import edit_config
from tests.tiny_pictures import make_flux


def spoil_missing(path: Path) -> None:
    tensors = load_file(path / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, path / "model.safetensors", {"format": "pt"})


def spoil_mismatched(path: Path) -> None:
    edit_config(path, intermediate_size=48)


def spoil_field(path: Path) -> None:
    edit_config(path, intermediate_size="wide")


def spoil_heads(path: Path) -> None:
    edit_config(path, num_attention_heads=0, head_dim=None)


def spoil_uneven_heads(path: Path) -> None:
    edit_config(path, num_attention_heads=3, num_key_value_heads=3, head_dim=None)


def spoil_tokenizer_config(path: Path) -> None:
    (path / "tokenizer_config.json").write_text("[]")


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (spoil_missing, "1 missing keys in the weights, such as model.layers.1.mlp.up_proj"),
        (spoil_mismatched, "6 mismatched keys in the weights, such as .*model.layers.0"),
        (spoil_field, "intermediate_size"),
        (spoil_heads, "copy"),
        (spoil_uneven_heads, "copy"),
        (spoil_tokenizer_config, "copy"),
    ],
)
def test_files_that_contradict_each_other_are_refused(
    folder: Path, spoil: Callable[[Path], None], named: str
) -> None:
    spoil(folder)
    with pytest.raises(ModelUnreadable, match=named) as caught:
        load_folder(folder)
    assert "one checkpoint" in caught.value.remedy


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (ImportError("Loading it requires gptqmodel: `pip install gptqmodel`"), "Install the"),
        (ValueError("The checkpoint has model type `new` but Transformers does not recognize this "
                    "architecture."), "not in transformers"),
        (FileNotFoundError(2, "No such file", "{folder}/model-1.safetensors"), "copy the folder"),
        (ValueError("Couldn't instantiate the backend tokenizer from {folder}"), "tokenizer again"),
        (RuntimeError("{folder}: 3 differs from 4"), "one checkpoint"),
    ],
)  # fmt: skip
def test_a_remedy_fits_its_cause_and_no_path_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, remedy: str
) -> None:
    there = folder.rename(folder.parent / "in a folder")
    words = [str(part).replace("{folder}", str(there)) for part in error.args]
    code = [error.errno] if isinstance(error, OSError) and error.errno else []

    def fail(*_: Any, **__: Any) -> None:
        raise type(error)(*code, *words[len(code) :])

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", fail)
    with pytest.raises(ModelUnreadable, match="in a folder cannot be loaded") as caught:
        load_folder(there)
    assert remedy in caught.value.remedy
    assert str(there.parent) not in caught.value.message
    assert "/" not in caught.value.message


def test_chat_templates_are_read_from_files_of_their_own(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}")
    assert template_of(load_folder(folder).tokenizer) == "{{ messages[0].content }}"
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "tool_use.jinja").write_text("{{ tools }}")
    model = load_folder(folder)
    assert set(model.tokenizer.chat_template) == {"default", "tool_use"}
    assert template_of(model.tokenizer) == "{{ messages[0].content }}"


@pytest.fixture
def own_code(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose model is built by a Python file of its own, which leaves a mark when run."""
    modules = tmp_path / "modules"
    monkeypatch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", str(modules))
    monkeypatch.syspath_prepend(str(modules))
    mark = tmp_path / "mark"
    (folder / "modeling_own.py").write_text(
        "from pathlib import Path\n"
        "from transformers import LlamaConfig, LlamaForCausalLM\n"
        f"Path({str(mark)!r}).touch()\n"
        "class OwnConfig(LlamaConfig):\n    model_type = 'own'\n"
        "class OwnForCausalLM(LlamaForCausalLM):\n    config_class = OwnConfig\n"
    )
    edit_config(
        folder,
        model_type="own",
        architectures=["OwnForCausalLM"],
        auto_map={
            "AutoConfig": "modeling_own.OwnConfig",
            "AutoModelForCausalLM": "modeling_own.OwnForCausalLM",
        },
    )
    return folder


@pytest.mark.parametrize("listed", ["", "copy", "copy@0123456789abcdef", "other@{revision}"])
def test_code_of_a_checkpoint_does_not_run(own_code: Path, listed: str, tmp_path: Path) -> None:
    trusted = frozenset({listed.format(revision=folder_revision(own_code))})
    with pytest.raises(ModelUnreadable, match="custom code") as caught:
        load_folder(own_code, trusted_remote_code=trusted)
    assert "TRUSTED_REMOTE_CODE" in caught.value.remedy
    assert not (tmp_path / "mark").exists()


def test_code_of_a_checkpoint_runs_where_its_revision_is_listed(
    own_code: Path, tmp_path: Path
) -> None:
    trusted = frozenset({f"copy@{folder_revision(own_code)}"})
    model = load_folder(own_code, trusted_remote_code=trusted)
    assert type(model.plain).__name__ == "OwnForCausalLM"
    assert (tmp_path / "mark").exists()


def spoil_part_keys(path: Path) -> None:
    file = path / "vae" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    del tensors["decoder.conv_out.bias"]
    save_file(tensors, file, {"format": "pt"})


def spoil_part_sizes(path: Path) -> None:
    edit_config(path / "text_encoder", intermediate_size=48)


def spoil_part_class(path: Path) -> None:
    edit_index(path, vae=["diffusers", "NoSuchAutoencoder"])


def spoil_part_library(path: Path) -> None:
    edit_index(path, vae=["own_code", "OwnAutoencoder"])
    (path / "own_code.py").write_text("raise SystemExit\n")


def edit_index(path: Path, **values: Any) -> None:
    file = path / "model_index.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (spoil_part_keys, "conv_out.bias"),
        (spoil_part_sizes, "intermediate|mlp|size"),
        (spoil_part_class, "NoSuchAutoencoder"),
        (spoil_part_library, "own_code.OwnAutoencoder, which is code of its own"),
    ],
)
def test_a_pipeline_whose_parts_do_not_fit_is_refused(
    tmp_path: Path, spoil: Callable[[Path], None], named: str
) -> None:
    folder = make_flux(tmp_path / "flux")
    spoil(folder)
    with pytest.raises(ModelUnreadable, match=named):
        load_folder(folder)


def test_parts_that_take_no_text_and_draw_nothing_are_left_out(tmp_path: Path) -> None:
    folder = make_flux(tmp_path / "flux")
    config = CLIPVisionConfig(
        hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2,
        image_size=8, patch_size=4, projection_dim=8,
    )  # fmt: skip
    CLIPVisionModelWithProjection(config).save_pretrained(folder / "image_encoder")
    edit_index(folder, image_encoder=["transformers", "CLIPVisionModelWithProjection"])
    model = load_folder(folder)
    assert isinstance(model, ImagePipeline)
    assert model.pipeline.components["image_encoder"] is None
    assert model.info.self_check is not None
    assert model.info.self_check.passed


def test_a_pipeline_draws_the_same_picture_for_the_same_seed(every: Callable[[str], Model]) -> None:
    model = every("flux")
    assert isinstance(model, ImagePipeline)

    def draw(seed: int) -> Any:
        return model.pipeline(
            "a red ball", num_inference_steps=1, height=16, width=16, max_sequence_length=16,
            generator=torch.Generator().manual_seed(seed), output_type="np",
        ).images  # fmt: skip

    assert (draw(1) == draw(1)).all()
    assert (draw(1) != draw(2)).any()
