"""The text encoder of `demo-t2i`: a tiny T5 that learns captions before any picture is seen.

It learns as a masked language model, and to tell from the state of an item's head (the last word
of its noun) which colour and shape the item has in the picture, and in which quarter. What tells
so is thrown away; the encoder is then frozen.

Shape legend: B captions, N token positions, V tokens, D width, M items.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import T5Config, T5EncoderModel, T5Tokenizer

from analysis.training.corpus import positions_of
from analysis.worlds import captions
from analysis.worlds.captions import SLOTS, Caption, CaptionItem, training_caption
from analysis.worlds.shapes import COLOURS, SHAPES

MAX_TOKENS = 32
SPLIT = {"basketball": ("▁basket", "ball"), "emerald": ("▁emer", "ald")}  # words of two tokens
WIDTH, LAYERS = 128, 4
BATCH, PEAK_RATE, BIAS_RATE = 64, 2e-3, 3e-2
BIAS_STD = 2.0
HIDING_SHARE = 0.25  # of the captions: some of their tokens are hidden
HIDDEN_SHARE = 0.2  # of the tokens of these
TOKEN_WEIGHT = 0.3  # of the loss over hidden tokens
MASK = "<extra_id_0>"


def tokenizer_make() -> T5Tokenizer:
    """A T5 tokenizer of the words of the captions; other words fall into letters."""
    words = sorted(set(_words()))
    pieces = ["▁" + word for word in words if word not in SPLIT]
    pieces += [piece for split in SPLIT.values() for piece in split]
    letters = ["▁", *"abcdefghijklmnopqrstuvwxyz0123456789.'-"]
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), (",", -4.0)]
    vocabulary += [(piece, -4.0) for piece in pieces] + [(letter, -12.0) for letter in letters]
    return T5Tokenizer(vocab=[*vocabulary, (MASK, 0.0)], extra_ids=1, model_max_length=MAX_TOKENS)


def _words() -> Iterator[str]:
    named = (captions.NAMES, captions.BORROWERS, captions.MIMICS, captions.FILLERS)
    written = (*captions.STATED, *captions.NAMED, *captions.OPENINGS, *captions.JOINTS[2])
    synonyms = (*captions.COLOUR_WORDS.values(), *captions.SHAPE_WORDS.values())
    texts = [*(text for group in (*named, *synonyms) for text in group), *written]
    for text in (*texts, *captions.DETERMINERS, "an", "matching"):
        yield from (word for word in text.replace(",", "").split() if word.isalpha())


def encoder_make(tokenizer: T5Tokenizer) -> T5EncoderModel:
    """An untrained encoder of 0.7 M parameters."""
    encoder = T5EncoderModel(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=WIDTH,
            d_kv=16,
            d_ff=256,
            num_layers=LAYERS,
            num_heads=8,
            feed_forward_proj="gated-gelu",
            dropout_rate=0.0,
            relative_attention_num_buckets=16,
            relative_attention_max_distance=32,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    # What stands next to what is most of what there is to learn: with T5's own start, near 0,
    # the biases need a thousand steps to tell places apart.
    nn.init.normal_(bias_of(encoder), std=BIAS_STD)
    return encoder


def bias_of(encoder: T5EncoderModel) -> nn.Parameter:
    """The relative position biases of the heads, which T5 shares between its layers."""
    return next(
        weight for name, weight in encoder.named_parameters() if "relative_attention_bias" in name
    )


class Heads(nn.Module):
    """What only training needs: guesses of hidden tokens and of items' colours, shapes, places."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.token = nn.Linear(WIDTH, tokens)
        self.colour = nn.Linear(WIDTH, len(COLOURS))
        self.shape = nn.Linear(WIDTH, len(SHAPES))
        self.place = nn.Linear(WIDTH, len(SLOTS))


def head_of(item: CaptionItem, offsets: Sequence[tuple[int, int]]) -> int:
    """The position of the last token of the item's noun."""
    noun = [word for word in item.words if word.part in ("shape", "name")][-1]
    return positions_of([(noun.start, noun.end)], list(offsets))[-1]


@dataclass(frozen=True, slots=True)
class Prompts:
    """Encoded texts: states, which positions are theirs, and the characters of each token."""

    states_BND: Float[Tensor, "B N D"]
    mask_BN: Int[Tensor, "B N"]
    offsets: list[list[tuple[int, int]]]

    def tokens_of(self, index: int, item: CaptionItem) -> list[int]:
        """The positions of an item's tokens in text `index`."""
        return positions_of([(item.start, item.end)], self.offsets[index])

    def head_of(self, index: int, item: CaptionItem) -> int:
        """The position of the last token of an item's noun in text `index`."""
        return head_of(item, self.offsets[index])


@torch.inference_mode()
def encode(encoder: T5EncoderModel, tokenizer: T5Tokenizer, texts: Sequence[str]) -> Prompts:
    """The texts padded to `MAX_TOKENS`, as the pipeline encodes them."""
    rows = tokenizer(
        list(texts),
        padding="max_length",
        max_length=MAX_TOKENS,
        return_offsets_mapping=True,
        return_tensors="pt",
    )
    states_BND = encoder(rows.input_ids, attention_mask=rows.attention_mask).last_hidden_state
    return Prompts(states_BND, rows.attention_mask, _offsets(rows.offset_mapping))


def _offsets(offsets_BN2: Int[Tensor, "B N 2"]) -> list[list[tuple[int, int]]]:
    return [[(start, end) for start, end in row] for row in offsets_BN2.tolist()]


def encoder_train(
    encoder: T5EncoderModel, tokenizer: T5Tokenizer, *, steps: int, seed: int
) -> Iterator[dict[str, float]]:
    """Trains in place; yields the losses of each step, in nats, and the share of items right."""
    heads = Heads(len(tokenizer))
    weights = [*encoder.parameters(), *heads.parameters()]
    bias = bias_of(encoder)
    groups = [[weight for weight in weights if weight is not bias], [bias]]
    optimizer = torch.optim.AdamW(
        [{"params": group} for group in groups], weight_decay=0.01, fused=True
    )
    plan = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [PEAK_RATE, BIAS_RATE], total_steps=steps + 1, pct_start=0.05
    )
    rng = Random(f"encoder {seed}")
    for _ in range(steps):
        drawn = [training_caption(rng, items=rng.choice((1, 2, 2, 3))) for _ in range(BATCH)]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            losses = encoder_losses(encoder, heads, tokenizer, drawn)
        (TOKEN_WEIGHT * losses["token_nats"] + losses["item_nats"]).backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        plan.step()
        optimizer.zero_grad()
        yield {name: value.item() for name, value in losses.items()}


def encoder_losses(
    encoder: T5EncoderModel, heads: Heads, tokenizer: T5Tokenizer, drawn: Sequence[Caption]
) -> dict[str, Float[Tensor, ""]]:
    """Mean losses over hidden tokens, and over the items of the captions without such."""
    texts = [caption.text for caption in drawn]
    rows = tokenizer(texts, padding=True, return_offsets_mapping=True, return_tensors="pt")
    offsets = _offsets(rows.offset_mapping)
    mask_BN: Int[Tensor, "B N"] = rows.attention_mask
    hiding = int(HIDING_SHARE * len(drawn))
    hidden_BN = (torch.rand(mask_BN.shape) < HIDDEN_SHARE) & (mask_BN == 1)
    hidden_BN[hiding:] = False
    ids_BN = rows.input_ids.masked_fill(hidden_BN, tokenizer.convert_tokens_to_ids(MASK))
    states_BND = encoder(ids_BN, attention_mask=mask_BN).last_hidden_state
    states_MD = torch.stack(
        [
            states_BND[index, head_of(item, offsets[index])]
            for index in range(hiding, len(drawn))
            for item in drawn[index].items
        ]
    )
    placed = [each for caption in drawn[hiding:] for each in caption.placed]
    truths_M3 = torch.tensor(
        [
            (list(COLOURS).index(colour), list(SHAPES).index(shape), place)
            for (colour, shape), place in placed
        ]
    )
    logits = [heads.colour(states_MD), heads.shape(states_MD), heads.place(states_MD)]
    nats = [
        F.cross_entropy(logits_MC, truth_M)
        for logits_MC, truth_M in zip(logits, truths_M3.T, strict=True)
    ]
    best_M3 = torch.stack([logits_MC.argmax(-1) for logits_MC in logits], dim=1)
    return {
        "token_nats": F.cross_entropy(
            heads.token(states_BND[hidden_BN]), rows.input_ids[hidden_BN]
        ),
        "item_nats": torch.stack(nats).sum(),
        "items_right": (best_M3 == truths_M3).all(1).float().mean(),
    }
