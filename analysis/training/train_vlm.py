"""Trains the bundled model `demo-vlm` and writes it as a plain transformers folder.

`python -m analysis.training.train_vlm` retrains it from nothing, in lessons: the tower tells what
each patch shows, the mask decoder follows points, the language model lists and then finds things,
and last `<SEG>` prompts the decoder. Nothing is asked of the map between `<SEG>` and the patches.
`--report` measures the gates of the committed weights, as `analysis.training.report` does.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from statistics import fmean

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from tqdm import tqdm

from analysis.images.mask_decoder import masks
from analysis.training.journal import WARMUP_STEPS, Entry, Journal, log_read, step_down
from analysis.training.picture_losses import overlap
from analysis.training.report import report
from analysis.training.scene_batches import (
    ALL_KINDS,
    BatchQuestion,
    Mix,
    SceneBatch,
    ask,
    batch,
    scenes_draw,
)
from analysis.training.vlm import (
    FOLDER,
    folder_write,
    parts_load,
    parts_make,
)
from analysis.training.vlm_lessons import LESSONS, PictureLesson
from analysis.training.vlm_losses import (
    Learner,
    answer_logits,
    patch_losses,
    seg_losses,
    states_of,
    text_losses,
)
from analysis.worlds.scenes import Scene

POOL = 12_000  # scenes that a lesson draws its pictures from
CHECK_EVERY = 250
CHECK_SCENES = 64


def learning_rate(lesson: PictureLesson, step: int) -> float:
    """The rate of a step of a lesson."""
    first, last = lesson.rates
    fallen: float = first * (last / first) ** (step / lesson.steps)
    return min(1.0, (step + 1) / WARMUP_STEPS) * fallen


def chosen_scenes(rng: Random, lesson: PictureLesson, *, pool: int) -> Iterator[list[Scene]]:
    """Endless lists of pictures of a pool, which keeps what it has drawn."""
    scenes = scenes_draw(rng, pool, lesson.mix)
    while True:
        rng.shuffle(scenes)
        for start in range(0, pool - lesson.scenes + 1, lesson.scenes):
            yield scenes[start : start + lesson.scenes]


def train(
    learner: Learner,
    lessons: tuple[PictureLesson, ...],
    *,
    seed: int,
    folder: Path,
    entries: Sequence[Entry] = (),
    pool: int = POOL,
) -> None:
    """Trains lesson by lesson; saves the model into `folder` at every check and at the end.

    `entries` are the log of the lessons before these.
    """
    optimizer = torch.optim.AdamW(
        learner.parameters(), betas=(0.9, 0.95), weight_decay=0.01, fused=True
    )
    journal = VlmJournal(learner, folder, entries)
    for lesson in lessons:
        rng = Random(f"train {seed} {lesson.name}")
        scenes = chosen_scenes(rng, lesson, pool=pool)
        see(learner, learns=lesson.losses is patch_losses)
        for step in tqdm(range(lesson.steps), desc=lesson.name):
            rate = learning_rate(lesson, step)
            optimizer.param_groups[0]["lr"] = rate
            losses = lesson.losses(learner, scenes, rng, lesson.mix)
            step_down(learner, optimizer, torch.stack(list(losses.values())).sum())
            journal.add({f"loss_{name}": loss.item() for name, loss in losses.items()})
            if step == lesson.steps - 1 or journal.steps % CHECK_EVERY == 0:
                journal.check(lesson, rate=rate)


def see(learner: Learner, *, learns: bool) -> None:
    """Whether tower and projector learn: from questions they forget what patches show."""
    learner.llava.model.vision_tower.requires_grad_(learns)
    learner.llava.model.multi_modal_projector.requires_grad_(learns)


class VlmJournal(Journal):
    """The journal that saves model and log at a check; its seconds are those of the processor."""

    def __init__(self, learner: Learner, folder: Path, entries: Sequence[Entry]) -> None:
        super().__init__(entries, clock=time.process_time)
        self.learner, self.folder = learner, folder

    def check(self, lesson: PictureLesson, *, rate: float) -> None:
        """Measures, prints and saves."""
        answers = lesson.losses in (text_losses, seg_losses)
        self.enter(
            {"step": self.steps, "lesson": lesson.name, "rate": round(rate, 6)},
            held_out_figures(self.learner, lesson.mix) if answers else {},
        )
        folder_write(self.folder, self.learner.parts, self.entries)


@torch.inference_mode()
def held_out_figures(learner: Learner, mix: Mix) -> dict[str, float]:
    """Shares of answers right to the last token, by kind, and the mean IoU of the masks."""
    rng = Random("check")
    scenes = scenes_draw(rng, CHECK_SCENES, mix, split="held out")
    texts = [ask(rng, each, Mix(6, ALL_KINDS)) for each in scenes]
    asked = batch(learner.parts.tokenizer, scenes, texts)
    states_BND = states_of(learner, asked)
    right = answers_right(learner, asked, states_BND)
    rows_B1 = torch.arange(CHECK_SCENES)[:, None]
    created = masks(learner.decoder, asked.pixels_B3HW, states_BND[rows_B1, asked.before_seg_BK])
    iou_BK = overlap(created.logits_BKHW > 0, asked.masks_BKHW)
    return {
        **_shares(texts, right),
        "mask_iou": round(iou_BK[asked.meant_BK].mean().item(), 4),
    }


def answers_right(
    learner: Learner, asked: SceneBatch, states_BND: Float[Tensor, "B N D"]
) -> Bool[Tensor, "B K"]:
    """Whether each token of an answer is the most probable after those before it."""
    logits_AV, ids_A = answer_logits(learner, asked, states_BND)
    wrong_BN = torch.zeros_like(asked.question_BN, dtype=torch.bool)
    wrong_BN[:, 1:][asked.question_BN[:, 1:] >= 0] = logits_AV.argmax(-1) != ids_A
    questions = range(asked.meant_BK.shape[1])
    return torch.stack(
        [~(wrong_BN & (asked.question_BN == index)).any(-1) for index in questions], dim=1
    )


def _shares(texts: list[list[BatchQuestion]], right_BK: Bool[Tensor, "B K"]) -> dict[str, float]:
    by_kind = defaultdict[str, list[bool]](list)
    for row, rights in zip(texts, right_BK.tolist(), strict=True):
        for asked, is_right in zip(row, rights, strict=True):
            by_kind[f"exact_{asked.kind}"].append(is_right)
    return {name: round(fmean(each), 4) for name, each in sorted(by_kind.items())}


def main() -> None:
    """Reads the options, and trains or reports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write")
    parser.add_argument("--start", type=Path, help="folder to continue; default: from scratch")
    parser.add_argument("--lesson", type=int, default=0, help="number of the first lesson")
    parser.add_argument("--report", action="store_true", help="measure the committed weights")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.report:
        missed = [row.name for row in report("demo-vlm")]
        raise SystemExit(f"Not reached: {', '.join(missed)}." if missed else 0)
    torch.manual_seed(options.seed)
    parts, entries = (
        (parts_load(options.start), log_read(options.start))
        if options.start
        else (parts_make(), [])
    )
    train(
        Learner(parts),
        LESSONS[options.lesson :],
        seed=options.seed,
        folder=options.out,
        entries=entries,
    )


if __name__ == "__main__":
    main()
