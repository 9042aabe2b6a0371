"""What a vision-language model's files say of its eye: picture size, patches, image tokens."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.catalog.files import MASK_DECODER

QWEN = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")
KEEPING = (*QWEN, "mistral3")  # the shape and size of a picture
TILED = ("idefics3", "smolvlm", "llava_next", "llava_onevision")
# What transformers assumes where config.json leaves the patch size out.
ASSUMED_PATCH = {"qwen2_vl": 14, "qwen2_5_vl": 14, "qwen3_vl": 16}
MASK_DECODER_FILES = ("config.json", "model.safetensors", "text_head.safetensors")


@dataclass(frozen=True)
class VisionMetadata:
    """Sizes in pixels and tokens; None where they follow from the picture.

    `image_tokens` counts what one picture (or, where `tiled`, one tile of it) takes of the
    context; `token_pixels` is the edge of the square of pixels behind one token.
    """

    architecture: str
    image_size: int | None
    patch_size: int | None
    image_tokens: int | None
    token_pixels: int | None
    tiled: bool
    mask_decoder: bool


def vision_metadata(path: Path, config: dict[str, Any]) -> VisionMetadata:
    """What a model's config.json and the folder of its mask decoder say."""
    kind, vision = str(config.get("model_type")), _vision_part(config)
    size, patch = _edge(vision.get("image_size")), _edge(vision.get("patch_size"))
    patch = patch or ASSUMED_PATCH.get(kind)
    if kind in KEEPING:
        size = None
    return VisionMetadata(
        architecture=str(vision.get("model_type") or "unknown"),
        image_size=size,
        patch_size=patch,
        image_tokens=_image_tokens(config, vision, size, patch),
        token_pixels=_token_pixels(config, vision, patch),
        tiled=kind in TILED,
        mask_decoder=all((path / MASK_DECODER / name).is_file() for name in MASK_DECODER_FILES),
    )


def _vision_part(config: dict[str, Any]) -> dict[str, Any]:
    part = config.get("vision_config")
    return part if isinstance(part, dict) else {}


def _edge(value: Any) -> int | None:
    """A size of pictures or patches, which some write as [height, width]."""
    first = value[0] if isinstance(value, list) and value else value
    return first if isinstance(first, int) and first > 0 else None


def _image_tokens(
    config: dict[str, Any], vision: dict[str, Any], size: int | None, patch: int | None
) -> int | None:
    kind = config.get("model_type")
    if kind == "gemma3":
        return int(config.get("mm_tokens_per_image") or 256)
    if not size or not patch:
        return None
    patches = (size // patch) ** 2
    if kind in ("idefics3", "smolvlm"):
        return patches // int(config.get("scale_factor") or 2) ** 2
    # CLIP puts a class token before the patches; "default" leaves it out.
    kept = config.get("vision_feature_select_strategy", "default") != "default"
    return patches + int(kept and "clip" in str(vision.get("model_type")))


def _token_pixels(config: dict[str, Any], vision: dict[str, Any], patch: int | None) -> int | None:
    """Edge of the square of pixels behind one token, where a picture keeps its own size."""
    if config.get("model_type") not in KEEPING or not patch:
        return None
    merge = vision.get("spatial_merge_size") or config.get("spatial_merge_size")
    return patch * int(merge or 2)
