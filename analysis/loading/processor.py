"""The processor of a vision-language model: it turns a picture and a text into inputs."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import transformers
from transformers import AutoImageProcessor, AutoProcessor, PreTrainedTokenizerBase, ProcessorMixin

from analysis.catalog.files import read_json_if_there

CLASS_FILES = ("processor_config.json", "tokenizer_config.json", "preprocessor_config.json")
# Of the models whose folders need not name their processor's class.
CLASS_BY_TYPE = {
    "qwen2_vl": "Qwen2VLProcessor",
    "qwen2_5_vl": "Qwen2_5_VLProcessor",
    "qwen3_vl": "Qwen3VLProcessor",
}


def read_processor(path: Path, tokenizer: PreTrainedTokenizerBase) -> Any:
    """The folder's processor; without torchvision, one of pictures alone where it takes videos.

    transformers reads videos with torchvision only, and refuses the whole processor without it.
    """
    name = _class_name(path)
    if name in CLASS_BY_TYPE.values() and find_spec("torchvision") is None:
        return _pictures_only(getattr(transformers, name), path, tokenizer)
    return AutoProcessor.from_pretrained(path, local_files_only=True)


def _class_name(path: Path) -> str:
    named = [read_json_if_there(path, file).get("processor_class") for file in CLASS_FILES]
    kind = read_json_if_there(path, "config.json").get("model_type")
    return next((str(name) for name in named if name), CLASS_BY_TYPE.get(str(kind), ""))


def _pictures_only(
    cls: type[ProcessorMixin], path: Path, tokenizer: PreTrainedTokenizerBase
) -> ProcessorMixin:
    def check(self: ProcessorMixin, name: str, part: Any) -> Any:
        return type(None) if part is None else cls.check_argument_for_proper_class(self, name, part)

    pictures = type(cls.__name__, (cls,), {"check_argument_for_proper_class": check})
    image_processor = AutoImageProcessor.from_pretrained(path, local_files_only=True)
    return pictures(  # type: ignore[no-any-return]
        image_processor=image_processor,
        tokenizer=tokenizer,
        video_processor=None,
        chat_template=tokenizer.chat_template,
    )
