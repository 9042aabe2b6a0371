"""What a language model of the story world must reach, measured on held-out items."""

from collections.abc import Sequence
from random import Random

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from analysis.training.corpus import positions_of
from analysis.worlds.facts import Kind, Role
from analysis.worlds.numbers import NumberItem, answer_read, number_item
from analysis.worlds.stories import StoryQuestion, item

ROLES: tuple[Role, ...] = ("source", "link", "key")


def held_out_items(count: int, *, hops: int, kind: Kind | None = None) -> list[StoryQuestion]:
    """`count` items whose asked pair never occurs in training, the same at every call."""
    return [item(Random(f"held out {hops} {n}"), hops=hops, kind=kind) for n in range(count)]


def held_out_numbers(count: int) -> list[NumberItem]:
    """`count` number stories whose course never occurs in training, the same at every call."""
    return [number_item(Random(f"held out numbers {n}")) for n in range(count)]


def answers_right(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, items: Sequence[StoryQuestion]
) -> list[bool]:
    """Per item, whether greedy decoding gives exactly the answer and a full stop.

    One forward over prompt and answer shows it: greedy decoding writes the answer exactly when
    each of its tokens is the most probable after those before.
    """
    starts = [len(_ids(tokenizer, item.prompt)) for item in items]
    return _foretold(model, tokenizer, [_ids(tokenizer, item.text) for item in items], starts)


def stops(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, items: Sequence[StoryQuestion]
) -> list[bool]:
    """Per item, whether `</s>` is the most probable token after the right answer."""
    rows = [[*_ids(tokenizer, item.text), tokenizer.eos_token_id] for item in items]
    return _foretold(model, tokenizer, rows, [len(row) - 1 for row in rows])


@torch.inference_mode()
def _foretold(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: list[list[int]],
    starts: list[int],
    *,
    batch: int = 100,
) -> list[bool]:
    """Per row of token ids, whether each token from position `starts` on is the most probable."""
    found: list[bool] = []
    for at in range(0, len(rows), batch):
        padded = tokenizer.pad({"input_ids": rows[at : at + batch]}, padding_side="right")
        ids_BN: Int[Tensor, "B N"] = torch.tensor(padded["input_ids"])
        hit_BN: Bool[Tensor, "B N-1"] = model(ids_BN[:, :-1]).logits.argmax(-1) == ids_BN[:, 1:]
        found += [
            bool(hit_N[start - 1 : len(row) - 1].all())
            for hit_N, row, start in zip(
                hit_BN, rows[at : at + batch], starts[at : at + batch], strict=True
            )
        ]
    return found


def numbers_right(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    items: Sequence[NumberItem],
    *,
    temperature: float = 0.0,
    seed: int = 0,
) -> list[bool]:
    """Per item, whether the continuation, greedy or sampled, states the right number."""
    texts = continuations(
        model, tokenizer, [item.prompt for item in items], temperature=temperature, seed=seed
    )
    return [answer_read(text) == item.answer for text, item in zip(texts, items, strict=True)]


@torch.inference_mode()
def continuations(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    *,
    temperature: float = 0.0,
    seed: int = 0,
    max_new_tokens: int = 40,
    batch: int = 250,
) -> list[str]:
    """A continuation of each prompt: greedy at temperature 0, else sampled from all tokens."""
    texts: list[str] = []
    torch.manual_seed(seed)
    sampling = {"do_sample": True, "temperature": temperature, "top_k": 0} if temperature else {}
    for at in range(0, len(prompts), batch):
        rows = tokenizer(
            list(prompts[at : at + batch]), padding=True, padding_side="left", return_tensors="pt"
        )
        written = model.generate(  # type: ignore[operator]
            rows.input_ids,
            attention_mask=rows.attention_mask,
            max_new_tokens=max_new_tokens,
            **sampling,
        )
        texts += tokenizer.batch_decode(
            written[:, rows.input_ids.shape[1] :], skip_special_tokens=True
        )
    return texts


def _ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    ids: list[int] = tokenizer(text).input_ids
    return ids


def carrier_positions(
    tokenizer: PreTrainedTokenizerBase, item: StoryQuestion
) -> dict[Role, list[int]]:
    """Token positions of the item's carriers in its encoded prompt (0 is `<s>`), by role."""
    offsets = tokenizer(item.prompt, return_offsets_mapping=True)["offset_mapping"]
    return {
        role: positions_of([(c.start, c.end) for c in item.carriers if c.role == role], offsets)
        for role in ROLES
    }
