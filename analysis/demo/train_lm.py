"""Trains the bundled model `demo-lm` and writes it as a plain transformers folder.

`python -m analysis.demo.train_lm` retrains it from nothing, in lessons: drills, then
stories that grow longer and noisier.
"""

import argparse
import json
import math
import time
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from statistics import fmean
from tempfile import TemporaryDirectory

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from analysis.demo.corpus import Batch, Lesson, batches, story_or_tale
from analysis.demo.drills import free_retelling, retelling, word_rounds
from analysis.demo.gates import answers_right
from analysis.demo.stories import STORY_FACTS, item
from analysis.demo.tokenizer import tokenizer_train

FOLDER = Path(__file__).parents[2] / "models" / "demo-lm"
LOG_NAME = "training_log.jsonl"
TOKENIZER_TEXTS = 12_000
PEAK_RATE = 2e-3
WARMUP_STEPS = 50
CHECK_EVERY = 250
CHECK_ITEMS = 300
LESSONS = (
    Lesson("words again", 0.07, 64, word_rounds),
    Lesson("sentences again", 0.07, 32, retelling),
    Lesson("sentences in another order", 0.07, 32, free_retelling),
    Lesson(
        "short stories, many questions",
        0.24,
        32,
        partial(story_or_tale, tale_share=0.0, max_questions=8, facts=(2, 4)),
    ),
    Lesson(
        "stories and tales, with noise",
        0.3,
        32,
        partial(story_or_tale, tale_share=0.1, max_questions=6, facts=STORY_FACTS),
        noisy_share=0.3,
    ),
    Lesson(
        "one question per story, as it is asked",
        0.25,
        64,
        partial(story_or_tale, tale_share=0.2, max_questions=1, facts=STORY_FACTS),
        noisy_share=0.5,
    ),
)


def model_make(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """An untrained Llama of 1.3 M parameters with grouped-query attention and tied embeddings."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=6,
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


def loss_of(model: LlamaForCausalLM, batch: Batch) -> Float[Tensor, ""]:
    """Weighted mean cross-entropy of the next token, in nats."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits_BNV = model(batch.ids_BN[:, :-1]).logits
    nats_BN = F.cross_entropy(
        logits_BNV.float().flatten(0, 1), batch.ids_BN[:, 1:].flatten(), reduction="none"
    ).view_as(batch.ids_BN[:, 1:])
    weight_BN = batch.weight_BN[:, 1:]
    return (nats_BN * weight_BN).sum() / weight_BN.sum()


def learning_rate(step: int, *, steps: int) -> float:
    """A linear warm-up, then a cosine to a fiftieth of the highest rate."""
    if step < WARMUP_STEPS:
        return PEAK_RATE * (step + 1) / WARMUP_STEPS
    done = (step - WARMUP_STEPS) / max(1, steps - WARMUP_STEPS)
    return PEAK_RATE * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))


def train(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    *,
    steps: int,
    seed: int,
    folder: Path,
) -> None:
    """Trains `model`, saves it into `folder` at every check and at the end."""
    optimizer = torch.optim.AdamW(
        model.parameters(), betas=(0.9, 0.95), weight_decay=0.01, fused=True
    )
    checked = {
        hops: [item(Random(f"check {hops} {n}"), hops=hops) for n in range(CHECK_ITEMS)]
        for hops in (1, 2)
    }
    log: list[dict[str, float]] = []
    started, seen, losses = time.monotonic(), 0, list[float]()
    for step, batch in enumerate(tqdm(_schedule(tokenizer, steps=steps, seed=seed), total=steps)):
        optimizer.param_groups[0]["lr"] = learning_rate(step, steps=steps)
        loss = loss_of(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seen += batch.ids_BN.numel()
        losses.append(loss.item())
        if (step + 1) % CHECK_EVERY == 0 or step + 1 == steps:
            shares = {
                hops: fmean(answers_right(model, tokenizer, items))
                for hops, items in checked.items()
            }
            log.append(
                {
                    "step": step + 1,
                    "tokens": seen,
                    "seconds": round(time.monotonic() - started),
                    "loss_nats": round(sum(losses) / len(losses), 4),
                    "exact_one_hop": round(shares[1], 4),
                    "exact_two_hops": round(shares[2], 4),
                }
            )
            losses.clear()
            tqdm.write(json.dumps(log[-1]))
            folder_write(folder, model, tokenizer, log)


def _schedule(tokenizer: PreTrainedTokenizerFast, *, steps: int, seed: int) -> Iterator[Batch]:
    for lesson in LESSONS:
        rng = Random(f"train {seed} {lesson.name}")
        yield from islice(batches(tokenizer, rng, lesson), round(steps * lesson.share))


def folder_write(
    folder: Path,
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    log: list[dict[str, float]],
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
        (draft / LOG_NAME).write_text("".join(json.dumps(entry) + "\n" for entry in log))
        for file in sorted(draft.iterdir()):
            file.chmod(0o644)
            file.replace(folder / file.name)


def main() -> None:
    """Reads the options and trains."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=4500, help="batches of 32 to 64 texts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    rng = Random(f"tokenizer {options.seed}")
    texts = (LESSONS[-1].draw(rng).text for _ in range(TOKENIZER_TEXTS))
    tokenizer = tokenizer_train(texts)
    model = model_make(tokenizer)
    train(
        model,
        tokenizer,
        steps=options.steps,
        seed=options.seed,
        folder=options.out,
    )


if __name__ == "__main__":
    main()
