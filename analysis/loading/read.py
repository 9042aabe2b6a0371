"""Reading the weights, tokenizer and processor of a folder, by what the model is for."""

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoModelForMaskedLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils.logging import disable_progress_bar

from analysis.catalog.capabilities import Kind, kind_of
from analysis.catalog.dtypes import AUTO, Dtype
from analysis.catalog.entries import Entry
from analysis.catalog.files import PIPELINE_INDEX, read_config, read_json
from analysis.catalog.folder import first_line, is_panic
from analysis.catalog.formats import quantization
from analysis.catalog.metadata import ModelMetadata
from analysis.errors import GlassbenchError, ModelUnreadable
from analysis.events import ModelInfo
from analysis.loading.adapter import base_alone, merged
from analysis.loading.outline import outline
from analysis.loading.processor import read_processor
from analysis.loading.quantized import DEQUANTIZED, quantized_options
from analysis.loading.remote_code import refill_buffers, refuse_unset_tables, repaired_config
from analysis.loading.tokens_beyond import refuse_tokens_beyond
from analysis.model.classes import ImagePipeline, Model, VisionLanguageModel
from analysis.model.memory import default_device, dtype_for, is_out_of_memory

disable_progress_bar()  # a run tells its own progress
LIBRARIES = ("transformers", "diffusers")
# What to do, by the beginning of a library's message; the first that is found.
REMEDIES = {
    "custom code|trust_remote_code": (
        "An administrator can list its id and revision in TRUSTED_REMOTE_CODE."
    ),
    "^(ImportError|ModuleNotFoundError)|pip install": (
        "Install the package that it names in the worker's environment."
    ),
    "does not recognize this architecture|Unrecognized (model|configuration)": (
        f"Its class is not in transformers {transformers.__version__}: choose another model, or "
        "one whose own code an administrator lists."
    ),
    "^(FileNotFoundError|OSError|SafetensorError)": (
        "A file is missing or cut off: copy the folder, or download the model, again."
    ),
    "[Tt]okenizer": "Save its tokenizer again with tokenizer.save_pretrained(folder).",
}
OTHERWISE = "Check that the folder holds the files of one checkpoint."
UNUSED_PARTS = ("safety_checker", "feature_extractor", "image_encoder")


@dataclass(frozen=True)
class Source:
    """What is read: an entry, what its files say, whether its own code may run, and the dtype."""

    entry: Entry
    metadata: ModelMetadata
    trusted: bool = field(default=False, kw_only=True)
    dtype: Dtype = field(default=AUTO, kw_only=True)

    @property
    def path(self) -> Path:
        assert self.entry.path is not None
        return self.entry.path

    @property
    def loaded_dtype(self) -> torch.dtype:
        return dtype_for(self.metadata.dtype, self.dtype)


def read(source: Source) -> Model:
    """Read a model's files. Raises ModelUnreadable, OutOfMemory."""
    kind = kind_of(source.metadata.architecture)
    if kind == "vision_language" and kind not in source.metadata.capabilities:
        kind = "multimodal"  # on a text alone
    return _told(source.entry, lambda: READERS[kind](source))


def read_outline(source: Source) -> Model:
    """A model's tokenizer and configuration alone. Raises ModelUnreadable."""
    entry, metadata = source.entry, source.metadata
    return _told(entry, lambda: outline(entry, metadata, trusted=source.trusted))


def _told(entry: Entry, call: Callable[[], Model]) -> Model:
    try:
        return call()
    except GlassbenchError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise _unreadable(entry, error) from error
    except BaseException as error:
        if not is_panic(error):
            raise
        raise _unreadable(entry, error) from error


def _read_text(auto: Any) -> Callable[[Source], Model]:
    def read_model(source: Source) -> Model:
        plain = _read_weights(auto, source)
        tokenizer = _read_tokenizer(source)
        refuse_tokens_beyond(plain, tokenizer)
        info = _info(source.entry, source.metadata, plain)
        return Model(info, plain, tokenizer, source.path, source.trusted)

    return read_model


def _read_vision_language(given: Source) -> Model:
    source = replace(given, trusted=False)  # these classes are all in transformers
    plain = _read_weights(AutoModelForImageTextToText, source)
    tokenizer = _read_tokenizer(source)
    refuse_tokens_beyond(plain, tokenizer)
    processor = read_processor(source.path, tokenizer)
    info = _info(source.entry, source.metadata, plain)
    return VisionLanguageModel(info, plain, tokenizer, source.path, processor=processor)


def _read_pipeline(source: Source) -> Model:
    """The classes are those of the two libraries, whether the folder is trusted or not."""
    import diffusers

    entry, metadata = source.entry, source.metadata
    index = read_json(source.path, PIPELINE_INDEX)
    weighed = [part.name for part in metadata.parts if part.parameters]
    parts: dict[str, Any] = dict.fromkeys(name for name in UNUSED_PARTS if name in index)
    for name in weighed:
        if name not in UNUSED_PARTS:
            parts[name] = _read_part(entry, name, *index[name], dtype=source.loaded_dtype)
    checker = {"requires_safety_checker": False} if "requires_safety_checker" in index else {}
    diffusers.utils.logging.disable_progress_bar()
    cls = getattr(diffusers, metadata.architecture)
    pipeline = cls.from_pretrained(entry.path, local_files_only=True, **parts, **checker)
    pipeline.set_progress_bar_config(disable=True)
    return image_pipeline(entry, metadata, pipeline)


def image_pipeline(entry: Entry, metadata: ModelMetadata, pipeline: Any) -> ImagePipeline:
    """A pipeline whose parts are in memory, with its largest text encoder in front."""
    assert entry.path is not None
    encoders = [part for part in metadata.parts if part.name.startswith("text_encoder")]
    largest = max(encoders, key=lambda part: part.parameters or 0).name
    plain = pipeline.components[largest]
    tokenizer = pipeline.components[largest.replace("text_encoder", "tokenizer")]
    info = _info(entry, metadata, plain)
    model = ImagePipeline(info, plain, tokenizer, entry.path, pipeline=pipeline)
    count = sum(weight.numel() for part in model.modules for weight in part.parameters())
    return replace(model, info=info.model_copy(update={"parameters": count}))


def _read_part(entry: Entry, name: str, library: str, cls: str, *, dtype: torch.dtype) -> Any:
    """A part of a pipeline that has weights. Raises ModelUnreadable."""
    assert entry.path is not None
    if library not in LIBRARIES:
        raise ModelUnreadable(
            f"{name} of {entry.id} is a {library}.{cls}, which is code of its own.",
            remedy=f"Choose a pipeline whose parts are of {' and '.join(LIBRARIES)} alone.",
        )
    part, report = getattr(importlib.import_module(library), cls).from_pretrained(
        entry.path / name,
        dtype=dtype,
        use_safetensors=True,
        local_files_only=True,
        output_loading_info=True,
    )
    _refuse_missing(f"{entry.id}, {name}", report)
    return part.eval().requires_grad_(requires_grad=False).to(default_device())


def _read_weights(auto: Any, source: Source) -> PreTrainedModel:
    entry, trusted = source.entry, source.trusted
    repaired = {"config": repaired_config(auto, source.path)} if trusted else {}
    method = quantization(read_config(source.path))
    if entry.adapter is not None and method is not None:
        raise ModelUnreadable(
            f"The base model of {entry.id}, {entry.base}, is quantized ({method}).",
            remedy="Choose the base model in bfloat16 for this adapter.",
        )
    with base_alone():
        plain, report = auto.from_pretrained(
            source.path,
            dtype=source.loaded_dtype,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=trusted,
            ignore_mismatched_sizes=True,  # refused below, by name
            output_loading_info=True,
            **quantized_options(method),
            **repaired,
        )
    _refuse_missing(entry.id, report)
    if entry.adapter is not None:
        plain = merged(plain, entry.adapter)
    refill_buffers(plain)
    refuse_unset_tables(entry.id, plain)
    frozen: Any = plain.eval().requires_grad_(requires_grad=False)
    model: PreTrainedModel = (
        frozen.to(default_device()) if method in (None, *DEQUANTIZED) else frozen
    )
    return model


def _read_tokenizer(source: Source) -> PreTrainedTokenizerBase:
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        source.path, local_files_only=True, trust_remote_code=source.trusted
    )
    return tokenizer


def _info(entry: Entry, metadata: ModelMetadata, plain: PreTrainedModel) -> ModelInfo:
    revision = entry.revision
    assert revision is not None
    names = "architecture layers heads key_value_heads width context vocabulary capabilities"
    return ModelInfo(
        id=entry.id,
        revision=revision,
        parameters=sum(weight.numel() for weight in plain.parameters()),
        dtype=str(plain.dtype).removeprefix("torch."),
        device=str(plain.device),
        weights=f"LoRA adapter merged into {entry.base}" if entry.adapter else "raw",
        **{name: getattr(metadata, name) for name in names.split()},
    )


def _unreadable(entry: Entry, error: BaseException) -> ModelUnreadable:
    said = first_line(error, entry.path)
    remedy = next((fit for cause, fit in REMEDIES.items() if re.search(cause, said)), OTHERWISE)
    return ModelUnreadable(f"{entry.id} cannot be loaded: {said}", remedy=remedy)


def _refuse_missing(name: str, report: dict[str, Any]) -> None:
    for kind in ("missing_keys", "mismatched_keys"):
        names = sorted(str(key) for key in report.get(kind) or ())
        if names:
            raise ModelUnreadable(
                f"{name}: {len(names)} {kind.replace('_', ' ')} in the weights, "
                f"such as {names[0]}.",
                remedy="config.json and the safetensors files must be of one checkpoint.",
            )


READERS: dict[Kind, Callable[[Source], Model]] = {
    "causal_lm": _read_text(AutoModelForCausalLM),
    "masked_lm": _read_text(AutoModelForMaskedLM),
    "masked_diffusion_lm": _read_text(AutoModel),
    "vision_language": _read_vision_language,
    "multimodal": _read_text(AutoModelForImageTextToText),
    "text_to_image": _read_pipeline,
}
