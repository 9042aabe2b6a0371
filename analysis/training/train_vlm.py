"""Trains the bundled model `demo-vlm` and writes it as a plain transformers folder.

`python -m analysis.training.train_vlm` retrains it from nothing, in lessons: the tower tells what
each patch shows, the mask decoder follows points, the language model lists and then finds things,
and last `<SEG>` prompts the decoder. Nothing is asked of the map between `<SEG>` and the patches.
`--report` measures the gates of the committed weights, as `analysis.training.report` does.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import fmean

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from analysis.images.mask_decoder import masks
from analysis.training.picture_losses import common_share, mask_losses, overlap
from analysis.training.report import report
from analysis.training.scene_batches import (
    ALL_KINDS,
    Asked,
    Batch,
    Mix,
    PatchTruth,
    ask,
    batch,
    patch_truth,
    pixel_values,
    scenes_draw,
)
from analysis.training.vlm import (
    FOLDER,
    WIDTH,
    Parts,
    folder_write,
    log_read,
    parts_load,
    parts_make,
)
from analysis.worlds.scene_questions import Kind
from analysis.worlds.scenes import COLUMNS, RADII, ROWS, Scene
from analysis.worlds.shapes import COLOURS, SHAPES

POOL = 12_000  # scenes that a lesson draws its pictures from
WARMUP_STEPS = 50
CHECK_EVERY = 250
CHECK_SCENES = 64
MASKS_PER_SCENE = 2  # that a training step asks for
MASK_WEIGHT = 0.5
COMMON_WEIGHT = 0.15
COMPARED_WEIGHT = 0.3
VOCABULARY = (list(COLOURS), list(SHAPES), list(RADII))
WORD_COUNTS = [len(words) + 1 for words in VOCABULARY]

Losses = dict[str, Tensor]
Entry = dict[str, float | str]  # of the log; its seconds are those of the processor


@dataclass(frozen=True, slots=True)
class Lesson:
    """One stage of training: `steps` of `scenes` pictures each.

    The rate falls from `rates[0]` to `rates[1]`, evenly in its logarithm, after a warm-up.
    """

    name: str
    losses: Callable[["Learner", Iterator[list[Scene]], Random, Mix], Losses]
    steps: int
    scenes: int
    rates: tuple[float, float]
    mix: Mix = field(default_factory=lambda: Mix(6, ALL_KINDS))


class Learner(nn.Module):
    """The model, and what reads patches and questions while it learns and is left behind."""

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self.parts = parts
        self.llava, self.decoder = parts.llava, parts.decoder
        self.reader = nn.Linear(WIDTH, sum(WORD_COUNTS) + 3)
        self.comparer = nn.Linear(WIDTH, 5)


def patch_losses(
    learner: Learner, scenes: Iterator[list[Scene]], _rng: Random, _mix: Mix
) -> Losses:
    """From what the language model is given of a patch, the thing in it is read off.

    By a reader that is left behind, and as the model says words: by its embeddings, which do not
    learn from it.
    """
    chosen = next(scenes)
    truth = patch_truth(chosen, VOCABULARY)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        features = learner.llava.get_image_features(pixel_values(chosen)).pooler_output
        features_BPD = torch.stack(list(features))
        read_BPR = learner.reader(features_BPD).float()
    said = _said(learner, features_BPD[truth.seen_BP].float(), truth)
    *words, numbers_BP3 = read_BPR.split([*WORD_COUNTS, 3], dim=-1)
    nats = [
        F.cross_entropy(word_BPV.flatten(0, 1), truth.words_BPF[..., index].flatten())
        for index, word_BPV in enumerate(words)
    ]
    off_BP3 = F.smooth_l1_loss(numbers_BP3, truth.numbers_BPG, reduction="none", beta=0.02)
    off = (off_BP3 * truth.seen_BP[..., None]).sum() / truth.seen_BP.sum().clamp(min=1)
    # Else they grow until nothing that a block writes shows beside them.
    size = 0.01 * features_BPD.float().square().mean()
    return {"words": torch.stack(nats).sum(), "numbers": 5 * off, "said": said, "size": size}


def _said(
    learner: Learner, features_SD: Float[Tensor, "S D"], truth: PatchTruth
) -> Float[Tensor, ""]:
    """Nats of the five words for each seen patch's thing, each among its alternatives."""
    norm = learner.llava.model.language_model.norm
    normed_SD = F.rms_norm(features_SD, features_SD.shape[-1:]) * norm.weight.detach()
    thirds_S2 = (truth.numbers_BPG[truth.seen_BP][:, [1, 0]] * 3).long()
    told_SF = torch.cat([truth.words_BPF[truth.seen_BP] - 1, thirds_S2], dim=1)
    nats = []
    for words, told_S in zip((*VOCABULARY, ROWS, COLUMNS), told_SF.T, strict=True):
        ids = learner.parts.tokenizer.convert_tokens_to_ids([f"Ġ{word}" for word in words])
        embedded_VD = learner.llava.lm_head.weight.detach()[ids]
        nats.append(F.cross_entropy(normed_SD @ embedded_VD.T, told_S))
    return torch.stack(nats).sum()


def point_losses(learner: Learner, scenes: Iterator[list[Scene]], rng: Random, _mix: Mix) -> Losses:
    """A point on a thing, sometimes with one that is off it, prompts the thing's mask."""
    chosen = next(scenes)
    drawn = [_points(rng, each) for each in chosen for _ in range(MASKS_PER_SCENE)]
    shape = (len(chosen), MASKS_PER_SCENE)
    points_BKT2 = torch.tensor([points for points, _ in drawn]).float().unflatten(0, shape)
    labels_BKT = torch.tensor([1, 0]).expand(*shape, 2)
    truth_BKHW = torch.from_numpy(np.stack([mask for _, mask in drawn])).unflatten(0, shape)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made = masks(
            learner.decoder,
            pixel_values(chosen),
            None,
            points_BKT2=points_BKT2,
            labels_BKT=labels_BKT,
        )
    weight_BK = torch.ones(shape)
    return mask_losses(made.logits_BKHW.float(), made.quality_BK.float(), truth_BKHW, weight_BK)


def _points(rng: Random, where: Scene) -> tuple[list[tuple[int, int]], Bool[np.ndarray, "H W"]]:
    """A pixel on a thing and one off it, as x and y, and the thing's mask."""
    mask_HW = where.mask(rng.randrange(len(where.things)))
    points = []
    for wanted_HW in (mask_HW, ~mask_HW):
        rows, columns = np.nonzero(wanted_HW)
        index = rng.randrange(len(rows))
        points.append((int(columns[index]), int(rows[index])))
    return points, mask_HW


def text_losses(learner: Learner, scenes: Iterator[list[Scene]], rng: Random, mix: Mix) -> Losses:
    """The answers alone."""
    asked = _batch(learner, next(scenes), rng, mix)
    return _answer_losses(learner, asked, layers_of(learner, asked))


def _answer_losses(
    learner: Learner, asked: Batch, layers: Sequence[Float[Tensor, "B N D"]]
) -> Losses:
    """Cross-entropy of the tokens of the answers, in nats; and what a relation compares.

    That is read off the end of the question before the last block, so that the words of the
    answer can follow from it. Whether a relation holds was not learnt from the answers alone.
    """
    return {
        "text": answer_nats(learner, asked, layers[-1].float()),
        "common": COMMON_WEIGHT * common_share(layers),
        "compared": compared_off(learner, asked, layers[-2].float()),
    }


def compared_off(
    learner: Learner, asked: Batch, states_BND: Float[Tensor, "B N D"]
) -> Float[Tensor, ""]:
    """How far off places and distance of the things are that the relations compare."""
    rows_B1 = torch.arange(len(asked.asked_BK))[:, None]
    ends_RD = states_BND[rows_B1, asked.asked_BK][asked.related_BK]
    read_RG = learner.comparer(F.rms_norm(ends_RD, ends_RD.shape[-1:]))
    truth_RG = asked.compared_BKG[asked.related_BK]
    off = F.smooth_l1_loss(read_RG, truth_RG, reduction="sum", beta=0.05)
    return COMPARED_WEIGHT * off / asked.related_BK.sum().clamp(min=1)


def seg_losses(learner: Learner, scenes: Iterator[list[Scene]], rng: Random, mix: Mix) -> Losses:
    """The answers, and the masks that the states before `<SEG>` prompt."""
    asked = _batch(learner, next(scenes), rng, mix)
    layers = layers_of(learner, asked)
    states_BND = layers[-1].float()
    chosen_BK = asked.meant_BK.float().topk(MASKS_PER_SCENE).indices
    rows_B1 = torch.arange(len(chosen_BK))[:, None]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made = masks(
            learner.decoder,
            asked.pixels_B3HW,
            states_BND[rows_B1, asked.before_seg_BK[rows_B1, chosen_BK]],
        )
    losses = mask_losses(
        made.logits_BKHW.float(),
        made.quality_BK.float(),
        asked.masks_BKHW[rows_B1, chosen_BK],
        asked.meant_BK[rows_B1, chosen_BK].float(),
    )
    weighted = {name: MASK_WEIGHT * loss for name, loss in losses.items()}
    return {**_answer_losses(learner, asked, layers), **weighted}


def _batch(learner: Learner, scenes: list[Scene], rng: Random, mix: Mix) -> Batch:
    return batch(learner.parts.tokenizer, scenes, [ask(rng, each, mix) for each in scenes])


def states_of(learner: Learner, asked: Batch) -> Float[Tensor, "B N D"]:
    """The states of all positions after the final norm."""
    return layers_of(learner, asked)[-1].float()


def layers_of(learner: Learner, asked: Batch) -> Sequence[Float[Tensor, "B N D"]]:
    """The states of all positions before each block, and after the final norm."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        layers: Sequence[Tensor] = learner.llava.model(
            input_ids=asked.ids_BN,
            pixel_values=asked.pixels_B3HW,
            attention_mask=asked.sight_B1NN,
            position_ids=asked.positions_BN,
            use_cache=False,
            output_hidden_states=True,
        ).hidden_states
    return layers


def answer_logits(
    learner: Learner, asked: Batch, states_BND: Float[Tensor, "B N D"]
) -> tuple[Float[Tensor, "A V"], Int[Tensor, "A"]]:
    """Logits for each token of the answers, and those tokens."""
    answered_BM = asked.question_BN[:, 1:] >= 0
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits_AV = learner.llava.lm_head(states_BND[:, :-1][answered_BM])
    return logits_AV.float(), asked.ids_BN[:, 1:][answered_BM]


def answer_nats(
    learner: Learner, asked: Batch, states_BND: Float[Tensor, "B N D"]
) -> Float[Tensor, ""]:
    """Mean cross-entropy of a token of the answers."""
    return F.cross_entropy(*answer_logits(learner, asked, states_BND))


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
    Lesson("what patches show", patch_losses, 1800, 24, (2e-3, 5e-4)),
    Lesson("masks of points", point_losses, 600, 24, (2e-3, 6e-4)),
    Lesson(
        "finding by attributes",
        text_losses,
        500,
        12,
        (1.5e-3, 1.5e-3),
        Mix(8, {"attribute": 1.0, "none": 0.5}, things=FEW),
    ),
    Lesson(
        "finding among few things",
        text_losses,
        600,
        12,
        (1.5e-3, 1.5e-3),
        Mix(8, ALL_KINDS, listing=0.2, things=FEW),
    ),
    Lesson("finding", text_losses, 900, 12, (1.5e-3, 1e-3), Mix(8, HARDER_MORE, listing=0.1)),
    Lesson("finding and showing", seg_losses, 600, 12, (1e-3, 3.1e-4), Mix(8, HARDER_MORE)),
    Lesson("finding and showing on", seg_losses, 1500, 12, (5e-4, 3e-5), Mix(8, NONE_MORE)),
    Lesson("settling", seg_losses, 500, 12, (7e-4, 2e-5), Mix(8, NONE_MORE)),
    Lesson("whether relations hold", text_losses, 3500, 12, (1.2e-3, 1.2e-3), RELATIONS),
    Lesson("finding and showing all", seg_losses, 750, 12, (1e-3, 8e-4), FALSE_MORE),
    Lesson("settling all", seg_losses, 500, 12, (7e-4, 8e-5), FALSE_MORE),
    Lesson("finding all", text_losses, 700, 12, (9e-4, 7e-4), CROSSED_MORE),
    Lesson("settling at last", seg_losses, 550, 12, (6e-4, 2.7e-5), CROSSED_MORE),
)


def learning_rate(lesson: Lesson, step: int) -> float:
    """The rate of a step of a lesson."""
    first, last = lesson.rates
    fallen: float = first * (last / first) ** (step / lesson.steps)
    return min(1.0, (step + 1) / WARMUP_STEPS) * fallen


def chosen_scenes(rng: Random, lesson: Lesson, *, pool: int) -> Iterator[list[Scene]]:
    """Endless lists of pictures of a pool, which keeps what it has drawn."""
    scenes = scenes_draw(rng, pool, lesson.mix)
    while True:
        rng.shuffle(scenes)
        for start in range(0, pool - lesson.scenes + 1, lesson.scenes):
            yield scenes[start : start + lesson.scenes]


def train(
    learner: Learner,
    lessons: tuple[Lesson, ...],
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
    journal = Journal(learner, folder, entries)
    for lesson in lessons:
        rng = Random(f"train {seed} {lesson.name}")
        scenes = chosen_scenes(rng, lesson, pool=pool)
        see(learner, learns=lesson.losses is patch_losses)
        for step in tqdm(range(lesson.steps), desc=lesson.name):
            rate = learning_rate(lesson, step)
            optimizer.param_groups[0]["lr"] = rate
            losses = lesson.losses(learner, scenes, rng, lesson.mix)
            train_step(learner, optimizer, losses)
            journal.note(lesson, losses, rate=rate, last=step == lesson.steps - 1)


def see(learner: Learner, *, learns: bool) -> None:
    """Whether tower and projector learn: from questions they unlearn what patches show."""
    learner.llava.model.vision_tower.requires_grad_(learns)
    learner.llava.model.multi_modal_projector.requires_grad_(learns)


def train_step(learner: Learner, optimizer: torch.optim.Optimizer, losses: Losses) -> None:
    """One step down the sum of the losses."""
    torch.stack(list(losses.values())).sum().backward()
    torch.nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


class Journal:
    """Keeps the course of a training; checks and saves every `CHECK_EVERY` steps."""

    def __init__(self, learner: Learner, folder: Path, entries: Sequence[Entry]) -> None:
        self.learner, self.folder = learner, folder
        self.entries = list(entries)
        last: Entry = self.entries[-1] if self.entries else {"step": 0, "seconds": 0}
        self.steps = int(last["step"])
        self.started = time.process_time() - float(last["seconds"])
        self.losses = defaultdict[str, list[float]](list)

    def note(self, lesson: Lesson, losses: Losses, *, rate: float, last: bool) -> None:
        """Take down one step; check when it is time."""
        self.steps += 1
        for name, loss in losses.items():
            self.losses[name].append(loss.item())
        if last or self.steps % CHECK_EVERY == 0:
            self.check(lesson, rate=rate)

    def check(self, lesson: Lesson, *, rate: float) -> None:
        """Measure, print and save."""
        entry: Entry = {
            "step": self.steps,
            "lesson": lesson.name,
            "rate": round(rate, 6),
            "seconds": round(time.process_time() - self.started),
        }
        entry |= {f"loss_{name}": round(fmean(each), 4) for name, each in self.losses.items()}
        if lesson.losses in (text_losses, seg_losses):
            entry |= held_out_figures(self.learner, lesson.mix)
        self.losses.clear()
        self.entries.append(entry)
        tqdm.write(json.dumps(entry))
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
    made = masks(learner.decoder, asked.pixels_B3HW, states_BND[rows_B1, asked.before_seg_BK])
    iou_BK = overlap(made.logits_BKHW > 0, asked.masks_BKHW)
    return {
        **_shares(texts, right),
        "mask_iou": round(iou_BK[asked.meant_BK].mean().item(), 4),
    }


def answers_right(
    learner: Learner, asked: Batch, states_BND: Float[Tensor, "B N D"]
) -> Bool[Tensor, "B K"]:
    """Whether each token of an answer is the likeliest one after those before it."""
    logits_AV, ids_A = answer_logits(learner, asked, states_BND)
    wrong_BN = torch.zeros_like(asked.question_BN, dtype=torch.bool)
    wrong_BN[:, 1:][asked.question_BN[:, 1:] >= 0] = logits_AV.argmax(-1) != ids_A
    questions = range(asked.meant_BK.shape[1])
    return torch.stack(
        [~(wrong_BN & (asked.question_BN == index)).any(-1) for index in questions], dim=1
    )


def _shares(texts: list[list[Asked]], right_BK: Bool[Tensor, "B K"]) -> dict[str, float]:
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
    parser.add_argument("--start", type=Path, help="folder to go on from, else from nothing")
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
