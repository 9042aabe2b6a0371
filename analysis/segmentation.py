"""The mask that a token prompts, where a vision-language model brings a mask decoder.

Shape legend: D width of the language model's states, H, W pixel rows and columns.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F
from transformers import AutoImageProcessor

from analysis import mask_decoder
from analysis.demo.scene_questions import SEG
from analysis.mask_decoder import MaskDecoder
from analysis.model import VisionLanguageModel
from analysis.model_files import MASK_DECODER
from analysis.visual_answer import Answer


@dataclass(frozen=True)
class Decoder:
    """A decoder with the processor of its pictures."""

    decoder: MaskDecoder
    processor: Any


def decoder_of(model: VisionLanguageModel) -> Decoder | None:
    """The decoder in the model's folder, or None."""
    folder = model.path / MASK_DECODER
    if not (folder / mask_decoder.HEAD_NAME).is_file():
        return None
    processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    return Decoder(mask_decoder.load(folder).to(model.device), processor)


def seg_position(model: VisionLanguageModel, answer: Answer) -> int | None:
    """Position of the answer's first `<SEG>`; None without one."""
    token = model.tokenizer.convert_tokens_to_ids(SEG)
    written = answer.ids[answer.prompt_length :]
    return answer.prompt_length + written.index(token) if token in written else None


@torch.inference_mode()
def mask(
    decoder: Decoder, picture: np.ndarray, state_D: torch.Tensor
) -> tuple[torch.Tensor, float]:
    """The mask that a state prompts, [H, W] over the picture, and the IoU that is expected of it.

    `state_D` predicts `<SEG>`, after the final norm. The picture's longer side is the decoder's;
    what its processor pads below and to the right is cut off again.
    """
    pixels = decoder.processor(images=[Image.fromarray(picture)], return_tensors="pt")
    made = mask_decoder.masks(
        decoder.decoder, pixels["pixel_values"].to(state_D.device), state_D[None, None]
    )
    height, width = picture.shape[:2]
    longest = max(height, width)
    logits_HW = F.interpolate(
        made.logits_BKHW[:, :1], size=(longest, longest), mode="bilinear", align_corners=False
    )[0, 0, :height, :width]
    return (logits_HW > 0).cpu(), float(made.quality_BK[0, 0])
