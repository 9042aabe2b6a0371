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
)
from analysis.catalog.vision_metadata import VisionMetadata, vision_metadata
from analysis.catalog.vocabulary import tokens_beyond, warning_of
from analysis.errors import ModelUnreadable, shortened

# Their first position is the padding token's id + 1, and that many fewer tokens can be read.
POSITIONS_AFTER_PADDING = {
    "camembert", "data2vec-text", "longformer", "mpnet", "roberta", "roberta-prelayernorm",
    "xlm-roberta", "xlm-roberta-xl", "xmod",
}  # fmt: skip
LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads")
WIDTH = ("hidden_size", "n_embd", "n_embed", "d_model")
CONTEXT = ("max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len")
VOCABULARY = ("embedding_size", "vocab_size")
# What transformers assumes of a text part whose config.json leaves out the usual values.
ASSUMED: dict[str, dict[str, int]] = {
    "llama": {
        "num_hidden_layers": 32, "num_attention_heads": 32, "hidden_size": 4096,
        "vocab_size": 32000, "max_position_embeddings": 2048,
    },
    "mistral": {
        "num_hidden_layers": 32, "num_attention_heads": 32, "hidden_size": 4096,
        "vocab_size": 32000, "max_position_embeddings": 131072,
    },
    "gemma": {"max_position_embeddings": 8192},
    "gemma2": {"max_position_embeddings": 8192},
    "gemma3_text": {
        "num_hidden_layers": 26, "num_attention_heads": 8, "num_key_value_heads": 4,
        "hidden_size": 2304, "vocab_size": 262208, "max_position_embeddings": 131072,
    },
}  # fmt: skip
LARGEST_SIZE = 2**53  # JSON readers in browsers know no larger whole number
NO_LIMIT = 10**9  # tokenizers without a limit of their own write a number far above
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
    present = capabilities(architecture, has_mask_token=masked)
    weights = read_weights(path)
    if present:
        refuse_without_tokenizer(path)
    sizes = _checked_sizes(path.name, _text_sizes(path, config))
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
    return (warning_of(beyond, vocabulary),) if beyond else ()


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
    found = _text_sizes(folder, read_config(folder), tokenizer=path / tokenizer)
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


def _text_sizes(
    path: Path, config: dict[str, Any], *, tokenizer: Path | None = None
) -> dict[str, Any]:
    """Sizes of the part that reads text; `tokenizer` is the folder of its tokenizer."""
    text = _text_part(config)
    heads = _first(text, *HEADS)
    folder = tokenizer or path
    return {
        "layers": _first(text, *LAYERS),
        "heads": heads,
        "key_value_heads": text.get("num_key_value_heads") or text.get("n_kv_heads") or heads,
        "width": _first(text, *WIDTH),
        "context": _context(text, folder),
        "vocabulary": _first(text, *VOCABULARY),
    }


def _text_part(config: dict[str, Any]) -> dict[str, Any]:
    part = config.get("text_config") or config
    if not isinstance(part, dict):
        raise ModelUnreadable(
            "text_config in config.json is not an object.", remedy="Save the model again."
        )
    return part if part is config else {**ASSUMED.get(str(part.get("model_type")), {}), **part}


def _architecture(config: dict[str, Any]) -> str:
    names = config.get("architectures") or ["unknown"]
    if not isinstance(names, list) or not isinstance(names[0], str):
        raise ModelUnreadable(
            "architectures in config.json is not a list of names.", remedy="Save the model again."
        )
    return names[0]


def _context(text: dict[str, Any], tokenizer: Path) -> int:
    """Longest input in tokens, 0 where neither the model nor its tokenizer has a limit."""
    longest = next((text[name] for name in CONTEXT if isinstance(text.get(name), int)), None)
    if longest is None:
        limit = read_json_if_there(tokenizer, "tokenizer_config.json").get("model_max_length")
        return int(limit) if isinstance(limit, int) and limit < NO_LIMIT else 0
    if text.get("model_type") in POSITIONS_AFTER_PADDING:
        return int(longest) - _first({"pad_token_id": 1, **text}, "pad_token_id") - 1
    return int(longest)


def _first(config: dict[str, Any], *names: str) -> int:
    for name in names:
        if isinstance(config.get(name), int):
            return int(config[name])
    raise ModelUnreadable(
        f"config.json names none of: {', '.join(names)}.", remedy="Save the model again."
    )
