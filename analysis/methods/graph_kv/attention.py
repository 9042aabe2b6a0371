"""Run layouts: in batches with a dense mask, block by block, or eagerly with hooks.

Each code path gives every token its position and a complete attention mask. Without a mask,
transformers would interpret restarting positions as packed sequences, and a mask over tokens only
would allow attention to everything.

Shape legend: B rows, N tokens, T tokens of the answer, V vocabulary, L layers, H heads, P pairs of
blocks, C blocks.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from transformers import DynamicCache

from analysis.attention import decoder_masks
from analysis.attention.block_sparse import Keep, block_sparse, runs_blockwise
from analysis.attention.modules import ORDINARY, layer_kinds
from analysis.attention.windows import Windows, inner_window, windows_of, within
from analysis.decoding.stops import eos_ids
from analysis.errors import ModelIncompatible
from analysis.methods.graph_kv.layout import TokenLayout
from analysis.model import Model
from analysis.model.logit_processors import PROCESSORS, Start, bent, make
from kernels.block_attention import BlockAttention, BlockStructure, part_mass

DENSE_TOKENS = 2048  # limit for N × N masks


@dataclass(frozen=True)
class Blockwise:
    """`logits_TV` at the last tokens, and edge mass `mass_PLH` over the structure's parts."""

    logits_TV: torch.Tensor
    mass_PLH: torch.Tensor


@dataclass(frozen=True)
class Patterned:
    """The same with eager attention, with each block's share of attention to each token,
    `tokens_LCN` (mean over its tokens and the heads), and to its first token, `sinks_CLH` (mean
    over its tokens after the first; 0 for a block of one token).
    """

    logits_TV: torch.Tensor
    mass_PLH: torch.Tensor
    tokens_LCN: torch.Tensor
    sinks_CLH: torch.Tensor


def refuse_unfit(model: Model, tokens: int) -> None:
    """Raise ModelIncompatible for a model whose attention cannot be masked in this way."""
    config = model.plain.config.get_text_config()
    name = model.info.architecture
    if getattr(config, "alibi", False):
        raise _unfit(f"{name} adds a bias by the order of tokens (ALiBi)")
    kinds = layer_kinds(model.plain) - ORDINARY
    if kinds:
        raise _unfit(f"{name} has layers of {', '.join(sorted(kinds))}")
    model.require("masks", "positions")
    window = inner_window(model.plain)
    if window and tokens > window:
        raise ModelIncompatible(
            f"{name} attends to the last {window} tokens only in some layers, by a mask of its "
            f"own; the text has {tokens} tokens.",
            remedy="Shorten the segments, or choose another model.",
            field="model",
        )


def refuse_memory(model: Model, layout: TokenLayout, answer: int) -> None:
    """Raise OutOfMemory if logits at an answer of so many tokens after a layout are too much."""
    tokens = len(layout.ids_N) + answer
    if tokens > DENSE_TOKENS and can_run_blockwise(model, layout, answer):
        return
    model.rows_per_pass(tokens, answer, 1)


def can_run_blockwise(model: Model, layout: TokenLayout, more: int = 0) -> bool:
    """Whether attention is a softmax of scores alone that no window cuts off.

    `more`: tokens that follow the layout.
    """
    return runs_blockwise(model.plain) and not _windows(model, layout.positions_N, more)


def _windows(model: Model, positions: Sequence[int], more: int = 0) -> Windows | None:
    """The windows of the layers, if one is shorter than a text, in tokens or in positions."""
    found = windows_of(model.plain, model.info.layers)
    span = max(len(positions), positions[-1] + 1) + more
    return found if any(window and window < span for window in found) else None


def _runs_dense(model: Model, layout: TokenLayout) -> bool:
    return len(layout.ids_N) <= DENSE_TOKENS or not can_run_blockwise(model, layout)


def _unfit(why: str) -> ModelIncompatible:
    return ModelIncompatible(
        f"{why}: the attention between segments cannot be chosen.",
        remedy="Choose a causal language model with ordinary attention.",
        field="model",
    )


def answer_logits(
    model: Model, layouts: Sequence[TokenLayout], kept: int, limit: int
) -> Iterator[torch.Tensor]:
    """Logits at the last `kept` tokens of each layout, [T, V], in the given order.

    Consecutive layouts of equal length share a forward pass of at most `limit` rows.
    """
    for tokens, group in groupby(layouts, lambda layout: len(layout.ids_N)):
        same = list(group)
        if not any(_runs_dense(model, layout) for layout in same):
            yield from (_block_logits(model, layout, kept) for layout in same)
            continue
        size = model.rows_per_pass(tokens, kept, limit)
        for at in range(0, len(same), size):
            yield from _dense(model, same[at : at + size], kept)


def _dense(model: Model, layouts: Sequence[TokenLayout], kept: int) -> torch.Tensor:
    """[B, T, V]."""
    ids_BN, positions_BN = _tokens(model, layouts)
    last_T = torch.arange(ids_BN.shape[1] - kept, ids_BN.shape[1])
    return decoder_masks.logits(
        model, ids_BN, keep_T=last_T, positions_N=positions_BN, **_masks(model, layouts)
    )


def _tokens(model: Model, layouts: Sequence[TokenLayout]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and positions, [B, N] each."""
    ids_BN, positions_BN = (
        torch.tensor([getattr(layout, name) for layout in layouts], device=model.device)
        for name in ("ids_N", "positions_N")
    )
    return ids_BN, positions_BN


def _masks(model: Model, layouts: Sequence[TokenLayout]) -> dict[str, Any]:
    """Masks [B, 1, N, N] per layer, the same in every head, and the windows that they replace.

    A window counts in positions: a token reads what it attends to and what lies fewer positions
    back than the window.
    """
    mask_BNN = torch.stack([layout.structure.mask(model.device) for layout in layouts])
    given = (_windows(model, layout.positions_N) for layout in layouts)
    windows = next((found for found in given if found), None)
    if windows is None:
        return {"masks": [mask_BNN[:, None]] * model.info.layers}
    _, positions_BN = _tokens(model, layouts)
    by_window = {
        window: (mask_BNN & within(window, positions_BN) if window else mask_BNN)[:, None]
        for window in set(windows)
    }
    return {"masks": [by_window[window] for window in windows], "windows": windows}


def _step_masks(model: Model, positions: Sequence[int]) -> dict[str, Any]:
    """Likewise, of the last token alone, which attends to all others, [1, 1, 1, N]."""
    windows = _windows(model, positions)
    if windows is None:
        return {"masks": [None] * model.info.layers}
    back_N = positions[-1] - torch.tensor(positions, device=model.device)
    masks = [(back_N < window)[None, None, None] if window else None for window in windows]
    return {"masks": masks, "windows": windows}


def blockwise(model: Model, layout: TokenLayout, kept: int) -> Blockwise:
    """One block-sparse pass, which does not compute masked scores."""
    seen: list[torch.Tensor] = []

    def keep(found: BlockAttention) -> None:
        seen.append(part_mass(found, layout.structure)[0])

    logits_TV = _block_logits(model, layout, kept, keep)
    return Blockwise(logits_TV, torch.stack(seen).permute(2, 0, 1))


@torch.no_grad()
def _block_logits(
    model: Model, layout: TokenLayout, kept: int, keep: Keep | None = None
) -> torch.Tensor:
    """[T, V]."""
    ids, positions = _tokens(model, [layout])
    with block_sparse(model.plain, layout.structure, keep):
        out = model.forward(
            input_ids=ids, position_ids=positions, logits_to_keep=kept, use_cache=False
        )
    logits_TV: torch.Tensor = out.logits[0, -kept:]
    return logits_TV


@torch.no_grad()
def patterned(model: Model, layout: TokenLayout, kept: int) -> Patterned:
    """One eager pass that reduces each layer's weights at once. Raises OutOfMemory."""
    tokens = len(layout.ids_N)
    model.rows_per_pass(tokens, kept, 1)  # raises if a single row does not fit
    sums = _Sums(layout.structure, model)
    ids, positions = _tokens(model, [layout])
    logits_1TV = decoder_masks.eager(
        model,
        ids,
        keep_T=torch.arange(tokens - kept, tokens),
        positions_N=positions,
        receive=sums.add,
        **_masks(model, [layout]),
    )
    return Patterned(
        logits_1TV[0],
        torch.stack(sums.mass_HP).permute(2, 0, 1),
        torch.stack(sums.tokens_CN),
        torch.stack(sums.sinks_HC).permute(2, 0, 1),
    )


class _Sums:
    """Patterns as means over the tokens of each block, layer by layer."""

    def __init__(self, structure: BlockStructure, model: Model) -> None:
        device = model.device
        self.wide = torch.promote_types(model.plain.dtype, torch.float32)
        lengths_C = torch.tensor(structure.lengths, device=device)
        self.member_CN = torch.nn.functional.one_hot(torch.repeat_interleave(lengths_C)).T
        self.lengths_C1 = lengths_C[:, None]
        self.first_C = torch.tensor(structure.bounds[:-1], device=device)
        self.reader_P, self.source_P, _ = map(torch.tensor, structure.parts)
        self.mass_HP: list[torch.Tensor] = []
        self.tokens_CN: list[torch.Tensor] = []
        self.sinks_HC: list[torch.Tensor] = []

    def add(self, layer: int, pattern_1HNN: torch.Tensor) -> None:
        del layer  # they come in their order
        pattern_HNN = pattern_1HNN[0].to(self.wide)
        member_CN = self.member_CN.to(self.wide)
        total_HCN = member_CN @ pattern_HNN
        mean_HCN = total_HCN / self.lengths_C1
        self.mass_HP.append((mean_HCN @ member_CN.T)[:, self.reader_P, self.source_P])
        self.tokens_CN.append(mean_HCN.mean(0))
        self.sinks_HC.append(self._sinks(pattern_HNN, total_HCN))

    def _sinks(self, pattern_HNN: torch.Tensor, total_HCN: torch.Tensor) -> torch.Tensor:
        """The first token's attention to itself is omitted."""
        every_C = torch.arange(len(self.first_C))
        own_HC = pattern_HNN[:, self.first_C, self.first_C]
        return (total_HCN[:, every_C, self.first_C] - own_HC) / (self.lengths_C1[:, 0] - 1).clamp(1)


@torch.no_grad()
def write(
    model: Model, layout: TokenLayout, length: int, bends: Mapping[str, Any] | None = None
) -> Iterator[int]:
    """Yield up to `length` ids of greedy decoding, ending after an end-of-text token.

    `bends`: processors by GenerationConfig's names, applied after the layout's ids.

    The layout is evaluated once; generated tokens continue from its last position and attend to all
    tokens that no window cuts off.
    """
    stops, cache, positions = eos_ids(model), DynamicCache(), list(layout.positions_N)
    out = _prefill(model, layout, cache)
    written = list(layout.ids_N)
    processors = make(PROCESSORS, bends or {}, Start(tuple(written), stops, length, model.device))
    for number in range(1, length + 1):
        ids = torch.tensor([written], device=model.device)
        token = int(bent(processors, ids, out.logits[:, -1].float())[0].argmax())
        written.append(token)
        positions.append(positions[-1] + 1)
        yield token
        if token in stops or number == length:
            return
        out = _step(model, cache, token, positions)


def _prefill(model: Model, layout: TokenLayout, cache: DynamicCache) -> Any:
    ids, positions = _tokens(model, [layout])
    given = {"input_ids": ids, "position_ids": positions, "past_key_values": cache}
    if not _runs_dense(model, layout):
        with block_sparse(model.plain, layout.structure):
            return model.forward(**given, use_cache=True, logits_to_keep=1)
    with decoder_masks.masked(model.plain, **_masks(model, [layout])):
        mask = torch.ones_like(ids)
        return model.forward(**given, attention_mask=mask, use_cache=True, logits_to_keep=1)


def _step(model: Model, cache: DynamicCache, token: int, positions: list[int]) -> Any:
    """The last token, at the last of the positions."""
    with decoder_masks.masked(model.plain, **_step_masks(model, positions)):
        return model.forward(
            input_ids=torch.tensor([[token]], device=model.device),
            position_ids=torch.tensor([positions[-1:]], device=model.device),
            attention_mask=torch.ones(1, len(positions), device=model.device),
            past_key_values=cache,
            use_cache=True,
        )
