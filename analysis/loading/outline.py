"""A model before its weights are read: what its files say, and its tokenizers.

Methods refuse with it what params and a tokenizer tell, by the functions that a run uses.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from torch import nn
from transformers import AutoConfig, AutoTokenizer, GenerationConfig, PreTrainedModel

from analysis.catalog.entries import Entry
from analysis.catalog.files import PIPELINE_INDEX, pipeline_parts, read_json
from analysis.catalog.metadata import ModelMetadata
from analysis.events import ModelInfo
from analysis.model.classes import ImagePipeline, Model, VisionLanguageModel

SIZES = "architecture layers heads key_value_heads width context vocabulary parameters dtype"
GENERATION = "generation_config.json"


class Unread(PreTrainedModel):
    """A configuration without a network."""

    def __init__(self, config: Any, generation_config: Any) -> None:
        nn.Module.__init__(self)
        self.config, self.generation_config = config, generation_config


def outline(entry: Entry, metadata: ModelMetadata, *, trusted: bool = False) -> Model:
    """`plain` has a config and nothing to run; of a pipeline, `pipeline` has its tokenizers."""
    assert entry.path is not None
    info = ModelInfo(
        id=entry.id,
        revision=entry.revision or "",
        device="",
        weights="",
        capabilities=list(metadata.capabilities),
        **{name: getattr(metadata, name) for name in SIZES.split()},
    )
    if "text_to_image" in metadata.capabilities:
        return _pipeline(entry.path, info)
    options = {"local_files_only": True, "trust_remote_code": trusted}
    tokenizer = AutoTokenizer.from_pretrained(entry.path, **options)
    config = AutoConfig.from_pretrained(entry.path, **options)
    plain = Unread(config, _generation_config(entry.path))
    if "vision_language" in metadata.capabilities:
        return VisionLanguageModel(info, plain, tokenizer, entry.path, processor=None)
    return Model(info, plain, tokenizer, entry.path, trusted)


def _generation_config(path: Path) -> GenerationConfig | None:
    if not (path / GENERATION).is_file():
        return None
    return GenerationConfig.from_pretrained(path, local_files_only=True)


def _pipeline(path: Path, info: ModelInfo) -> ImagePipeline:
    names = [name for name in pipeline_parts(path) if name.startswith("tokenizer")]
    tokenizers = {
        name: AutoTokenizer.from_pretrained(path / name, local_files_only=True) for name in names
    }
    encoders = {
        name.replace("tokenizer", "text_encoder"): Unread(
            AutoConfig.from_pretrained(
                path / name.replace("tokenizer", "text_encoder"), local_files_only=True
            ),
            None,
        )
        for name in names
    }
    first, plain = tokenizers[names[0]], next(iter(encoders.values()))
    cls = str(read_json(path, PIPELINE_INDEX).get("_class_name"))
    longest = first.model_max_length  # as Stable Diffusion 3 takes it
    parts = type(cls, (SimpleNamespace,), {})(
        **tokenizers, **encoders, tokenizer_max_length=longest
    )
    return ImagePipeline(info, plain, first, path, pipeline=parts)
