"""Tiny folders of models that read or draw pictures, made afresh: nothing is downloaded."""

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderDC,
    AutoencoderKL,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    PixArtAlphaPipeline,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    SanaPipeline,
    SanaTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPImageProcessorPil,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    Gemma2Config,
    Gemma2Model,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
    T5Config,
    T5EncoderModel,
)

from tests.tiny_models import byte_tokenizer, save, spread

QWEN_TOKENS = {
    "image_token_id": "<|image_pad|>",
    "video_token_id": "<|video_pad|>",
    "vision_start_token_id": "<|vision_start|>",
    "vision_end_token_id": "<|vision_end|>",
}
QWEN_TEMPLATE = (
    "{% for part in messages[0].content %}{% if part.type == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part.text }}{% endif %}{% endfor %}"
)


def make_llava(folder: Path) -> Path:
    """A CLIP tower of 4 × 4 patches and a Llama."""
    tokenizer = tokenizer_with("<image>")
    vision = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        image_size=32, patch_size=8, projection_dim=32,
    )  # fmt: skip
    config = LlavaConfig(
        vision_config=vision, text_config=text_config(tokenizer), vision_feature_layer=-1,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"), image_seq_length=16,
        vision_feature_select_strategy="default",
    )  # fmt: skip
    size = {"height": 32, "width": 32}
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size=size, crop_size=size), tokenizer=tokenizer,
        patch_size=8, vision_feature_select_strategy="default", image_token="<image>",
        num_additional_image_tokens=1,
    )  # fmt: skip
    spread(LlavaForConditionalGeneration(config)).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def make_qwen2_5_vl(folder: Path) -> Path:
    """A tower whose tokens follow the picture's size; its processor would also take videos."""
    tokenizer = tokenizer_with(*QWEN_TOKENS.values())
    tokenizer.chat_template = QWEN_TEMPLATE
    vision = {
        "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 4, "patch_size": 8,
        "spatial_merge_size": 2, "temporal_patch_size": 2, "out_hidden_size": 32,
        "window_size": 32, "fullatt_block_indexes": [1],
    }  # fmt: skip
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
    config = Qwen2_5_VLConfig(
        vision_config=vision,
        text_config={**text_config(tokenizer).to_dict(), "rope_parameters": rope, "model_type": ""},
        **{name: tokenizer.convert_tokens_to_ids(token) for name, token in QWEN_TOKENS.items()},
    )
    pictures = Qwen2VLImageProcessorPil(
        patch_size=8, merge_size=2, temporal_patch_size=2, min_pixels=32 * 32, max_pixels=64 * 64
    )
    save(spread(Qwen2_5_VLForConditionalGeneration(config)), tokenizer, folder)
    pictures.save_pretrained(folder)
    return folder


def make_flux(folder: Path) -> Path:
    """Flux: CLIP for the pooled vector, T5 for the tokens."""
    tokenizer = _prompt_tokenizer()
    torch.manual_seed(0)
    FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(), vae=_autoencoder(1),
        text_encoder=_clip(CLIPTextModel, tokenizer), tokenizer=tokenizer,
        text_encoder_2=make_t5_encoder(tokenizer), tokenizer_2=tokenizer,
        transformer=FluxTransformer2DModel(
            patch_size=1, in_channels=4, num_layers=1, num_single_layers=1,
            attention_head_dim=16, num_attention_heads=2, joint_attention_dim=32,
            pooled_projection_dim=32, axes_dims_rope=[4, 4, 8],
        ),
    ).save_pretrained(folder)  # fmt: skip
    return folder


def make_sd3(folder: Path) -> Path:
    """Stable Diffusion 3: two CLIP encoders with projection, and T5."""
    tokenizer = _prompt_tokenizer()
    torch.manual_seed(0)
    StableDiffusion3Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(), vae=_autoencoder(4),
        text_encoder=_clip(CLIPTextModelWithProjection, tokenizer), tokenizer=tokenizer,
        text_encoder_2=_clip(CLIPTextModelWithProjection, tokenizer), tokenizer_2=tokenizer,
        text_encoder_3=make_t5_encoder(tokenizer), tokenizer_3=tokenizer,
        transformer=SD3Transformer2DModel(
            sample_size=32, patch_size=1, in_channels=4, num_layers=1, attention_head_dim=8,
            num_attention_heads=4, caption_projection_dim=32, joint_attention_dim=32,
            pooled_projection_dim=64, out_channels=4,
        ),
    ).save_pretrained(folder)  # fmt: skip
    return folder


def make_sd(folder: Path) -> Path:
    """Stable Diffusion: one CLIP and a U-Net."""
    tokenizer = _prompt_tokenizer()
    torch.manual_seed(0)
    StableDiffusionPipeline(
        scheduler=DDIMScheduler(clip_sample=False, steps_offset=1), vae=_autoencoder(4),
        text_encoder=_clip(CLIPTextModel, tokenizer), tokenizer=tokenizer, unet=_unet(32),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def make_sdxl(folder: Path) -> Path:
    """Stable Diffusion XL: the states of two CLIPs side by side."""
    tokenizer = _prompt_tokenizer()
    torch.manual_seed(0)
    StableDiffusionXLPipeline(
        scheduler=EulerDiscreteScheduler(), vae=_autoencoder(4), unet=_unet(
            64, addition_embed_type="text_time", addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + 32,
        ),
        text_encoder=_clip(CLIPTextModel, tokenizer), tokenizer=tokenizer,
        text_encoder_2=_clip(CLIPTextModelWithProjection, tokenizer), tokenizer_2=tokenizer,
        add_watermarker=False,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def make_pixart_alpha(folder: Path) -> Path:
    """PixArt-α: T5, and the picture's size as a condition."""
    return _pixart(PixArtAlphaPipeline, folder, use_additional_conditions=False)


def make_pixart_sigma(folder: Path) -> Path:
    """PixArt-Σ: T5 with longer prompts."""
    return _pixart(PixArtSigmaPipeline, folder)


def _pixart(pipeline: Any, folder: Path, **values: object) -> Path:
    tokenizer = _prompt_tokenizer()
    torch.manual_seed(0)
    pipeline(
        scheduler=DPMSolverMultistepScheduler(), vae=_autoencoder(4), tokenizer=tokenizer,
        text_encoder=make_t5_encoder(tokenizer), transformer=PixArtTransformer2DModel(
            sample_size=32, patch_size=1, num_layers=1, num_attention_heads=2,
            attention_head_dim=16, in_channels=4, out_channels=8, cross_attention_dim=32,
            caption_channels=32, **values,
        ),
    ).save_pretrained(folder)  # fmt: skip
    return folder


def make_sana(folder: Path) -> Path:
    """Sana: Gemma 2, which reads from left to right, and linear attention over the picture."""
    tokenizer = _prompt_tokenizer()
    torch.manual_seed(0)
    encoder = Gemma2Model(Gemma2Config(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, query_pre_attn_scalar=8,
        bos_token_id=0, eos_token_id=1, pad_token_id=2,
    ))  # fmt: skip
    blocks = {"encoder_block_out_channels": (8, 8), "decoder_block_out_channels": (8, 8)}
    each = {"encoder_layers_per_block": (1, 1), "decoder_layers_per_block": (1, 1)}
    scales = {"encoder_qkv_multiscales": ((), ()), "decoder_qkv_multiscales": ((), ())}
    SanaPipeline(
        scheduler=DPMSolverMultistepScheduler(), tokenizer=tokenizer,
        text_encoder=spread(encoder), vae=AutoencoderDC(
            latent_channels=4, attention_head_dim=4, **blocks, **each, **scales
        ),
        transformer=SanaTransformer2DModel(
            in_channels=4, out_channels=4, num_layers=1, num_attention_heads=2,
            attention_head_dim=16, num_cross_attention_heads=2, cross_attention_head_dim=16,
            cross_attention_dim=32, caption_channels=32, sample_size=16,
        ),
    ).save_pretrained(folder)  # fmt: skip
    return folder


def _unet(width: int, **values: object) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=32, in_channels=4, out_channels=4, block_out_channels=(8, 16),
        layers_per_block=1, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), cross_attention_dim=width,
        attention_head_dim=4, norm_num_groups=4, **values,
    )  # fmt: skip


def make_t5_encoder(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """The encoder half of a T5."""
    config = T5Config(
        vocab_size=len(tokenizer), d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4,
        pad_token_id=2, eos_token_id=1, decoder_start_token_id=2, is_encoder_decoder=False,
    )  # fmt: skip
    return spread(T5EncoderModel(config)).eval()


def make_clip_encoder(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """The text half of a CLIP."""
    return _clip(CLIPTextModel, tokenizer).eval()


def _clip(cls: type[PreTrainedModel], tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    config = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=77, projection_dim=32, bos_token_id=0,
        eos_token_id=1, pad_token_id=2,
    )  # fmt: skip
    return spread(cls(config))


def _autoencoder(channels: int) -> AutoencoderKL:
    return AutoencoderKL(
        sample_size=32, block_out_channels=(4,), layers_per_block=1, latent_channels=channels,
        norm_num_groups=1, use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.06,
        scaling_factor=1.5,
    )  # fmt: skip


def tokenizer_with(*tokens: str) -> PreTrainedTokenizerFast:
    tokenizer = byte_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": list(tokens)})
    return tokenizer


def _prompt_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = byte_tokenizer()
    tokenizer.model_max_length = 77
    return tokenizer


def text_config(tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=128,
        bos_token_id=0, eos_token_id=1, pad_token_id=2,
    )  # fmt: skip
