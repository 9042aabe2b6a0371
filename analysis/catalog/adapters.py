"""LoRA adapters, which are read together with their base model: what their files say.

An adapter's folder is that of `save_pretrained` of peft: adapter_config.json, which names the base
model, and adapter_model.safetensors.
"""

from pathlib import Path
from typing import Any

from analysis.catalog.files import read_json
from analysis.errors import ModelUnreadable, shortened

ADAPTER = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
MERGE = "Merge it with merge_and_unload() of peft, and save the merged model with its tokenizer."
TRAINED_WHOLE = ("modules_to_save", "trainable_token_indices", "target_parameters")


def is_adapter(path: Path) -> bool:
    """Whether a folder holds an adapter and no model of its own."""
    return (path / ADAPTER).is_file() and not (path / "config.json").is_file()


def base_name(path: Path) -> str:
    """The name of an adapter's base model: an id, or the last part of a path.

    Raises ModelUnreadable where it is an adapter that cannot be merged here.
    """
    asked = read_json(path, ADAPTER)
    named = asked.get("base_model_name_or_path")
    if not isinstance(named, str) or not named:
        raise ModelUnreadable(
            f"{path.name} is an adapter for a model that it does not name.",
            remedy=f"Write the id of its base model into {ADAPTER} as base_model_name_or_path.",
        )
    _refuse_other_kinds(path, asked)
    return Path(named).name if named.startswith(("/", ".", "~")) else named


def without_base(path: Path) -> ModelUnreadable:
    """The error for an adapter whose base model is not on this machine."""
    base = shortened(base_name(path))
    return ModelUnreadable(
        f"{path.name} is an adapter ('LORA') for {base}, which is not among the models here.",
        remedy=f"Download {base}, or put its folder under MODEL_DIRS. {MERGE}",
    )


def _refuse_other_kinds(path: Path, asked: dict[str, Any]) -> None:
    kind = asked.get("peft_type")
    if kind != "LORA":
        raise ModelUnreadable(
            f"{path.name} is an adapter ({shortened(str(kind or 'PEFT'))}); only LORA is read "
            "here.",
            remedy=MERGE,
        )
    whole = [name for name in TRAINED_WHOLE if asked.get(name)]
    if whole:
        raise ModelUnreadable(
            f"{path.name} is an adapter with {whole[0]}: it replaces weights of its base model.",
            remedy=MERGE,
        )
    if not (path / ADAPTER_WEIGHTS).is_file():
        raise ModelUnreadable(
            f"{path.name} is an adapter without {ADAPTER_WEIGHTS}; other files could run code.",
            remedy="Save it with save_pretrained(folder, safe_serialization=True) of peft.",
        )
