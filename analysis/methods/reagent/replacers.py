"""Sources of replacement tokens.

A replacer maps one uniform number per position to a token id that differs from the original. Equal
numbers give equal tokens, independent of the batch.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from analysis.errors import InvalidParams, ModelIncompatible
from analysis.events import Event, Progress
from analysis.model import Model
from analysis.precision import exact
from analysis.text.tokenization import codec, special_tokens

Candidates = tuple[np.ndarray, np.ndarray, int]
STRETCH = 64  # positions predicted per pass
KEPT = 256  # most probable tokens from which a predicting replacer samples, renormalised


@runtime_checkable
class Replacer(Protocol):
    """Map uniform numbers in [0, 1), [..., N], to token ids of the same shape."""

    @property
    def label(self) -> str: ...

    @property
    def fallbacks(self) -> int:
        """Positions without a prediction of the masked model, where any token may be sampled."""

    def draw(self, uniform_BN: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class Uniform:
    """Uniform over the M ordinary ids except the original.

    `original_N` is the index of each position's token in `ordinary_M`, or M if it is not there.
    """

    ordinary_M: np.ndarray
    original_N: np.ndarray
    label: str = "uniform over the vocabulary"
    fallbacks: int = 0

    def draw(self, uniform_BN: np.ndarray) -> np.ndarray:
        others_N = len(self.ordinary_M) - (self.original_N < len(self.ordinary_M))
        choice = np.minimum((uniform_BN * others_N).astype(np.int64), others_N - 1)
        drawn: np.ndarray = self.ordinary_M[choice + (choice >= self.original_N)]
        return drawn


@dataclass(frozen=True)
class Predicted:
    """The C most probable ids of each position, [N, C], with cumulative probabilities up to 1."""

    ids_NC: np.ndarray
    cumulative_NC: np.ndarray
    label: str
    fallbacks: int = 0

    def draw(self, uniform_BN: np.ndarray) -> np.ndarray:
        choice = np.empty(uniform_BN.shape, dtype=np.int64)
        for position, cumulative in enumerate(self.cumulative_NC):
            choice[..., position] = np.searchsorted(
                cumulative, uniform_BN[..., position], side="right"
            )
        choice = np.minimum(choice, self.ids_NC.shape[1] - 1)
        drawn: np.ndarray = self.ids_NC[np.arange(self.ids_NC.shape[0]), choice]
        return drawn


def ordinary_ids(model: Model) -> np.ndarray:
    """All ids of text tokens: in the tokenizer, in the model, and not special."""
    special = set(special_tokens(model.tokenizer).values())
    size = min(len(model.tokenizer), model.info.vocabulary)
    return np.array([token for token in range(size) if token not in special], dtype=np.int64)


def uniform(model: Model, context: list[int]) -> Uniform:
    """A uniform replacer over all ordinary ids except the original."""
    ordinary = ordinary_ids(model)
    place = {int(token): at for at, token in enumerate(ordinary)}
    return Uniform(ordinary, np.array([place.get(token, len(ordinary)) for token in context]))


@torch.no_grad()
def same_model(model: Model, context: list[int]) -> Generator[Event, None, Predicted]:
    """The explained model's own prediction of each position from what precedes it.

    Yields progress, returns the replacer.
    """
    ids = torch.tensor([context], device=model.device)
    rows = [_likeliest(torch.zeros(1, model.info.vocabulary), model, context[:1])]
    for start in range(1, len(context), STRETCH):
        yield _progress(start, len(context))
        end = min(start + STRETCH, len(context))
        logits = model.logits(ids[:, : end - 1], torch.arange(start - 1, end - 1))[0]
        rows.append(_likeliest(logits.cpu(), model, context[start:end]))
    return _predicted(rows, model)


def masked_lm(model: Model, masked: Model, context: list[int]) -> Generator[Event, None, Predicted]:
    """A masked language model's prediction of each position from both sides.

    Yields progress, returns the replacer. With another vocabulary the candidates are those of
    the masked model's tokens whose text is a single token of the explained model's.
    Raises InvalidParams if the masked model has no mask token, ModelIncompatible if no
    token is shared.
    """
    if masked.tokenizer.mask_token_id is None:
        raise InvalidParams(
            f"The tokenizer of {masked.info.id} has no mask token.",
            remedy="Choose a masked language model.",
            field="replacer_model",
        )
    mapping = vocabulary_map(masked.tokenizer, model)
    rows: list[Candidates] = []
    for position in range(len(context)):
        if position % 16 == 0:
            yield _progress(position, len(context))
        logits = _masked_logits(model, masked, context, position, mapping)
        rows.append(_likeliest(logits[None], model, context[position : position + 1]))
    return _predicted(rows, masked)


def vocabulary_map(masked: PreTrainedTokenizerBase, model: Model) -> torch.Tensor:
    """For each id of the masked model, the id of the explained model with the same text, or −1."""
    if masked.get_vocab() == model.tokenizer.get_vocab():
        return torch.arange(model.info.vocabulary)
    explained, other = codec(model.tokenizer), codec(masked)
    known = {explained.text(token): token for token in reversed(range(len(model.tokenizer)))}
    known[None] = -1
    mapping = torch.tensor([known.get(other.text(token), -1) for token in range(len(masked))])
    if bool((mapping < 0).all()):
        raise ModelIncompatible(
            "The masked model shares no token with the explained model.",
            remedy="Choose a masked model of the same language, or another replacer.",
            field="replacer_model",
        )
    return mapping


@torch.no_grad()
def _masked_logits(
    model: Model, masked: Model, context: list[int], position: int, mapping: torch.Tensor
) -> torch.Tensor:
    """Logits over the explained model's vocabulary for one masked position; −inf without a
    match.
    """
    tokenizer = masked.tokenizer
    if masked.tokenizer.get_vocab() == model.tokenizer.get_vocab():
        ids, at = [*context], position
        ids[position] = int(tokenizer.mask_token_id)
    else:
        decode = model.tokenizer.decode
        left = decode(context[:position], skip_special_tokens=True)
        right = decode(context[position + 1 :], skip_special_tokens=True)
        ids = tokenizer(f"{left} {tokenizer.mask_token}{right}").input_ids
        masks = [at for at, token in enumerate(ids) if token == tokenizer.mask_token_id]
        at = masks[
            left.count(str(tokenizer.mask_token))
        ]  # the prompt may contain mask tokens as text
    longest = masked.info.longest
    start = max(0, min(at - longest // 2, len(ids) - longest))
    window = torch.tensor([ids[start : start + longest]], device=masked.device)
    found = masked.forward(input_ids=window).logits[0, at - start].float().cpu()[: len(mapping)]
    logits = torch.full((model.info.vocabulary,), -torch.inf)
    known = mapping[: len(found)] >= 0
    return logits.scatter_reduce(0, mapping[: len(found)][known], found[known], "amax")


def _likeliest(logits_BV: torch.Tensor, model: Model, originals: list[int]) -> Candidates:
    """Candidates of some positions: ordinary ids except the originals."""
    allowed = torch.full((logits_BV.shape[1],), -torch.inf, dtype=torch.float64)
    allowed[torch.from_numpy(ordinary_ids(model))] = 0
    allowed = allowed.repeat(len(originals), 1)
    allowed[torch.arange(len(originals)), torch.tensor(originals)] = -torch.inf
    logits = exact(logits_BV) + allowed
    nothing = torch.isinf(logits).all(-1)
    logits[nothing] = allowed[nothing]
    top = logits.topk(min(KEPT, logits.shape[1]))
    cumulative = top.values.softmax(-1).cumsum(-1)
    cumulative /= cumulative[
        :, -1:
    ].clone()  # 1 from the last candidate on, so that none after it is sampled
    return top.indices.numpy(), cumulative.numpy(), int(nothing.sum())


def _predicted(rows: list[Candidates], source: Model) -> Predicted:
    ids, cumulative, nothing = zip(*rows, strict=True)
    return Predicted(
        np.concatenate(ids),
        np.concatenate(cumulative),
        f"predicted by {source.info.id}",
        fallbacks=sum(nothing),
    )


def _progress(done: int, total: int) -> Progress:
    return Progress(stage="predicting replacements", done=done, total=total, unit="tokens")
