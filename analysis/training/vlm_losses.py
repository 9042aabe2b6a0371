"""What `demo-vlm` learns from: the losses of patches, points, answers and `<SEG>`."""

from collections.abc import Iterator, Sequence
from random import Random

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from analysis.images.mask_decoder import masks
from analysis.training.picture_losses import common_share, mask_losses
from analysis.training.scene_batches import (
    Mix,
    PatchTruth,
    SceneBatch,
    ask,
    batch,
    patch_truth,
    pixel_values,
)
from analysis.training.vlm import WIDTH, VlmParts
from analysis.worlds.scenes import COLUMNS, RADII, ROWS, Scene
from analysis.worlds.shapes import COLOURS, SHAPES

MASKS_PER_SCENE = 2  # that a training step asks for
MASK_WEIGHT = 0.5
COMMON_WEIGHT = 0.15
COMPARED_WEIGHT = 0.3
VOCABULARY = (list(COLOURS), list(SHAPES), list(RADII))
WORD_COUNTS = [len(words) + 1 for words in VOCABULARY]

Losses = dict[str, Tensor]


class Learner(nn.Module):
    """The model, and what reads patches and questions while it learns and is left behind."""

    def __init__(self, parts: VlmParts) -> None:
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
    # Else they grow until they dominate everything that a block writes.
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
        created = masks(
            learner.decoder,
            pixel_values(chosen),
            None,
            points_BKT2=points_BKT2,
            labels_BKT=labels_BKT,
        )
    weight_BK = torch.ones(shape)
    return mask_losses(
        created.logits_BKHW.float(), created.quality_BK.float(), truth_BKHW, weight_BK
    )


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
    learner: Learner, asked: SceneBatch, layers: Sequence[Float[Tensor, "B N D"]]
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
    learner: Learner, asked: SceneBatch, states_BND: Float[Tensor, "B N D"]
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
        created = masks(
            learner.decoder,
            asked.pixels_B3HW,
            states_BND[rows_B1, asked.before_seg_BK[rows_B1, chosen_BK]],
        )
    losses = mask_losses(
        created.logits_BKHW.float(),
        created.quality_BK.float(),
        asked.masks_BKHW[rows_B1, chosen_BK],
        asked.meant_BK[rows_B1, chosen_BK].float(),
    )
    weighted = {name: MASK_WEIGHT * loss for name, loss in losses.items()}
    return {**_answer_losses(learner, asked, layers), **weighted}


def _batch(learner: Learner, scenes: list[Scene], rng: Random, mix: Mix) -> SceneBatch:
    return batch(learner.parts.tokenizer, scenes, [ask(rng, each, mix) for each in scenes])


def states_of(learner: Learner, asked: SceneBatch) -> Float[Tensor, "B N D"]:
    """The states of all positions after the final norm."""
    return layers_of(learner, asked)[-1].float()


def layers_of(learner: Learner, asked: SceneBatch) -> Sequence[Float[Tensor, "B N D"]]:
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
    learner: Learner, asked: SceneBatch, states_BND: Float[Tensor, "B N D"]
) -> tuple[Float[Tensor, "A V"], Int[Tensor, "A"]]:
    """Logits for each token of the answers, and those tokens."""
    answered_BM = asked.question_BN[:, 1:] >= 0
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits_AV = learner.llava.lm_head(states_BND[:, :-1][answered_BM])
    return logits_AV.float(), asked.ids_BN[:, 1:][answered_BM]


def answer_nats(
    learner: Learner, asked: SceneBatch, states_BND: Float[Tensor, "B N D"]
) -> Float[Tensor, ""]:
    """Mean cross-entropy of a token of the answers."""
    return F.cross_entropy(*answer_logits(learner, asked, states_BND))
