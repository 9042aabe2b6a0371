"""What a pipeline cannot draw, told before it is asked."""

from math import lcm
from typing import Any

from analysis.errors import InvalidParams

PIXELS = {"SanaPipeline": 32}  # a width must be a multiple of; of the others, 8
PACKED = {"FluxPipeline"}  # two by two latent cells make a token
# One step stands for a distilled model, whose scheduler gives another result.
SEVERAL_STEPS = {"PixArtAlphaPipeline"}


def refuse_undrawable(pipeline: Any, *, size: int, steps: int) -> None:
    """Raise InvalidParams for a width in pixels or a number of steps that the class cannot draw."""
    name, multiple = type(pipeline).__name__, _multiple(pipeline)
    if size % multiple:
        raise InvalidParams(
            f"size is {size}; this {name} draws multiples of {multiple} pixels.",
            remedy=f"Set size to {size - size % multiple + multiple}, or to 0 for the pipeline's "
            "default.",
            field="size",
        )
    if steps == 1 and name in SEVERAL_STEPS:
        raise InvalidParams(
            f"steps is 1; a {name} needs 2 or more.",
            remedy="Set steps to 2 or more, or to 0 for the pipeline's default.",
            field="steps",
        )


def _multiple(pipeline: Any) -> int:
    name, cell = type(pipeline).__name__, int(pipeline.vae_scale_factor)
    if name in PACKED:
        return lcm(8, 2 * cell)
    denoiser = getattr(pipeline, "transformer", None)
    patch = int(denoiser.config.patch_size) if denoiser is not None else 1
    return lcm(PIXELS.get(name, 8), cell * patch)
