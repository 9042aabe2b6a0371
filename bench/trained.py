"""A model of 4 layers and width 256, trained for some CPU minutes and kept in data/bench.

It reads short question stories of `analysis.worlds`. Its tokenizer puts no token in front of a
text, so that every position is explained by us and by a peer that protects none.
"""

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import torch
from tokenizers import processors
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from analysis.training.tokenizer import tokenizer_train
from analysis.worlds.stories import Document, document

FACTS = (2, 3)  # per story: prompts of about 40 tokens
STEPS = 500
PEAK = 2e-3
WARM_UP = 50
DOCUMENTS = 32  # per batch
SEED = 0
TEXT_WEIGHT = 0.1  # of a token that is no answer
LESSONS = (((1, 2), 0.4), (FACTS, 0.6))  # facts per story, share of the steps


def trained(folder: Path) -> Path:
    """The model's folder; trains the model if it is missing."""
    if not (folder / "config.json").exists():
        print(f"training a model into {folder.name} (once)", file=sys.stderr)
        torch.manual_seed(SEED)
        tokenizer = _tokenizer()
        model = _train(_untrained(len(tokenizer)), tokenizer)
        tokenizer.save_pretrained(folder)
        model.save_pretrained(folder)
    return folder


def _tokenizer() -> PreTrainedTokenizerFast:
    rng = Random(SEED)
    tokenizer = tokenizer_train(document(rng, facts=FACTS).text for _ in range(6000))
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A", pair="$A $B", special_tokens=[]
    )
    return tokenizer


def _untrained(vocabulary: int) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=256,
        intermediate_size=768,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=4,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
    )
    return LlamaForCausalLM._from_config(config, attn_implementation="eager")


def _train(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK, betas=(0.9, 0.98), fused=True)
    for step, (ids_BN, weight_BN) in enumerate(tqdm(_batches(tokenizer), total=STEPS)):
        for group in optimizer.param_groups:
            group["lr"] = _rate(step)
        loss = _loss(model, ids_BN, weight_BN)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if step % 50 == 49:
            tqdm.write(f"step {step + 1}: loss {loss.item():.3f} nats", file=sys.stderr)
    return model.eval()


def _batches(tokenizer: PreTrainedTokenizerFast) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Padded ids and loss weights, [B, N] each."""
    rng = Random(SEED)
    for facts, share in LESSONS:
        for _ in range(round(STEPS * share)):
            stories = [document(rng, max_questions=3, facts=facts) for _ in range(DOCUMENTS)]
            encoded = tokenizer([story.text for story in stories], return_offsets_mapping=True)
            ids = [torch.tensor([*row, tokenizer.eos_token_id]) for row in encoded["input_ids"]]
            weights = [
                torch.tensor([*_weights(story, offsets), TEXT_WEIGHT])
                for story, offsets in zip(stories, encoded["offset_mapping"], strict=True)
            ]
            pad = tokenizer.pad_token_id
            yield (
                pad_sequence(ids, batch_first=True, padding_value=pad),
                pad_sequence(weights, batch_first=True),
            )


def _weights(story: Document, offsets: list[tuple[int, int]]) -> list[float]:
    """1 for a token of an answer, TEXT_WEIGHT for others."""
    return [
        1.0 if any(start < b and a < end for a, b in story.answers) else TEXT_WEIGHT
        for start, end in offsets
    ]


def _loss(model: LlamaForCausalLM, ids_BN: torch.Tensor, weight_BN: torch.Tensor) -> torch.Tensor:
    """Weighted mean cross-entropy of the next token, nats."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits_BNV = model(ids_BN[:, :-1]).logits
    nats = F.cross_entropy(
        logits_BNV.float().flatten(0, 1), ids_BN[:, 1:].flatten(), reduction="none"
    )
    weight = weight_BN[:, 1:].flatten()
    return (nats * weight).sum() / weight.sum()


def _rate(step: int) -> float:
    """Linear warm-up, then a cosine to a twentieth of the peak."""
    if step < WARM_UP:
        return PEAK * (step + 1) / WARM_UP
    done = (step - WARM_UP) / (STEPS - WARM_UP)
    return PEAK * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * done)))
