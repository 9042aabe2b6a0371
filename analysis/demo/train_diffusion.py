"""Trains the bundled model `demo-diffusion` and writes it as a plain transformers folder.

`python -m analysis.demo.train_diffusion` retrains it from nothing on the texts of `demo-lm`, with
its tokenizer, by masked diffusion: a share t of the tokens, drawn evenly from 0 to 1, is masked,
and the cross-entropy at the masks is weighted by 1/t (LLaDA, arXiv 2502.09992, equation 3).
"""

import argparse
import json
import time
from collections import deque
from functools import partial
from pathlib import Path
from random import Random
from statistics import fmean

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm
from transformers import (
    ModernBertConfig,
    ModernBertForMaskedLM,
    PreTrainedTokenizerFast,
)

from analysis.demo.canvas import Masked, MaskedLesson, masked_batches
from analysis.demo.corpus import mixed, tales
from analysis.demo.drills import (
    backward_rounds,
    pair_questions,
    retelling,
    shuffled_retelling,
    word_rounds,
)
from analysis.demo.gates_diffusion import numbers_filled
from analysis.demo.numbers import number_document, number_item, sums
from analysis.demo.stories import chains, document
from analysis.demo.train_lm import FOLDER as TOKENIZER_FOLDER
from analysis.demo.train_lm import LOG_NAME, MASTERY_STEPS, WARMUP_STEPS

FOLDER = Path(__file__).parents[2] / "models" / "demo-diffusion"
LAYERS = 5
PEAK_RATE = 2e-3
CHECK_EVERY = 250
CHECK_ITEMS = 100
SHORT_STORIES = partial(document, max_questions=None, facts=(2, 4))
LESSONS = (
    MaskedLesson("words again", 600, 64, word_rounds, masked=(0.1, 0.5), mastered=0.93),
    MaskedLesson(
        "words backwards",
        500,
        64,
        mixed((0.5, word_rounds), (0.5, backward_rounds)),
        masked=(0.1, 0.5),
        mastered=0.94,
    ),
    MaskedLesson(
        "sentences again",
        400,
        32,
        mixed((0.4, retelling), (0.4, shuffled_retelling), (0.2, sums)),
        masked=(0.1, 0.8),
        mastered=0.95,
    ),
    MaskedLesson(
        "pairs and sums",
        500,
        32,
        mixed((0.3, shuffled_retelling), (0.4, pair_questions), (0.3, sums)),
        masked=(0.1, 0.8),
        mastered=0.95,
    ),
    MaskedLesson(
        "number stories",
        1500,
        32,
        mixed((0.2, pair_questions), (0.1, sums), (0.2, SHORT_STORIES), (0.5, number_document)),
    ),
    MaskedLesson(
        "everything",
        3500,
        32,
        mixed(
            (0.1, chains),
            (0.1, SHORT_STORIES),
            (0.15, document),
            (0.55, number_document),
            (0.1, tales),
        ),
        rate=(0.9, 0.02),
    ),
)


def model_make(tokenizer: PreTrainedTokenizerFast) -> ModernBertForMaskedLM:
    """An untrained ModernBERT of 1.0 M parameters that attends everywhere in every layer."""
    config = ModernBertConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        max_position_embeddings=512,
        layer_types=["full_attention"] * LAYERS,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        cls_token_id=tokenizer.bos_token_id,
        sep_token_id=tokenizer.eos_token_id,
    )
    config.masked_diffusion = True  # read by the catalog
    model: ModernBertForMaskedLM = ModernBertForMaskedLM._from_config(
        config, attn_implementation="eager"
    )
    return model


def loss_of(
    model: ModernBertForMaskedLM, batch: Masked
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """The bound on a token's negative log-likelihood, in nats; share of masked tokens right."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden_BNW = model.model(batch.ids_BN, attention_mask=batch.there_BN).last_hidden_state
        logits_MV = model.decoder(model.head(hidden_BNW[batch.masked_BN])).float()
    truth_M = batch.truth_BN[batch.masked_BN]
    nats_M = F.cross_entropy(logits_MV, truth_M, reduction="none")
    right = (logits_MV.argmax(-1) == truth_M).float().mean()
    return (nats_M * batch.weight_BN[batch.masked_BN]).sum() / len(batch.ids_BN), right


def train(
    model: ModernBertForMaskedLM, tokenizer: PreTrainedTokenizerFast, *, seed: int, folder: Path
) -> None:
    """Trains `model` lesson by lesson; saves it into `folder` at every check and at the end."""
    optimizer = torch.optim.AdamW(
        model.parameters(), betas=(0.9, 0.98), weight_decay=0.01, fused=True
    )
    journal = Journal(model, tokenizer, folder)
    bar = tqdm(total=sum(lesson.steps for lesson in LESSONS))
    for lesson in LESSONS:
        rights = deque[float](maxlen=MASTERY_STEPS)
        lots = masked_batches(tokenizer, Random(f"diffusion {seed} {lesson.name}"), lesson)
        for step, batch in zip(range(lesson.steps), lots, strict=False):
            first, last = lesson.rate
            share = first + (last - first) * step / lesson.steps
            warm = min(1.0, (journal.steps + 1) / WARMUP_STEPS)
            optimizer.param_groups[0]["lr"] = PEAK_RATE * warm * share
            loss, right = train_step(model, optimizer, batch)
            bar.update()
            rights.append(right)
            journal.note(lesson, loss=loss, right=right)
            if len(rights) == MASTERY_STEPS and fmean(rights) >= lesson.mastered:
                bar.update(lesson.steps - step - 1)
                break
    journal.check(LESSONS[-1])


def train_step(
    model: ModernBertForMaskedLM, optimizer: torch.optim.Optimizer, batch: Masked
) -> tuple[float, float]:
    """One step on `batch`; the loss before it, and the share of masked tokens right."""
    loss, right = loss_of(model, batch)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return loss.item(), right.item()


class Journal:
    """Keeps the course of a training and saves model and course every `CHECK_EVERY` steps."""

    def __init__(
        self, model: ModernBertForMaskedLM, tokenizer: PreTrainedTokenizerFast, folder: Path
    ) -> None:
        self.model, self.tokenizer, self.folder = model, tokenizer, folder
        self.entries: list[dict[str, float | str]] = []
        self.items = [number_item(Random(f"check numbers {n}")) for n in range(CHECK_ITEMS)]
        self.started, self.steps = time.monotonic(), 0
        self.losses, self.rights = list[float](), list[float]()

    def note(self, lesson: MaskedLesson, *, loss: float, right: float) -> None:
        """Take down one step; check when it is time."""
        self.steps += 1
        self.losses.append(loss)
        self.rights.append(right)
        if self.steps % CHECK_EVERY == 0:
            self.check(lesson)

    def check(self, lesson: MaskedLesson) -> None:
        """Measure the gate, print and save."""
        if not self.losses:
            return
        filled = numbers_filled(self.model, self.tokenizer, self.items)
        entry: dict[str, float | str] = {
            "step": self.steps,
            "lesson": lesson.name,
            "seconds": round(time.monotonic() - self.started),
            "loss_nats": round(fmean(self.losses), 4),
            "masked_right": round(fmean(self.rights), 4),
            "exact_numbers": round(fmean(filled), 4),
        }
        self.losses, self.rights = [], []
        self.entries.append(entry)
        tqdm.write(json.dumps(entry))
        folder_write(self.folder, self.model, self.tokenizer, self.entries)


def folder_write(
    folder: Path,
    model: ModernBertForMaskedLM,
    tokenizer: PreTrainedTokenizerFast,
    log: list[dict[str, float | str]],
) -> None:
    """Writes a transformers folder in float16."""
    half = ModernBertForMaskedLM(model.config)
    half.load_state_dict(model.state_dict())
    half.half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / LOG_NAME).write_text("".join(json.dumps(entry) + "\n" for entry in log))


def main() -> None:
    """Reads the options and trains."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch")
    parser.add_argument("--tokenizer", type=Path, default=TOKENIZER_FOLDER)
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(options.tokenizer)
    train(model_make(tokenizer), tokenizer, seed=options.seed, folder=options.out)


if __name__ == "__main__":
    main()
