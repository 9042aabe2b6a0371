"""Checkpoints of READ, SESAME and LISA on LLaVA 1.5, rewritten as folders that are read here.

Theirs are pickles of a class of their own: a Llama, LLaVA's two-layer projector, Segment Anything
under its original names, and the head that turns `[SEG]`'s state into a prompt. They are read as
tensors alone (`weights_only`), renamed and written as safetensors, one file after the other.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoTokenizer,
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    GenerationConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaProcessor,
    PreTrainedTokenizerBase,
    SamConfig,
    SamImageProcessorPil,
    SamMaskDecoderConfig,
    SamPromptEncoderConfig,
    SamVisionConfig,
)

from analysis.catalog.files import MASK_DECODER, read_json, weight_files
from analysis.errors import ModelUnreadable, shortened
from analysis.images.mask_decoder import HEAD_NAME

Tensors = dict[str, torch.Tensor]
IMAGE = "<image>"
CHAT = (
    "A chat between a curious human and an artificial intelligence assistant. The assistant gives "
    "helpful, detailed, and polite answers to the human's questions. USER: "
    "{% for message in messages %}{% for part in message['content'] %}"
    "{{ 'PICTURE\n' if part['type'] == 'image' else part['text'] }}"
    "{% endfor %}{% endfor %} ASSISTANT:"
)
LLAVA_NAMES = (
    (r"^model\.mm_projector\.0\.", "multi_modal_projector.linear_1."),
    (r"^model\.mm_projector\.2\.", "multi_modal_projector.linear_2."),
    (r"^model\.vision_tower\.vision_tower\.vision_model\.", "vision_tower."),
    (r"^(lm_head\.|model\.(layers|embed_tokens|norm)\.)", r"language_model.\1"),
)
SAM_NAMES = (
    (r"^image_encoder\.", "vision_encoder."),
    (r"^vision_encoder\.blocks\.", "vision_encoder.layers."),
    (r"patch_embed\.proj\.", "patch_embed.projection."),
    (r"neck\.0\.", "neck.conv1."),
    (r"neck\.1\.", "neck.layer_norm1."),
    (r"neck\.2\.", "neck.conv2."),
    (r"neck\.3\.", "neck.layer_norm2."),
    (r"\.norm", ".layer_norm"),
    (r"pe_layer\.positional_encoding_gaussian_matrix", "shared_embedding.positional_embedding"),
    (r"point_embeddings\.", "point_embed."),
    (r"mask_downscaling\.0\.", "mask_embed.conv1."),
    (r"mask_downscaling\.1\.", "mask_embed.layer_norm1."),
    (r"mask_downscaling\.3\.", "mask_embed.conv2."),
    (r"mask_downscaling\.4\.", "mask_embed.layer_norm2."),
    (r"mask_downscaling\.6\.", "mask_embed.conv3."),
    (r"output_upscaling\.0\.", "upscale_conv1."),
    (r"output_upscaling\.1\.", "upscale_layer_norm."),
    (r"output_upscaling\.3\.", "upscale_conv2."),
    (r"(iou_prediction_head|output_hypernetworks_mlps\.\d+)\.layers\.0\.", r"\1.proj_in."),
    (r"(iou_prediction_head|output_hypernetworks_mlps\.\d+)\.layers\.1\.", r"\1.layers.0."),
    (r"(iou_prediction_head|output_hypernetworks_mlps\.\d+)\.layers\.2\.", r"\1.proj_out."),
)
SAM, HEAD = "model.visual_model.", "model.text_hidden_fcs.0."
POSITIONS = "prompt_encoder.shared_embedding.positional_embedding"


@dataclass(frozen=True)
class Sorted:
    """One file's tensors under the names of the classes that read them."""

    llava: Tensors
    sam: Tensors
    head: Tensors


def convert(source: Path, vision: Path, target: Path) -> Iterator[str]:
    """Write the checkpoint in `source` to `target`, yielding the name of each file written.

    `vision` is the folder of the CLIP model that the checkpoint was trained with. Raises
    ModelUnreadable.
    """
    config = read_json(source, "config.json")
    files = _pickles(source)
    tokenizer = _tokenizer(source)
    sam: Tensors = {}
    head: Tensors = {}
    index: dict[str, str] = {}
    target.mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(files, 1):
        found = _sort(_read(file))
        sam |= found.sam
        head |= found.head
        yield _write(
            target, f"model-{number:05}.safetensors", _grown(found.llava, tokenizer), index
        )
    tower = {f"vision_tower.{name}": weight for name, weight in _vision(vision).items()}
    yield _write(target, "model-vision.safetensors", _without(tower, index), index)
    _refuse_lacking(source, index, sam, head)
    _write_llava(target, config, vision, tokenizer, index)
    yield "config.json"
    yield _write_decoder(target / MASK_DECODER, sam, head)


def _pickles(source: Path) -> list[Path]:
    files = sorted(source.glob("pytorch_model*.bin"))
    if not files:
        raise ModelUnreadable(
            f"{source} has no pytorch_model*.bin.",
            remedy="Name the folder of a merged READ, SESAME or LISA checkpoint.",
        )
    return files


def _read(file: Path) -> Tensors:
    try:
        found: Tensors = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except UnpicklingError as error:
        raise ModelUnreadable(
            f"{file.name} holds other things than tensors: {shortened(str(error), 200)}.",
            remedy="They could run code when read: convert the checkpoint where you trust it.",
        ) from None
    except (OSError, RuntimeError, ValueError, EOFError) as error:
        raise ModelUnreadable(
            f"{file.name} cannot be read: {shortened(str(error), 200)}.", remedy="Copy it again."
        ) from None
    return found


def _sort(tensors: Tensors) -> Sorted:
    """Raises ModelUnreadable for a projector of one layer and for names that are not known."""
    if "model.mm_projector.weight" in tensors:
        raise ModelUnreadable(
            "The checkpoint's projector has one layer (LLaVA 1, as in xinlai/LISA-*-v1); LLaVA "
            "1.5's has two, and no class that is loaded here has one.",
            remedy="Choose a checkpoint on LLaVA 1.5, such as READ's, SESAME's or LISA's v1.5.",
        )
    found = Sorted({}, {}, {})
    for name, weight in tensors.items():
        if name.startswith(SAM):
            plain = name.removeprefix(SAM)
            if plain not in ("pixel_mean", "pixel_std"):
                found.sam[_renamed(plain, SAM_NAMES)] = weight.float()
        elif name.startswith(HEAD):
            found.head[name.removeprefix(HEAD)] = weight.float().contiguous()
        elif not name.endswith("rotary_emb.inv_freq"):
            found.llava[_known(name)] = weight
    return found


def _known(name: str) -> str:
    renamed = _renamed(name, LLAVA_NAMES)
    if renamed == name:
        raise ModelUnreadable(
            f"The checkpoint holds {shortened(name)}, which is of no part that is known.",
            remedy="Name a merged READ, SESAME or LISA checkpoint on LLaVA 1.5.",
        )
    return renamed


def _renamed(name: str, pairs: tuple[tuple[str, str], ...]) -> str:
    for pattern, new in pairs:
        name = re.sub(pattern, new, name)
    return name


def _tokenizer(source: Path) -> PreTrainedTokenizerBase:
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        source, local_files_only=True
    )
    tokenizer.add_special_tokens({"additional_special_tokens": [IMAGE]})
    return tokenizer


def _grown(tensors: Tensors, tokenizer: PreTrainedTokenizerBase) -> Tensors:
    """The tensors with a row for each token: those that were added are the mean of the others."""
    found = {}
    for name, weight in tensors.items():
        missing = len(tokenizer) - weight.shape[0]
        if name.endswith(("embed_tokens.weight", "lm_head.weight")) and missing > 0:
            mean = weight.float().mean(0, keepdim=True).to(weight.dtype)
            weight = torch.cat([weight, mean.expand(missing, -1)])
        found[name] = weight.contiguous()
    return found


def _vision(folder: Path) -> Tensors:
    found: Tensors = {}
    for file in weight_files(folder):
        found |= {
            name.removeprefix("vision_model."): weight
            for name, weight in load_file(file).items()
            if not name.startswith(("text_", "logit_", "visual_projection", "vision_model.head"))
        }
    return {name: weight for name, weight in found.items() if not name.endswith("position_ids")}


def _without(tensors: Tensors, index: dict[str, str]) -> Tensors:
    """Those that the checkpoint did not bring itself."""
    return {name: weight for name, weight in tensors.items() if name not in index}


def _write(target: Path, name: str, tensors: Tensors, index: dict[str, str]) -> str:
    index |= dict.fromkeys(tensors, name)
    save_file(tensors, target / name, metadata={"format": "pt"})
    return name


def _refuse_lacking(source: Path, index: dict[str, str], sam: Tensors, head: Tensors) -> None:
    needed = {
        "the projector's second layer": "multi_modal_projector.linear_2.weight" in index,
        "the mask decoder": POSITIONS in sam,
        "the head of [SEG]": set(head) == {"0.weight", "0.bias", "2.weight", "2.bias"},
    }
    lacking = [name for name, there in needed.items() if not there]
    if lacking:
        raise ModelUnreadable(
            f"{source} lacks {' and '.join(lacking)}.",
            remedy="Name a merged READ, SESAME or LISA checkpoint on LLaVA 1.5.",
        )


def _write_llava(
    target: Path,
    config: dict[str, Any],
    vision: Path,
    tokenizer: PreTrainedTokenizerBase,
    index: dict[str, str],
) -> None:
    found = read_json(vision, "config.json")
    tower: Any = CLIPVisionConfig(**found.get("vision_config", found))
    text = LlamaConfig(
        **{k: v for k, v in config.items() if k not in ("architectures", "model_type")}
    )
    text.vocab_size = len(tokenizer)
    llava = LlavaConfig(
        vision_config=tower,
        text_config=text,
        image_token_index=tokenizer.get_vocab()[IMAGE],
        image_seq_length=(tower.image_size // tower.patch_size) ** 2,
        vision_feature_layer=config.get("mm_vision_select_layer", -2),
        vision_feature_select_strategy="default",
    )
    llava.architectures = ["LlavaForConditionalGeneration"]
    llava.save_pretrained(target)
    GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    ).save_pretrained(target)
    picture = f"<im_start>{IMAGE}<im_end>" if config.get("mm_use_im_start_end") else IMAGE
    LlavaProcessor(
        image_processor=CLIPImageProcessorPil.from_pretrained(vision),
        tokenizer=tokenizer,
        patch_size=tower.patch_size,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        image_token=IMAGE,
        chat_template=CHAT.replace("PICTURE", picture),
    ).save_pretrained(target)
    text_of = {"metadata": {}, "weight_map": index}
    (target / "model.safetensors.index.json").write_text(json.dumps(text_of), encoding="utf-8")


def _write_decoder(target: Path, sam: Tensors, head: Tensors) -> str:
    config: Any = sam_config(sam)
    target.mkdir(exist_ok=True)
    sam["shared_image_embedding.positional_embedding"] = sam[POSITIONS].clone()
    config.architectures = ["SamModel"]
    config.save_pretrained(target)
    tensors = {name: weight.contiguous() for name, weight in sam.items()}
    save_file(tensors, target / "model.safetensors", metadata={"format": "pt"})
    save_file(head, target / HEAD_NAME)
    side = {"height": config.vision_config.image_size, "width": config.vision_config.image_size}
    longest = {"longest_edge": config.vision_config.image_size}
    SamImageProcessorPil(size=longest, pad_size=side).save_pretrained(target)
    return f"{MASK_DECODER}/model.safetensors"


def sam_config(sam: Tensors) -> SamConfig:
    """What the shapes of Segment Anything's weights say of its sizes."""
    width = sam["vision_encoder.pos_embed"].shape[-1]
    grid = sam["vision_encoder.pos_embed"].shape[1]
    patch = sam["vision_encoder.patch_embed.projection.weight"].shape[-1]
    reach = _by_layer(sam, "attn.rel_pos_h", 0)
    everywhere = [n for n, length in enumerate(reach) if length == 2 * grid - 1]
    windows = [length for length in reach if length != 2 * grid - 1]
    channels = sam["vision_encoder.neck.conv1.weight"].shape[0]
    image: dict[str, Any] = {"image_size": grid * patch, "patch_size": patch}
    return SamConfig(
        vision_config=SamVisionConfig(
            hidden_size=width,
            output_channels=channels,
            num_hidden_layers=len(reach),
            num_attention_heads=width // _by_layer(sam, "attn.rel_pos_h", 1)[0],
            global_attn_indexes=everywhere,
            window_size=(windows[0] + 1) // 2 if windows else 0,
            mlp_ratio=sam["vision_encoder.layers.0.mlp.lin1.weight"].shape[0] / width,
            num_pos_feats=channels // 2,
            **image,
        ),
        prompt_encoder_config=SamPromptEncoderConfig(
            hidden_size=channels,
            mask_input_channels=sam["prompt_encoder.mask_embed.conv2.weight"].shape[0],
            **image,
        ),
        mask_decoder_config=SamMaskDecoderConfig(
            hidden_size=channels,
            mlp_dim=sam["mask_decoder.transformer.layers.0.mlp.lin1.weight"].shape[0],
            num_multimask_outputs=sam["mask_decoder.mask_tokens.weight"].shape[0] - 1,
            iou_head_hidden_dim=sam["mask_decoder.iou_prediction_head.proj_in.weight"].shape[0],
        ),
    )


def _by_layer(sam: Tensors, name: str, axis: int) -> list[int]:
    """A size of a weight of each layer of the tower."""
    found: list[int] = []
    while (key := f"vision_encoder.layers.{len(found)}.{name}") in sam:
        found.append(sam[key].shape[axis])
    return found
