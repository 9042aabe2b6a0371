"""A folder with the key layout of READ's checkpoints becomes one that gives the same numbers."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from django.core.management import call_command
from safetensors.torch import load_file
from transformers import CLIPImageProcessorPil, LlavaForConditionalGeneration, SamConfig, SamModel

from analysis.catalog.entries import Catalog
from analysis.errors import ModelUnreadable
from analysis.images import mask_decoder
from analysis.images.mask_decoder import MaskDecoder, text_head_make
from analysis.loading import load, loaded
from analysis.loading.convert_read import convert
from analysis.methods.seg_similarity.segmentation import decoder_of
from analysis.runner import model_cache
from tests.tiny_models import byte_tokenizer, spread
from tests.tiny_pictures import make_llava

# Theirs by ours, written here from the published key lists, not from the converter.
THEIR_SAM = {
    "vision_encoder.layers": "image_encoder.blocks",
    "vision_encoder.": "image_encoder.",
    "patch_embed.projection": "patch_embed.proj",
    "neck.conv1": "neck.0",
    "neck.layer_norm1": "neck.1",
    "neck.conv2": "neck.2",
    "neck.layer_norm2": "neck.3",
    "upscale_conv1": "output_upscaling.0",
    "upscale_layer_norm": "output_upscaling.1",
    "upscale_conv2": "output_upscaling.3",
    "mask_embed.conv1": "mask_downscaling.0",
    "mask_embed.layer_norm1": "mask_downscaling.1",
    "mask_embed.conv2": "mask_downscaling.3",
    "mask_embed.layer_norm2": "mask_downscaling.4",
    "mask_embed.conv3": "mask_downscaling.6",
    "shared_embedding.positional_embedding": "pe_layer.positional_encoding_gaussian_matrix",
    "point_embed.": "point_embeddings.",
    "layer_norm_final_attn": "norm_final_attn",
    "layer_norm": "norm",
}


def their_sam_name(name: str) -> str:
    name = re.sub(r"(iou_prediction_head|mlps\.\d)\.layers\.0", r"\1.layers.1", name)
    name = re.sub(r"(iou_prediction_head|mlps\.\d)\.proj_in", r"\1.layers.0", name)
    name = re.sub(r"(iou_prediction_head|mlps\.\d)\.proj_out", r"\1.layers.2", name)
    for ours, theirs in THEIR_SAM.items():
        name = name.replace(ours, theirs)
    return f"model.visual_model.{name}"


def their_llava_name(name: str) -> str:
    name = name.replace("model.language_model.", "model.").replace("model.vision_tower.", "")
    name = name.replace("model.multi_modal_projector.linear_1", "model.mm_projector.0")
    return name.replace("model.multi_modal_projector.linear_2", "model.mm_projector.2")


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = make_llava(tmp_path_factory.mktemp("plain") / "llava")
    return LlavaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def decoder() -> MaskDecoder:
    side = {"image_size": 32, "patch_size": 8}
    config = SamConfig(
        vision_config={
            "hidden_size": 16, "output_channels": 32, "num_hidden_layers": 2, "num_pos_feats": 16,
            "num_attention_heads": 2, "window_size": 2, "global_attn_indexes": [1],
            "use_rel_pos": True, "mlp_ratio": 2.0, **side,
        },
        prompt_encoder_config={"hidden_size": 32, "mask_input_channels": 4, **side},
        mask_decoder_config={
            "hidden_size": 32, "mlp_dim": 12, "num_attention_heads": 8, "iou_head_hidden_dim": 8,
        },
    )  # fmt: skip
    return MaskDecoder(spread(SamModel(config)), text_head_make(width=32, prompt_width=32)).eval()


@pytest.fixture
def source(tmp_path: Path, llava: Any, decoder: MaskDecoder) -> Path:
    """Two pickles and the folder of the vision tower, named as READ's."""
    folder, tower = tmp_path / "read", tmp_path / "read" / "vision_tower"
    tower.mkdir(parents=True)
    weights = {their_llava_name(k): v for k, v in llava.state_dict().items() if "vision" not in k}
    sam = decoder.sam.state_dict()
    del sam["shared_image_embedding.positional_embedding"]
    theirs = {their_sam_name(name): weight for name, weight in sam.items()}
    theirs |= {"model.visual_model.pixel_mean": torch.zeros(3, 1, 1)}
    head = decoder.text_head.state_dict()
    theirs |= {f"model.text_hidden_fcs.0.{name}": weight for name, weight in head.items()}
    torch.save(weights, folder / "pytorch_model-00001-of-00002.bin")
    torch.save(theirs, folder / "pytorch_model-00002-of-00002.bin")
    tokenizer = byte_tokenizer()
    tokenizer.add_tokens(["<image>", "[SEG]"])
    tokenizer.save_pretrained(folder)
    config = llava.config.text_config.to_dict() | {"mm_vision_select_layer": -1}
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "llava"}))
    llava.model.vision_tower.save_pretrained(tower)
    size = {"height": 32, "width": 32}
    CLIPImageProcessorPil(size=size, crop_size=size).save_pretrained(tower)
    return folder


def converted(source: Path, target: Path) -> Any:
    call_command("convert_read", str(source), str(target))
    catalog = Catalog(bundled=Path("none"), model_dirs=(target.parent,))
    list(load(target.name, catalog=catalog, cache=model_cache()))
    return loaded(catalog.find(target.name), model_cache())


def test_the_language_model_gives_the_same_logits(source: Path, tmp_path: Path, llava: Any) -> None:
    model = converted(source, tmp_path / "out" / "converted-read")
    assert model.info.self_check is None or model.info.self_check.passed
    inputs = {
        "input_ids": torch.tensor([[0, *[llava.config.image_token_index] * 16, 40, 41, 42]]),
        "pixel_values": torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)),
    }
    with torch.inference_mode():
        expected = llava(**inputs).logits
        found = model.plain(**inputs).logits
    width = expected.shape[-1]
    torch.testing.assert_close(found[..., :width], expected, atol=1e-5, rtol=1e-5)
    ids = model.tokenizer.convert_tokens_to_ids(["<image>", "[SEG]"])
    assert model.plain.config.image_token_index == ids[0]
    assert len(model.tokenizer) == found.shape[-1]


def test_the_mask_decoder_gives_the_same_masks(
    source: Path, tmp_path: Path, decoder: MaskDecoder
) -> None:
    model = converted(source, tmp_path / "out" / "converted-masks")
    found = decoder_of(model)
    assert found is not None
    pixels = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    state = torch.randn(1, 1, 32, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        expected = mask_decoder.masks(decoder, pixels, state)
        made = mask_decoder.masks(found.decoder, pixels, state)
    torch.testing.assert_close(made.logits_BKHW, expected.logits_BKHW, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(made.quality_BK, expected.quality_BK, atol=1e-5, rtol=1e-5)


def test_nothing_but_safetensors_is_written(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "converted"
    list(convert(source, source / "vision_tower", target))
    assert not [file for file in target.rglob("*") if file.suffix in (".bin", ".pt", ".pkl")]
    assert set(load_file(target / "mask_decoder" / "text_head.safetensors")) == {
        "0.weight", "0.bias", "2.weight", "2.bias"
    }  # fmt: skip


class Trap:
    def __reduce__(self) -> Any:
        return (print, ("this must never run",))


def change(source: Path, number: int, **tensors: Any) -> None:
    file = source / f"pytorch_model-0000{number}-of-00002.bin"
    torch.save({**torch.load(file, weights_only=True), **tensors}, file)


def test_what_is_no_tensor_is_never_run(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = source / "pytorch_model-00001-of-00002.bin"
    torch.save({"model.norm.weight": Trap()}, file)
    with pytest.raises(ModelUnreadable, match="other things than tensors"):
        list(convert(source, source / "vision_tower", tmp_path / "out"))
    assert "never run" not in capsys.readouterr().out


def test_a_projector_of_one_layer_is_refused_with_the_reason(source: Path, tmp_path: Path) -> None:
    change(source, 1, **{"model.mm_projector.weight": torch.zeros(2, 2)})
    with pytest.raises(ModelUnreadable, match=r"one layer .*LISA-\*-v1"):
        list(convert(source, source / "vision_tower", tmp_path / "out"))


def test_a_name_of_no_known_part_is_refused(source: Path, tmp_path: Path) -> None:
    change(source, 1, **{"model.surprise.weight": torch.zeros(2, 2)})
    with pytest.raises(ModelUnreadable, match="surprise"):
        list(convert(source, source / "vision_tower", tmp_path / "out"))


def test_what_is_lacking_is_named(source: Path, tmp_path: Path) -> None:
    torch.save({}, source / "pytorch_model-00002-of-00002.bin")
    with pytest.raises(ModelUnreadable, match=r"lacks the mask decoder and the head of \[SEG\]"):
        list(convert(source, source / "vision_tower", tmp_path / "out"))


def test_a_folder_without_pickles_and_a_full_target_are_refused(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for wrong, target in [(source / "vision_tower", tmp_path / "new"), (source, source)]:
        with pytest.raises(SystemExit) as ended:
            call_command("convert_read", str(wrong), str(target))
        assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "has no pytorch_model*.bin" in said
    assert "exists and is not empty" in said
