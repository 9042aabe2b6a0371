"""Masks from a token: a state of the language model prompts Segment Anything's mask decoder.

As in LISA (arXiv:2308.00692) and READ (arXiv:2412.17741), a small head projects the token's state
to the width of the decoder's prompts, and the result follows the points as an additional prompt. A
folder of such a decoder is what `SamModel` and its image processor save, with the head in
`text_head.safetensors`.

Shape legend: B pictures, K prompts of a picture, D width of the language model, C width of the
prompts, T points of a prompt, Q tokens of the decoder, the prompt's state last, P cells of the
picture's grid, row by row, H, W rows and columns of the masks, S pixels of the picture's side.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import SamModel

HEAD_NAME = "text_head.safetensors"


class MaskDecoder(nn.Module):
    """`SamModel` with the head that projects a state of the language model to a prompt."""

    def __init__(self, sam: SamModel, text_head: nn.Sequential) -> None:
        super().__init__()
        self.sam, self.text_head = sam, text_head


@dataclass(frozen=True, slots=True)
class Masks:
    """Output of the decoder for the prompts.

    `logits_BKHW`: above 0 inside the mask. `quality_BK`: the predicted IoU. `cells_BKPC` and
    `queries_BKQC`: the picture's cells and the tokens after the two-way transformer; the last query
    is the prompt's state.
    """

    logits_BKHW: Float[Tensor, "B K H W"]
    quality_BK: Float[Tensor, "B K"]
    cells_BKPC: Float[Tensor, "B K P C"]
    queries_BKQC: Float[Tensor, "B K Q C"]


def text_head_make(*, width: int, prompt_width: int) -> nn.Sequential:
    """An untrained head: from `width` of the language model to `prompt_width` of the decoder."""
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, prompt_width))


def load(folder: Path) -> MaskDecoder:
    """Load the decoder of a folder, in float32 and in evaluation mode."""
    weights = {name: weight.float() for name, weight in load_file(folder / HEAD_NAME).items()}
    prompt_width, width = weights["2.weight"].shape
    head = text_head_make(width=width, prompt_width=prompt_width)
    head.load_state_dict(weights)
    sam = SamModel.from_pretrained(folder, dtype=torch.float32)
    return MaskDecoder(sam, head).eval()


def save(decoder: MaskDecoder, folder: Path) -> None:
    """Save the model and the head in their precision."""
    decoder.sam.save_pretrained(folder)
    save_file(decoder.text_head.state_dict(), folder / HEAD_NAME)


def masks(
    decoder: MaskDecoder,
    pixels_B3SS: Float[Tensor, "B 3 S S"],
    states_BKD: Float[Tensor, "B K D"] | None,
    *,
    points_BKT2: Float[Tensor, "B K T 2"] | None = None,
    labels_BKT: Int[Tensor, "B K T"] | None = None,
) -> Masks:
    """The masks of pictures preprocessed by the decoder's image processor; see `masks_of_seen`."""
    seen_BChw = see(decoder, pixels_B3SS)
    return masks_of_seen(
        decoder, seen_BChw, states_BKD, points_BKT2=points_BKT2, labels_BKT=labels_BKT
    )


def see(decoder: MaskDecoder, pixels_B3SS: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B C h w"]:
    """Image embeddings, independent of the prompts: the expensive part."""
    seen: Tensor = decoder.sam.vision_encoder(pixels_B3SS).last_hidden_state
    return seen


def masks_of_seen(
    decoder: MaskDecoder,
    seen_BChw: Float[Tensor, "B C h w"],
    states_BKD: Float[Tensor, "B K D"] | None,
    *,
    points_BKT2: Float[Tensor, "B K T 2"] | None = None,
    labels_BKT: Int[Tensor, "B K T"] | None = None,
) -> Masks:
    """One mask per prompt, from states, points, or both.

    Points are x, y in the processor's pixels; labels are 1 inside, 0 outside, −1 undecided.
    """
    sam = decoder.sam
    sparse_BKTC, dense_1Chw = sam.prompt_encoder(points_BKT2, labels_BKT, None, None)
    prompts = [] if sparse_BKTC is None else [sparse_BKTC]
    prompts += [] if states_BKD is None else [decoder.text_head(states_BKD)[:, :, None]]
    left: dict[str, Tensor] = {}

    def keep(_module: nn.Module, _inputs: Any, output: tuple[Tensor, Tensor]) -> None:
        left["queries"], left["cells"] = output

    hook = sam.mask_decoder.transformer.register_forward_hook(keep)
    try:
        logits_BK1HW, quality_BK1 = sam.mask_decoder(
            image_embeddings=seen_BChw,
            image_positional_embeddings=sam.get_image_wide_positional_embeddings().repeat(
                len(seen_BChw), 1, 1, 1
            ),
            sparse_prompt_embeddings=torch.cat(prompts, dim=2),
            dense_prompt_embeddings=dense_1Chw,
            multimask_output=False,
        )
    finally:
        hook.remove()
    return Masks(
        logits_BK1HW[:, :, 0],
        quality_BK1[:, :, 0],
        left["cells"].unflatten(0, (len(seen_BChw), -1)).squeeze(2),
        left["queries"],
    )
