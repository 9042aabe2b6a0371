"""What the files of a model say of it, read without torch.

Sizes are those of the part that reads text: of a vision-language model its language model, of a
pipeline its largest text encoder.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.catalog.capabilities import capabilities, kind_of, reasons
from analysis.catalog.files import (
    MASK_DECODER,
    PIPELINE_INDEX,
    Weights,
    is_pipeline,
    pipeline_parts,
    read_config,
    read_json,
    read_json_if_there,
    read_weights,
)
from analysis.catalog.folder import check_contents, reading
from analysis.catalog.formats import (
    refuse_foreign_format,
    refuse_unreadable_format,
    refuse_without_tokenizer,
    tokenizer_choice,
)
from analysis.catalog.sizes import text_sizes
from analysis.catalog.vision_metadata import VisionMetadata, vision_metadata
from analysis.catalog.vocabulary import tokens_beyond, warning_of
from analysis.errors import ModelUnreadable, shortened

LARGEST_SIZE = 2**53  # JSON readers in browsers know no larger whole number
PROCESSORS = ("preprocessor_config.json", "processor_config.json")
MASK_TOKEN = re.compile(r"\[MASK\]|<\|?(mask|mdm_mask)\|?>")


@dataclass(frozen=True)
class Part:
    """A part of a pipeline, or a model's mask decoder; None where it has no weights."""

    name: str
    class_name: str
    parameters: int | None
    bytes: int | None
    dtype: str | None


@dataclass(frozen=True)
class ModelMetadata:
    """What the files of a model say of it; `context` is in tokens, 0 where nothing limits it.

    `missing` gives for each capability that the model lacks the reason, as a sentence; `warnings`
    say what of a model that can be loaded cannot be used.
    """

    architecture: str
    parameters: int
    bytes: int
    dtype: str
    layers: int
    heads: int
    key_value_heads: int
    width: int
    context: int
    vocabulary: int
    capabilities: tuple[str, ...]
    missing: dict[str, str]
    trained_for_diffusion: bool | None
    vision: VisionMetadata | None
    parts: tuple[Part, ...]
    warnings: tuple[str, ...] = ()


def read_metadata(path: Path) -> ModelMetadata:
    """Sizes, parts and capabilities of a model folder. Raises ModelUnreadable, and nothing else."""
    with reading(path.name):
        check_contents(path)
        return _pipeline_metadata(path) if is_pipeline(path) else _model_metadata(path)


def _model_metadata(path: Path) -> ModelMetadata:
    refuse_foreign_format(path)
    config = read_config(path)
    refuse_unreadable_format(path, config)
    architecture = _architecture(config)
    masked = kind_of(architecture) == "masked_lm" and has_mask_token(path)
    pictured = any((path / name).is_file() for name in PROCESSORS)
    present = capabilities(architecture, has_mask_token=masked, has_processor=pictured)
    weights = read_weights(path)
    if present:
        refuse_without_tokenizer(path)
    sizes = _checked_sizes(path.name, text_sizes(config, tokenizer=path))
    return ModelMetadata(
        architecture=architecture,
        parameters=weights.parameters,
        bytes=weights.bytes,
        dtype=weights.dtype,
        **sizes,
        capabilities=tuple(present),
        missing=reasons(architecture, present),
        trained_for_diffusion=trained_for_diffusion(config, architecture, present),
        vision=vision_metadata(path, config) if "vision_language" in present else None,
        parts=_mask_decoder_part(path),
        warnings=_warnings(path, sizes["vocabulary"]),
    )


def _warnings(tokenizer: Path, vocabulary: int) -> tuple[str, ...]:
    beyond = tokens_beyond(tokenizer, vocabulary)
    found = (warning_of(beyond, vocabulary) if beyond else None, tokenizer_choice(tokenizer))
    return tuple(warning for warning in found if warning)


def trained_for_diffusion(
    config: dict[str, Any], architecture: str, present: list[str]
) -> bool | None:
    """Whether a model that masked diffusion can decode was trained for it; None for others.

    Such a masked language model is marked by `"masked_diffusion": true` in config.json.
    """
    if "masked_diffusion_lm" not in present:
        return None
    return kind_of(architecture) == "masked_diffusion_lm" or config.get("masked_diffusion") is True


def has_mask_token(path: Path) -> bool:
    """Whether the tokenizer names a mask token."""
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if read_json_if_there(path, name).get("mask_token"):
            return True
    added = read_json_if_there(path, "tokenizer.json").get("added_tokens")
    listed = added if isinstance(added, list) else []
    return any(
        isinstance(token, dict) and MASK_TOKEN.fullmatch(str(token.get("content")))
        for token in listed
    )


def _pipeline_metadata(path: Path) -> ModelMetadata:
    architecture = read_json(path, PIPELINE_INDEX).get("_class_name")
    if not isinstance(architecture, str):
        raise ModelUnreadable(
            f"{PIPELINE_INDEX} of {path.name} names no _class_name.",
            remedy="Save it with pipeline.save_pretrained(folder).",
        )
    parts = [_part(path, name, cls) for name, cls in pipeline_parts(path).items()]
    weighed = [part for part in parts if part.parameters]
    encoders = [part for part in weighed if part.name.startswith("text_encoder")]
    if not encoders:
        raise ModelUnreadable(
            f"{path.name} has no text_encoder folder with weights.",
            remedy="Save it with pipeline.save_pretrained(folder).",
        )
    largest = max(encoders, key=lambda part: part.parameters or 0).name
    folder, tokenizer = path / largest, largest.replace("text_encoder", "tokenizer")
    present = capabilities(architecture)
    found = text_sizes(read_config(folder), tokenizer=path / tokenizer)
    sizes = _checked_sizes(path.name, found)
    return ModelMetadata(
        architecture=architecture,
        parameters=sum(part.parameters or 0 for part in weighed),
        bytes=sum(part.bytes or 0 for part in weighed),
        dtype=", ".join(
            sorted({name for part in weighed for name in (part.dtype or "").split(", ")})
        ),
        **sizes,
        capabilities=tuple(present),
        missing=reasons(architecture, present),
        trained_for_diffusion=None,
        vision=None,
        parts=tuple(parts),
        warnings=_warnings(path / tokenizer, sizes["vocabulary"]),
    )


def _part(path: Path, name: str, cls: str) -> Part:
    """A part of a pipeline; a tokenizer or a scheduler has no weights. Raises ModelUnreadable."""
    folder = path / name
    if not folder.is_dir():
        raise ModelUnreadable(
            f"{path.name} lacks the folder {name} of its {cls}.", remedy="Copy it again."
        )
    has_weights = any(folder.glob("*.safetensors")) or any(folder.glob("*.bin"))
    if not has_weights:
        return Part(name, cls, None, None, None)
    return _weighed_part(name, cls, read_weights(folder))


def _mask_decoder_part(path: Path) -> tuple[Part, ...]:
    folder = path / MASK_DECODER
    if not (folder / "config.json").is_file():
        return ()
    cls = _architecture(read_config(folder))
    return (_weighed_part(MASK_DECODER, cls, read_weights(folder)),)


def _weighed_part(name: str, cls: str, weights: Weights) -> Part:
    return Part(name, cls, weights.parameters, weights.bytes, weights.dtype)


def _checked_sizes(name: str, sizes: dict[str, Any]) -> dict[str, int]:
    for size, found in sizes.items():
        least = 0 if size == "context" else 1
        if type(found) is not int or not least <= found <= LARGEST_SIZE:
            raise ModelUnreadable(
                f"config.json of {name} gives {shortened(found)} as {size.replace('_', ' ')}; it "
                f"must be a whole number of {least} or more.",
                remedy="Check that the folder holds the files of one checkpoint.",
            )
    return sizes


def _architecture(config: dict[str, Any]) -> str:
    names = config.get("architectures") or ["unknown"]
    if not isinstance(names, list) or not isinstance(names[0], str):
        raise ModelUnreadable(
            "architectures in config.json is not a list of names.", remedy="Save the model again."
        )
    return names[0]
