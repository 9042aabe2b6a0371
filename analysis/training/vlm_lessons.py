"""The lessons of `demo-vlm`, in order: what is asked, how often, at which learning rate."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from analysis.training.scene_batches import ALL_KINDS, Mix
from analysis.training.vlm_losses import (
    Learner,
    Losses,
    patch_losses,
    point_losses,
    seg_losses,
    text_losses,
)
from analysis.worlds.scene_questions import Kind
from analysis.worlds.scenes import Scene


@dataclass(frozen=True, slots=True)
class PictureLesson:
    """One stage of training: `steps` of `scenes` pictures each.

    The rate falls from `rates[0]` to `rates[1]`, evenly in its logarithm, after a warm-up.
    """

    name: str
    losses: Callable[[Learner, Iterator[list[Scene]], Random, Mix], Losses]
    steps: int
    scenes: int
    rates: tuple[float, float]
    mix: Mix = field(default_factory=lambda: Mix(6, ALL_KINDS))


FEW = (2, 3)
# What is learnt last is asked more.
HARDER_MORE: dict[Kind, float] = {
    "attribute": 0.8,
    "superlative": 1.2,
    "relation": 1.0,
    "none": 1.4,
}
NONE_MORE: dict[Kind, float] = {
    "attribute": 0.8,
    "superlative": 1.0,
    "relation": 0.8,
    "none": 2.0,
}
# Of relations that do not hold, the mixes above ask too few.
RELATIONS = Mix(
    8,
    {"attribute": 0.3, "superlative": 0.3, "relation": 1.2, "none": 1.4},
    things=FEW,
    false_forms={"relation": 0.85, "crossed": 0.15},
)
FALSE_MORE = Mix(
    8,
    {"attribute": 0.7, "superlative": 0.9, "relation": 1.2, "none": 1.5},
    false_forms={"attribute": 0.15, "superlative": 0.15, "relation": 0.5, "crossed": 0.2},
)
CROSSED_MORE = Mix(
    8,
    {"attribute": 0.8, "superlative": 0.8, "relation": 1.3, "none": 1.7},
    false_forms={"attribute": 0.08, "superlative": 0.07, "relation": 0.5, "crossed": 0.35},
)
LESSONS = (
    PictureLesson("what patches show", patch_losses, 1800, 24, (2e-3, 5e-4)),
    PictureLesson("masks of points", point_losses, 600, 24, (2e-3, 6e-4)),
    PictureLesson(
        "finding by attributes",
        text_losses,
        500,
        12,
        (1.5e-3, 1.5e-3),
        Mix(8, {"attribute": 1.0, "none": 0.5}, things=FEW),
    ),
    PictureLesson(
        "finding among few things",
        text_losses,
        600,
        12,
        (1.5e-3, 1.5e-3),
        Mix(8, ALL_KINDS, listing=0.2, things=FEW),
    ),
    PictureLesson(
        "finding", text_losses, 900, 12, (1.5e-3, 1e-3), Mix(8, HARDER_MORE, listing=0.1)
    ),
    PictureLesson("finding and showing", seg_losses, 600, 12, (1e-3, 3.1e-4), Mix(8, HARDER_MORE)),
    PictureLesson("finding and showing on", seg_losses, 1500, 12, (5e-4, 3e-5), Mix(8, NONE_MORE)),
    PictureLesson("settling", seg_losses, 500, 12, (7e-4, 2e-5), Mix(8, NONE_MORE)),
    PictureLesson("whether relations hold", text_losses, 3500, 12, (1.2e-3, 1.2e-3), RELATIONS),
    PictureLesson("finding and showing all", seg_losses, 750, 12, (1e-3, 8e-4), FALSE_MORE),
    PictureLesson("settling all", seg_losses, 500, 12, (7e-4, 8e-5), FALSE_MORE),
    PictureLesson("finding all", text_losses, 700, 12, (9e-4, 7e-4), CROSSED_MORE),
    PictureLesson("settling at last", seg_losses, 550, 12, (6e-4, 2.7e-5), CROSSED_MORE),
)
