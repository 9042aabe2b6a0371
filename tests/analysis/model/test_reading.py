from collections.abc import Callable
from pathlib import Path

import pytest
import transformers
from safetensors.torch import load_file, save_file

from analysis.errors import ModelUnreadable
from analysis.revision import folder_revision
from tests.load_folder import load_folder
from tests.tiny_models import edit_config


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


def spoil_tokenizer(path: Path) -> None:
    (path / "tokenizer.json").unlink()


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
        (spoil_tokenizer, "copy"),
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
