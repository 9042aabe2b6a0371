"""Tiny folders of models that read pictures as tiles, lines, merged patches or by cross-attention.

The class and the keys of each config are those of the published checkpoints.
"""

import json
from pathlib import Path
from typing import Any

import transformers as hf

from tests.families import LLAMA3
from tests.tiny_models import save, spread
from tests.tiny_pictures import QWEN_TEMPLATE, QWEN_TOKENS, text_config, tokenizer_with

VISION = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4,
    "patch_size": 8,
}  # fmt: skip
ROTARY = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
SQUARE = {"height": 32, "width": 32}


def make_llava_next(folder: Path) -> Path:
    """The whole picture, then its tiles as one grid with a newline after each row."""
    tokenizer = tokenizer_with("<image>")
    pinpoints = [[32, 64], [64, 32], [64, 64], [96, 32], [32, 96]]
    config = hf.LlavaNextConfig(
        vision_config=hf.CLIPVisionConfig(**VISION, image_size=32, projection_dim=32),
        text_config=_text(tokenizer), image_grid_pinpoints=pinpoints, vision_feature_layer=-1,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"), image_seq_length=16,
    )  # fmt: skip
    pictures = hf.LlavaNextImageProcessorPil(
        size={"shortest_edge": 32}, crop_size=SQUARE, image_grid_pinpoints=pinpoints
    )
    processor = hf.LlavaNextProcessor(
        image_processor=pictures, tokenizer=tokenizer, patch_size=8, num_additional_image_tokens=1,
        vision_feature_select_strategy="default",
    )  # fmt: skip
    return _save(hf.LlavaNextForConditionalGeneration(config), processor, folder)


def make_qwen2_vl(folder: Path) -> Path:
    """Patches merged two by two; positions in time, height and width."""
    vision = {
        "depth": 1, "embed_dim": 32, "hidden_size": 32, "num_heads": 4, "mlp_ratio": 2,
        "patch_size": 8, "spatial_merge_size": 2, "temporal_patch_size": 2,
    }  # fmt: skip
    return _qwen(hf.Qwen2VLConfig, hf.Qwen2VLForConditionalGeneration, vision, folder, patch_size=8)


def make_qwen3_vl(folder: Path) -> Path:
    """As Qwen2-VL, with states of earlier vision layers added to the language model's."""
    vision = {
        "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 4, "patch_size": 8,
        "spatial_merge_size": 2, "temporal_patch_size": 2, "out_hidden_size": 32,
        "num_position_embeddings": 16, "deepstack_visual_indexes": [0],
    }  # fmt: skip
    return _qwen(hf.Qwen3VLConfig, hf.Qwen3VLForConditionalGeneration, vision, folder, head_dim=8)


def make_gemma3(folder: Path) -> Path:
    """As Gemma 3 of 4B and more: patches pooled to a square; a picture reads itself both ways."""
    names = {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"}
    names |= {"image_token": "<image_soft_token>"}
    tokenizer = tokenizer_with(*names.values())
    tokenizer._set_model_specific_special_tokens(names)
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in names.items()}
    config = hf.Gemma3Config(
        text_config=hf.Gemma3TextConfig(
            **_sizes(tokenizer), head_dim=8, sliding_window=32, query_pre_attn_scalar=8,
            layer_types=["sliding_attention", "full_attention"],
        ),
        vision_config=hf.SiglipVisionConfig(**VISION, image_size=64, vision_use_head=False),
        mm_tokens_per_image=16, boi_token_index=ids["boi_token"],
        eoi_token_index=ids["eoi_token"], image_token_index=ids["image_token"],
    )  # fmt: skip
    size = {"height": 64, "width": 64}
    processor = hf.Gemma3Processor(
        image_processor=hf.Gemma3ImageProcessorPil(size=size), tokenizer=tokenizer,
        image_seq_length=16,
    )  # fmt: skip
    return _save(hf.Gemma3ForConditionalGeneration(config), processor, folder)


def make_idefics3(folder: Path) -> Path:
    """As SmolVLM: tiles, each a run of tokens behind its row and column; then the whole picture."""
    places = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    tokenizer = tokenizer_with(
        "<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>", *places
    )
    config = hf.Idefics3Config(
        vision_config={**VISION, "image_size": 32}, text_config=_text(tokenizer), scale_factor=2,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"), pad_token_id=2,
    )  # fmt: skip
    pictures = hf.Idefics3ImageProcessorPil(
        size={"longest_edge": 96}, max_image_size={"longest_edge": 32}
    )
    processor = hf.Idefics3Processor(image_processor=pictures, tokenizer=tokenizer, image_seq_len=4)
    return _save(hf.Idefics3ForConditionalGeneration(config), processor, folder)


def make_mistral3(folder: Path) -> Path:
    """Lines of merged patches of a picture of any shape, a token after each line."""
    tokenizer = tokenizer_with("[IMG]", "[IMG_BREAK]", "[IMG_END]")
    config = hf.Mistral3Config(
        vision_config=hf.PixtralVisionConfig(**VISION, image_size=64),
        text_config=hf.MistralConfig(**_sizes(tokenizer), head_dim=8),
        image_token_index=tokenizer.convert_tokens_to_ids("[IMG]"), spatial_merge_size=2,
        vision_feature_layer=-1,
    )  # fmt: skip
    save(spread(hf.Mistral3ForConditionalGeneration(config)), tokenizer, folder)
    patches = {"height": 8, "width": 8}
    pictures = hf.PixtralImageProcessorPil(size={"longest_edge": 64}, patch_size=patches)
    pictures.save_pretrained(folder)
    named = {"processor_class": "PixtralProcessor", "patch_size": 8, "spatial_merge_size": 2}
    (folder / "processor_config.json").write_text(json.dumps(named))
    return folder


def make_mllama(folder: Path) -> Path:
    """As Llama 3.2 Vision: one layer reads the picture by cross-attention."""
    tokenizer = tokenizer_with("<|image|>")
    text = hf.MllamaTextConfig(
        **{**_sizes(tokenizer), "num_hidden_layers": 3}, cross_attention_layers=[1],
        rope_parameters=LLAMA3,
    )  # fmt: skip
    vision = hf.MllamaVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_global_layers=1,
        attention_heads=4, image_size=32, patch_size=8, intermediate_layers_indices=[0],
        supported_aspect_ratios=[[1, 1], [1, 2], [2, 1]], max_num_tiles=2, vision_output_dim=64,
    )  # fmt: skip
    token = tokenizer.convert_tokens_to_ids("<|image|>")
    config = hf.MllamaConfig(text_config=text, vision_config=vision, image_token_index=token)
    pictures = hf.MllamaImageProcessorPil(size=SQUARE, max_image_tiles=2)
    processor = hf.MllamaProcessor(image_processor=pictures, tokenizer=tokenizer)
    return _save(hf.MllamaForConditionalGeneration(config), processor, folder)


def _qwen(config: Any, model: Any, vision: dict[str, Any], folder: Path, **text: Any) -> Path:
    tokenizer = tokenizer_with(*QWEN_TOKENS.values())
    tokenizer.chat_template = QWEN_TEMPLATE
    text.pop("patch_size", None)
    sizes = {**text_config(tokenizer).to_dict(), "model_type": "", "rope_parameters": ROTARY}
    made = config(
        vision_config=vision,
        text_config={**sizes, **text},
        **{name: tokenizer.convert_tokens_to_ids(token) for name, token in QWEN_TOKENS.items()},
    )
    save(spread(model(made)), tokenizer, folder)
    hf.Qwen2VLImageProcessorPil(
        patch_size=8, merge_size=2, temporal_patch_size=2, min_pixels=32 * 32, max_pixels=64 * 64
    ).save_pretrained(folder)
    return folder


def _sizes(tokenizer: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "max_position_embeddings": 256, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2,
    }  # fmt: skip


def _text(tokenizer: Any) -> hf.LlamaConfig:
    return hf.LlamaConfig(**_sizes(tokenizer))


def _save(model: hf.PreTrainedModel, processor: Any, folder: Path) -> Path:
    spread(model).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
