import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from transformers import AutoTokenizer

from analysis.loading.processor import read_processor
from analysis.model import Model, VisionLanguageModel
from analysis.model.chat_template import process
from analysis.model.classes import picture_prompt
from tests.load_folder import load_folder
from tests.tiny_pictures import make_llava, make_qwen2_5_vl


@pytest.fixture
def picture() -> Image.Image:
    return Image.new("RGB", (48, 32), "red")


@pytest.mark.parametrize("make", [make_llava, make_qwen2_5_vl])
def test_nothing_is_installed_while_a_model_loads(
    tmp_path: Path, make: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """TransformerLens would call pip for torchvision."""
    process()._running()  # which renders chat templates, and is started when first needed
    started: list[Any] = []
    monkeypatch.setattr(subprocess, "Popen", lambda *args, **_: started.append(args))
    check = load_folder(make(tmp_path / "own")).info.self_check
    assert check is not None
    assert check.passed
    assert started == []


@pytest.mark.parametrize(("name", "tokens"), [("llava", 16), ("qwen2-5-vl", 6)])
def test_a_picture_becomes_image_tokens(
    every: Callable[[str], Model], name: str, tokens: int, picture: Image.Image
) -> None:
    model = every(name)
    assert isinstance(model, VisionLanguageModel)
    ids = model.inputs(picture, "What is it?")["input_ids"][0]
    assert (ids == model.plain.config.image_token_id).sum() == tokens
    assert "What is it?" in model.tokenizer.decode(ids)


def test_a_processor_that_also_takes_videos_takes_pictures_without_torchvision(
    tmp_path: Path, picture: Image.Image
) -> None:
    folder = make_qwen2_5_vl(tmp_path / "qwen")
    processor = read_processor(folder, AutoTokenizer.from_pretrained(folder))
    made = processor(images=[picture], text=["<|image_pad|> x"], return_tensors="pt")
    assert made["image_grid_thw"].tolist() == [[1, 4, 6]]
    assert made["pixel_values"].shape == (24, 3 * 2 * 8 * 8)


def test_the_prompt_is_in_the_words_of_the_model() -> None:
    class Processor:
        image_token = "<image>"

    class WithBeginning(Processor):
        boi_token = "<start>"

    class WithTemplate(Processor):
        chat_template = "…"

        def apply_chat_template(self, turns: list[Any], *, add_generation_prompt: bool) -> str:
            assert add_generation_prompt
            return "/".join(part["type"] for part in turns[0]["content"])

    assert picture_prompt(Processor(), "Where?") == "<image> Where?"
    assert picture_prompt(WithBeginning(), "Where?") == "<start> Where?"
    assert picture_prompt(WithTemplate(), "Where?") == "image/text"
