"""What is asked of masks and of the patches' states while the vision-language model learns.

Shape legend: B scenes, K questions of a scene, N token positions, D state width, H, W pixel rows
and columns.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from analysis.training.scene_batches import PATCHES


def mask_losses(
    logits_BKHW: Float[Tensor, "B K H W"],
    quality_BK: Float[Tensor, "B K"],
    truth_BKHW: Bool[Tensor, "B K H W"],
    weight_BK: Float[Tensor, "B K"],
) -> dict[str, Tensor]:
    """Cross-entropy per pixel, dice, and the squared error of the predicted quality."""
    truth = truth_BKHW.float()
    nats_BK = F.binary_cross_entropy_with_logits(logits_BKHW, truth, reduction="none").mean((2, 3))
    inside_BKHW = logits_BKHW.sigmoid()
    both_BK = (inside_BKHW * truth).sum((2, 3))
    dice_BK = 1 - (2 * both_BK + 1) / (inside_BKHW.sum((2, 3)) + truth.sum((2, 3)) + 1)
    iou_BK = overlap(logits_BKHW > 0, truth_BKHW)
    total = weight_BK.sum().clamp(min=1)
    return {
        "pixels": 5 * (nats_BK * weight_BK).sum() / total,
        "dice": (dice_BK * weight_BK).sum() / total,
        "quality": ((quality_BK - iou_BK).square() * weight_BK).sum() / total,
    }


def overlap(
    one: Bool[Tensor, "*any H W"], other: Bool[Tensor, "*any H W"]
) -> Float[Tensor, "*any"]:
    """Intersection over union; 0 where both are empty."""
    union = (one | other).sum((-2, -1))
    return (one & other).sum((-2, -1)) / union.clamp(min=1)


def common_share(layers: Sequence[Float[Tensor, "B N D"]]) -> Float[Tensor, ""]:
    """How much of the states of a picture's patches is what all of them share, 0..1, on average.

    After every block: the square of their mean, by the mean of their squares.
    """
    shares = []
    for states_BND in layers[1:]:
        patches_BPD = states_BND[:, 1 : 1 + PATCHES].float()
        mean_B = patches_BPD.mean(1).square().sum(-1)
        shares.append((mean_B / patches_BPD.square().sum(-1).mean(1)).mean())
    return torch.stack(shares).mean()
