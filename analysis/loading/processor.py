"""The processor of a vision-language model: it turns a picture and a text into inputs."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import transformers
from transformers import AutoImageProcessor, AutoProcessor, PreTrainedTokenizerBase, ProcessorMixin

from analysis.catalog.files import read_json_if_there
from analysis.loading.picture_lines import SETTINGS, PictureLines

CLASS_FILES = ("processor_config.json", "tokenizer_config.json", "preprocessor_config.json")
# Of the models whose folders need not name their processor's class.
CLASS_BY_TYPE = {
    "qwen2_vl": "Qwen2VLProcessor",
    "qwen2_5_vl": "Qwen2_5_VLProcessor",
    "qwen3_vl": "Qwen3VLProcessor",
}


def read_processor(path: Path, tokenizer: PreTrainedTokenizerBase) -> Any:
    """The folder's processor; without torchvision, one of pictures alone where it takes videos.

    transformers reads videos with torchvision only, and refuses the whole processor without it; so
    it does for Mistral 3, which takes no videos.
    """
    name, has_torchvision = _class_name(path), find_spec("torchvision") is not None
    if name in CLASS_BY_TYPE.values() and not has_torchvision:
        return _pictures_only(getattr(transformers, name), path, tokenizer)
    if name == "PixtralProcessor" and not has_torchvision:
        return _picture_lines(path, tokenizer)
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


def _picture_lines(path: Path, tokenizer: PreTrainedTokenizerBase) -> PictureLines:
    given = read_json_if_there(path, "processor_config.json")
    return PictureLines(
        AutoImageProcessor.from_pretrained(path, local_files_only=True),
        tokenizer,
        chat_template=tokenizer.chat_template,
        **{name: given[name] for name in SETTINGS if name in given},
    )
