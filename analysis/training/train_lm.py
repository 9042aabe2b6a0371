"""Trains the bundled model `demo-lm` and writes it as a plain transformers folder.

`python -m analysis.training.train_lm` retrains it from nothing, in lessons: drills, then
stories that grow longer and noisier.
"""

import argparse
from functools import partial
from pathlib import Path
from random import Random
from statistics import fmean
from tempfile import TemporaryDirectory

import torch
from torch.nn import functional as F
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from analysis.training.corpus import ANSWER_WEIGHT, DocumentBatch, TextLesson, batches, mixed, tales
from analysis.training.drills import (
    backward_rounds,
    pair_questions,
    retelling,
    shuffled_retelling,
    word_rounds,
)
from analysis.training.gates_lm import answers_right, numbers_right
from analysis.training.journal import Entry, Journal, StepLoss, lessons_train, log_write
from analysis.training.tokenizer import tokenizer_train
from analysis.worlds.numbers import number_document, number_item, sums
from analysis.worlds.stories import chains, document, item

FOLDER = Path(__file__).parents[2] / "models" / "demo-lm"
TOKENIZER_TEXTS = 12_000
PEAK_RATE = 2e-3
CHECK_EVERY = 250
CHECK_ITEMS = 300
SHORT_STORIES = partial(document, max_questions=None, facts=(2, 4))
LONG_STORIES = partial(document, max_questions=None, facts=(4, 6))
TWO_HOPS = partial(document, max_questions=None, hops=2, facts=(4, 6))
# What a lesson teaches stays in the next one for a while: it is forgotten at once otherwise.
LESSONS = (
    TextLesson("words again", 400, 64, word_rounds, mastered=0.94),
    TextLesson(
        "words backwards",
        500,
        64,
        mixed((0.5, word_rounds), (0.5, backward_rounds)),
        mastered=0.95,
    ),
    TextLesson("sentences again", 300, 32, retelling, mastered=0.9),
    TextLesson("sentences in another order", 400, 32, shuffled_retelling, mastered=0.96),
    TextLesson(
        "pairs",
        600,
        32,
        mixed((0.45, shuffled_retelling), (0.45, pair_questions), (0.1, sums)),
        mastered=0.96,
    ),
    TextLesson(
        "short stories",
        900,
        32,
        mixed((0.45, pair_questions), (0.45, SHORT_STORIES), (0.1, sums)),
        rate=(1.0, 0.8),
    ),
    TextLesson(
        "stories",
        1000,
        32,
        mixed((0.4, TWO_HOPS), (0.4, LONG_STORIES), (0.1, sums), (0.1, number_document)),
        rate=(0.9, 0.8),
    ),
    TextLesson(
        "two hops and noise",
        1400,
        32,
        mixed(
            (0.35, chains),
            (0.15, LONG_STORIES),
            (0.1, TWO_HOPS),
            (0.25, number_document),
            (0.15, sums),
        ),
        rate=(0.8, 0.5),
        noisy_share=0.2,
    ),
    TextLesson(
        "everything",
        2600,
        40,
        mixed(
            (0.27, chains),
            (0.14, TWO_HOPS),
            (0.08, LONG_STORIES),
            (0.1, document),
            (0.25, number_document),
            (0.06, sums),
            (0.1, tales),
        ),
        rate=(0.6, 0.02),
        noisy_share=0.4,
    ),
    TextLesson(
        "everything again",
        2500,
        40,
        mixed(
            (0.5, LONG_STORIES),
            (0.1, document),
            (0.15, chains),
            (0.15, number_document),
            (0.1, tales),
        ),
        rate=(0.7, 0.02),
        noisy_share=0.3,
    ),
)


def model_make(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """An untrained Llama of 1.1 M parameters with grouped-query attention and tied embeddings."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=5,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    # On a CPU, bfloat16 SDPA takes half of a training step; eager attention is twice as fast.
    model: LlamaForCausalLM = LlamaForCausalLM._from_config(config, attn_implementation="eager")
    return model


def loss_of(model: LlamaForCausalLM, batch: DocumentBatch) -> StepLoss:
    """Weighted mean cross-entropy of the next token, in nats; share of answer tokens right."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits_BNV = model(batch.ids_BN[:, :-1]).logits
    next_BN, weight_BN = batch.ids_BN[:, 1:], batch.weight_BN[:, 1:]
    nats_BN = F.cross_entropy(
        logits_BNV.float().flatten(0, 1), next_BN.flatten(), reduction="none"
    ).view_as(next_BN)
    right_BN = logits_BNV.argmax(-1) == next_BN
    asked_BN = weight_BN == ANSWER_WEIGHT
    share = (right_BN & asked_BN).sum() / asked_BN.sum().clamp(min=1)
    return (nats_BN * weight_BN).sum() / weight_BN.sum(), share


def learning_rate(lesson: TextLesson, step: int, warmup: float = 1.0) -> float:
    """The rate at a step of a lesson, which goes evenly from its first to its last."""
    first, last = lesson.rate
    return warmup * (PEAK_RATE * (first + (last - first) * step / lesson.steps))


def train(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    *,
    seed: int,
    folder: Path,
    first: int = 0,
) -> None:
    """Trains `model` lesson by lesson, from the lesson numbered `first` on.

    It is saved into `folder` at every check and at the end.
    """
    optimizer = torch.optim.AdamW(
        model.parameters(), betas=(0.9, 0.95), weight_decay=0.01, fused=True
    )
    journal = LmJournal(model, tokenizer, folder)
    for lesson, batch, loss, right in lessons_train(
        model,
        optimizer,
        LESSONS[first:],
        batches=lambda lesson: batches(tokenizer, Random(f"train {seed} {lesson.name}"), lesson),
        loss_of=partial(loss_of, model),
        learning_rate=learning_rate,
    ):
        journal.tokens += batch.ids_BN.numel()
        journal.add({"loss_nats": loss, "answers_right": right})
        if journal.steps % CHECK_EVERY == 0:
            journal.check(lesson)
    if journal.figures:
        journal.check(LESSONS[-1])


class LmJournal(Journal):
    """The journal that measures both gates at a check, and saves model and log."""

    def __init__(
        self, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path
    ) -> None:
        super().__init__()
        self.model, self.tokenizer, self.folder = model, tokenizer, folder
        self.checked = {
            hops: [item(Random(f"check {hops} {n}"), hops=hops) for n in range(CHECK_ITEMS)]
            for hops in (1, 2)
        }
        self.numbers = [number_item(Random(f"check numbers {n}")) for n in range(CHECK_ITEMS)]
        self.tokens = 0

    def check(self, lesson: TextLesson) -> None:
        """Measures, prints and saves."""
        one, two = (
            fmean(answers_right(self.model, self.tokenizer, items))
            for items in self.checked.values()
        )
        numbers = fmean(numbers_right(self.model, self.tokenizer, self.numbers))
        self.enter(
            {"step": self.steps, "lesson": lesson.name, "tokens": self.tokens},
            {
                "exact_one_hop": round(one, 4),
                "exact_two_hops": round(two, 4),
                "exact_numbers": round(numbers, 4),
            },
        )
        folder_write(self.folder, self.model, self.tokenizer, self.entries)


def folder_write(
    folder: Path,
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    log: list[Entry],
) -> None:
    """Writes a transformers folder in float16; each file appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    half = LlamaForCausalLM(model.config)
    half.load_state_dict(model.state_dict())
    half.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        max_new_tokens=64,
    )
    with TemporaryDirectory(dir=folder.parent) as name:
        draft = Path(name)
        half.half().save_pretrained(draft)
        tokenizer.save_pretrained(draft)
        log_write(draft, log)
        for file in sorted(draft.iterdir()):
            file.chmod(0o644)
            file.replace(folder / file.name)


def main() -> None:
    """Reads the options and trains."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write")
    parser.add_argument("--start", type=Path, help="folder to continue; default: from scratch")
    parser.add_argument("--lesson", type=int, default=0, help="number of the first lesson")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    tokenizer, model = _started(options.start, seed=options.seed)
    train(model, tokenizer, seed=options.seed, folder=options.out, first=options.lesson)


def _started(folder: Path | None, *, seed: int) -> tuple[PreTrainedTokenizerFast, LlamaForCausalLM]:
    if folder is None:
        rng = Random(f"tokenizer {seed}")
        texts = (LESSONS[-1].draw(rng).text for _ in range(TOKENIZER_TEXTS))
        tokenizer = tokenizer_train(texts)
        return tokenizer, model_make(tokenizer)
    model = LlamaForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    )
    return PreTrainedTokenizerFast.from_pretrained(folder), model


if __name__ == "__main__":
    main()
