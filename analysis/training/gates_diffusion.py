"""What a masked-diffusion model of the story world must reach, measured on held-out items."""

from collections.abc import Sequence
from statistics import fmean

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from analysis.training.gates_lm import held_out_items, held_out_numbers
from analysis.training.report import MODELS, Measured
from analysis.worlds.numbers import NumberItem, answer_read

FOLDER = MODELS / "demo-diffusion"

ITEMS = 500
QUESTIONS = 200
CANVAS = 64
BLOCK = 32


def diffusion_rows() -> list[Measured]:
    """All that is measured of the committed weights."""
    model = AutoModelForMaskedLM.from_pretrained(FOLDER, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    filled = numbers_filled(model, tokenizer, held_out_numbers(ITEMS))
    asked = held_out_items(QUESTIONS, hops=1)
    outputs = canvases_fill(
        model, tokenizer, [item.prompt for item in asked], canvas=BLOCK, block=BLOCK
    )
    right = [text.startswith(f" {item.answer}.") for text, item in zip(outputs, asked, strict=True)]
    return [
        Measured("number stories, one token per step", fmean(filled), ITEMS, required=0.9),
        Measured("accuracy, 1 hop", fmean(right), QUESTIONS),
    ]


def numbers_filled(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    items: Sequence[NumberItem],
    *,
    canvas: int = CANVAS,
    block: int = BLOCK,
) -> list[bool]:
    """Per item, whether the canvas filled one token per step states the right number."""
    texts = canvases_fill(
        model, tokenizer, [item.prompt for item in items], canvas=canvas, block=block
    )
    return [answer_read(text) == item.answer for text, item in zip(texts, items, strict=True)]


@torch.inference_mode()
def canvases_fill(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    *,
    canvas: int,
    block: int,
    batch: int = 100,
) -> list[str]:
    """The text on a canvas of masks after each prompt, filled block by block.

    Every step writes the most probable token at the most confident position (LLaDA's low
    confidence remasking at one token per step). Right-padding is not attended to.
    """
    texts: list[str] = []
    for at in range(0, len(prompts), batch):
        rows = [
            ids + [tokenizer.mask_token_id] * canvas
            for ids in tokenizer(list(prompts[at : at + batch])).input_ids
        ]
        padded = tokenizer.pad({"input_ids": rows}, padding_side="right", return_tensors="pt")
        ids_BN: Int[Tensor, "B N"] = padded["input_ids"]
        there_BN = padded["attention_mask"]
        starts_B1 = torch.tensor([[len(row) - canvas] for row in rows])
        place_BN = torch.arange(ids_BN.shape[1]) - starts_B1  # on the canvas
        for first in range(0, canvas, block):
            active_BN = (place_BN >= first) & (place_BN < first + block)
            for _ in range(block):
                ids_BN = _fill_one(model, tokenizer.mask_token_id, ids_BN, there_BN, active_BN)
        texts += [
            _until_end(tokenizer, ids[start : start + canvas])
            for ids, (start,) in zip(ids_BN.tolist(), starts_B1.tolist(), strict=True)
        ]
    return texts


def _fill_one(
    model: PreTrainedModel,
    mask: int,
    ids_BN: Int[Tensor, "B N"],
    there_BN: Int[Tensor, "B N"],
    active_BN: Bool[Tensor, "B N"],
) -> Int[Tensor, "B N"]:
    logits_BNV = model(ids_BN, attention_mask=there_BN).logits.float()
    logits_BNV[..., mask] = -torch.inf
    sure_BN, best_BN = logits_BNV.softmax(-1).max(-1)
    sure_BN = sure_BN.masked_fill(~active_BN | (ids_BN != mask), -1.0)
    at_B1 = sure_BN.argmax(-1, keepdim=True)
    return ids_BN.scatter(1, at_B1, best_BN.gather(1, at_B1))


def _until_end(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> str:
    end = ids.index(tokenizer.eos_token_id) if tokenizer.eos_token_id in ids else len(ids)
    return str(tokenizer.decode(ids[:end]))
