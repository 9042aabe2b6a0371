"""The picture codec of `demo-t2i`: an `AutoencoderKL` whose latents are the pixels themselves.

A pipeline of diffusers has an autoencoder between pictures and latents. At 32 × 32 pixels none is
needed, so that this one computes an affine map of each pixel, and nothing is trained: its residual
blocks add nothing, and the normalisation and the SiLU before its last convolutions are made affine
by constants (`_affine_output`).

Shape legend: B pictures, H, W rows and columns.
"""

from collections.abc import Sequence

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.resnet import ResnetBlock2D
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from analysis.worlds.captions import SIZE

MEAN, SCALE = 0.75, 2.0  # a latent is (pixel - MEAN) · SCALE, about 0 ± 1 over the pictures
CHANNELS = 8  # three colours, their negatives, and a constant with its negative
LOUD, LIFT = 100.0, 12.0
SILENT = -30.0  # log variance of a posterior without noise


def codec_make() -> AutoencoderKL:
    """The codec, exact within 0.003 of a pixel's range of 2."""
    codec: AutoencoderKL = AutoencoderKL(
        block_out_channels=(CHANNELS,),
        latent_channels=3,
        norm_num_groups=1,
        sample_size=SIZE,
        mid_block_add_attention=False,
        scaling_factor=1.0,
    )
    for block in codec.modules():
        if isinstance(block, ResnetBlock2D):
            _pointwise(block.conv2, torch.zeros(CHANNELS, CHANNELS))
    for half, rest in ((codec.encoder, [SILENT] * 3), (codec.decoder, [])):
        _paired_input(half.conv_in)
        _affine_output(half.conv_norm_out, half.conv_out, rest)
    scale = torch.tensor([SCALE] * 3 + [1.0] * 3)
    _pointwise(codec.quant_conv, scale.diag(), torch.tensor([-MEAN * SCALE] * 3 + [0.0] * 3))
    _pointwise(codec.post_quant_conv, torch.eye(3) / SCALE, torch.full((3,), MEAN))
    codec.eval()
    return codec


def _paired_input(conv: nn.Conv2d) -> None:
    """Channels x, -x, and a loud constant with its negative: their mean is always 0."""
    weight = torch.cat([torch.eye(3), -torch.eye(3), torch.zeros(2, 3)])
    _pointwise(conv, weight, torch.tensor([0.0] * 6 + [LOUD, -LOUD]))


def _affine_output(norm: nn.Module, conv: nn.Conv2d, rest: Sequence[float] = ()) -> None:
    """Undoes the division by the deviation, LOUD / 2; lifts above where SiLU is curved and back.

    `rest`: constants put out after the three colours.
    """
    scale, lift = torch.full((CHANNELS,), LOUD / 2), torch.full((CHANNELS,), LIFT)
    norm.load_state_dict({"weight": scale, "bias": lift})
    weight = torch.eye(3 + len(rest), CHANNELS)
    weight[3:] = 0
    _pointwise(conv, weight, torch.tensor([-LIFT] * 3 + list(rest)))


def _pointwise(
    conv: nn.Conv2d | None,
    weight: Float[Tensor, "out into"],
    bias: Float[Tensor, "out"] | None = None,
) -> None:
    """Makes a convolution look at each pixel alone."""
    assert conv is not None
    middle = conv.kernel_size[0] // 2
    kernels = torch.zeros_like(conv.weight)
    kernels[:, :, middle, middle] = weight
    state = {"weight": kernels, "bias": torch.zeros(len(weight)) if bias is None else bias}
    conv.load_state_dict(state)


def latents_of(drawn: UInt8[np.ndarray, "H W 3"]) -> Float[Tensor, "3 H W"]:
    """What the codec makes of a picture, computed directly."""
    pixels_3HW = torch.from_numpy(drawn).permute(2, 0, 1).float() / 127.5 - 1
    return (pixels_3HW - MEAN) * SCALE
