from pathlib import Path
from typing import Any

import pytest
from transformers import (
    Gemma3Config,
    Idefics3Config,
    LlavaConfig,
    PaliGemmaConfig,
    PretrainedConfig,
    Qwen2_5_VLConfig,
    Qwen2VLConfig,
    Qwen3VLConfig,
)

from analysis.catalog.metadata import read_metadata
from analysis.catalog.vision_metadata import ASSUMED_PATCH, VisionMetadata, vision_metadata
from tests.tiny_pictures import make_llava, make_qwen2_5_vl

NOWHERE = Path("nowhere")


def sizes(config: PretrainedConfig, **changes: Any) -> tuple[Any, ...]:
    found = vision_metadata(NOWHERE, {**config.to_dict(), **changes})
    return found.image_size, found.patch_size, found.image_tokens, found.tiled


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (LlavaConfig(), (336, 14, 576, False)),
        (LlavaConfig(vision_feature_select_strategy="full"), (336, 14, 577, False)),
        (PaliGemmaConfig(), (224, 14, 256, False)),
        (Gemma3Config(), (224, 16, 256, False)),
        (Idefics3Config(vision_config={"image_size": 364, "patch_size": 14}), (364, 14, 169, True)),
        (Qwen2VLConfig(), (None, 14, None, False)),
        (Qwen2_5_VLConfig(), (None, 14, None, False)),
        (Qwen3VLConfig(), (None, 16, None, False)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_image_tokens_follow_from_the_configuration(
    config: PretrainedConfig, expected: tuple[Any, ...]
) -> None:
    assert sizes(config) == expected


@pytest.mark.parametrize("config", [Qwen2VLConfig(), Qwen2_5_VLConfig(), Qwen3VLConfig()])
def test_a_patch_size_left_out_is_what_transformers_assumes(config: PretrainedConfig) -> None:
    assert ASSUMED_PATCH[config.model_type] == config.vision_config.patch_size
    found = vision_metadata(NOWHERE, {"model_type": config.model_type, "vision_config": {}})
    merged = config.vision_config.patch_size * config.vision_config.spatial_merge_size
    assert found.token_pixels == merged


def test_facts_equal_what_the_processor_makes(tmp_path: Path) -> None:
    metadata = read_metadata(make_llava(tmp_path / "llava"))
    assert metadata.vision == VisionMetadata(
        architecture="clip_vision_model",
        image_size=32,
        patch_size=8,
        image_tokens=16,
        token_pixels=None,
        tiled=False,
        mask_decoder=False,
    )
    found = read_metadata(make_qwen2_5_vl(tmp_path / "qwen")).vision
    assert (found.image_size, found.patch_size, found.token_pixels) == (None, 8, 16)


def test_a_mask_decoder_is_there_when_all_its_files_are(tmp_path: Path) -> None:
    folder = make_llava(tmp_path / "llava")
    decoder = folder / "mask_decoder"
    decoder.mkdir()
    for name in ("model.safetensors", "text_head.safetensors"):
        (decoder / name).write_bytes((folder / "model.safetensors").read_bytes())
    assert not read_metadata(folder).vision.mask_decoder
    (decoder / "config.json").write_text('{"architectures": ["SamModel"]}')
    metadata = read_metadata(folder)
    assert metadata.vision.mask_decoder
    assert [part.class_name for part in metadata.parts] == ["SamModel"]
    assert metadata.parts[0].parameters == 2 * metadata.parameters
