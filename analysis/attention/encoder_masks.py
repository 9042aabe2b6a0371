"""Text encoders run with cuts: what one token passes to another is set to −inf before softmax.

T5EncoderModel, CLIPTextModel (with and without projection) and Gemma2Model cannot be booted as a
TransformerBridge. They are run here with plain forward hooks: eager attention, the architecture's
own additive mask widened to [B, H, N, N], −inf where an edge is cut.

Shapes: B rows, N tokens, H heads, D width, L layers; Q queries and K keys are the same N tokens.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from analysis.attention.edges import BLOCKED, Cut, Size, cut_mask, refuse_blind, refuse_out_of_range
from analysis.attention.modules import eager_attention
from analysis.errors import ModelIncompatible


@dataclass(frozen=True)
class EncoderParts:
    """Where an architecture keeps what is hooked."""

    blocks: tuple[nn.Module, ...]
    attentions: tuple[nn.Module, ...]
    final_norm: nn.Module
    heads: int
    mask: str  # the attention's keyword for its additive mask


@dataclass(frozen=True)
class EncoderStates:
    """`layers_LBND` holds L + 1 states: the embeddings, then what each block gives.

    `final_BND` are the last of them after the final norm: what a pipeline is conditioned on.
    """

    layers_LBND: torch.Tensor
    final_BND: torch.Tensor


def run_with_cuts(
    encoder: PreTrainedModel,
    ids_BN: torch.Tensor,
    cuts: Sequence[Cut],
    *,
    attention_mask_BN: torch.Tensor | None = None,
) -> EncoderStates:
    """The states of every layer while `cuts` are in force.

    Without cuts they are those of plain eager attention, to the last bit. Raises CutOutOfRange,
    ModelIncompatible.
    """
    blocks = encoder_parts(encoder).blocks
    states: list[torch.Tensor] = []
    with ExitStack() as stack:
        stack.enter_context(cut_edges(encoder, cuts, shape_BN=(ids_BN.shape[0], ids_BN.shape[1])))
        first = blocks[0].register_forward_pre_hook(partial(_keep_input, states), with_kwargs=True)
        stack.callback(first.remove)
        for block in blocks:
            stack.callback(block.register_forward_hook(partial(_keep_output, states)).remove)
        out = encoder(input_ids=ids_BN, attention_mask=attention_mask_BN)
    return EncoderStates(torch.stack(states), out.last_hidden_state)


@contextmanager
def cut_edges(
    encoder: PreTrainedModel, cuts: Sequence[Cut], *, shape_BN: tuple[int, int]
) -> Iterator[None]:
    """Context in which `encoder`, given ids of that shape, runs eager attention with the cuts.

    Raises CutOutOfRange where a cut names what is not there, and, when the encoder runs, where a
    token would be left with nothing to attend to; ModelIncompatible for another architecture.
    """
    parts = encoder_parts(encoder)
    size = Size(*shape_BN, layers=len(parts.blocks), heads=parts.heads)
    refuse_out_of_range(cuts, size)
    with ExitStack() as stack:
        stack.enter_context(eager_attention(encoder))
        for layer, attention in enumerate(parts.attentions):
            here = [cut for cut in cuts if cut.layers is None or layer in cut.layers]
            if here:
                cut_BHQK = cut_mask(here, size)
                hook = partial(_cut_hook, cut_BHQK, layer, parts.mask)
                handle = attention.register_forward_pre_hook(hook, with_kwargs=True)
                stack.callback(handle.remove)
        yield


@contextmanager
def skip_blocks(encoder: PreTrainedModel, layer: int) -> Iterator[None]:
    """Context in which all blocks from number `layer` on, counted from 0, leave states as they are.

    Raises ModelIncompatible for an architecture that is not known.
    """
    with ExitStack() as stack:
        for block in encoder_parts(encoder).blocks[layer:]:
            handle = block.register_forward_hook(_give_input, with_kwargs=True)
            stack.callback(handle.remove)
        yield


def _give_input(
    block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
) -> Any:
    del block
    states = args[0] if args else kwargs["hidden_states"]
    return (states, *output[1:]) if isinstance(output, tuple) else states


def encoder_parts(encoder: PreTrainedModel) -> EncoderParts:
    """What is hooked of an encoder. Raises ModelIncompatible for an unknown architecture."""
    name = type(encoder).__name__
    find = PARTS.get(name)
    if find is None:
        raise ModelIncompatible(
            f"Text encoder {name} cannot be run with cuts; known are: {', '.join(PARTS)}.",
            remedy="Choose a pipeline with one of these text encoders.",
            field="model",
        )
    return find(encoder)


def longest_input(encoder: PreTrainedModel) -> int | None:
    """Tokens that an encoder can read at most; None: no limit of its own."""
    found: int | None = getattr(encoder.config, "max_position_embeddings", None)
    return found


def _t5_parts(encoder: Any) -> EncoderParts:
    blocks = tuple(encoder.encoder.block)
    attentions = tuple(block.layer[0].SelfAttention for block in blocks)
    norm = encoder.encoder.final_layer_norm
    return EncoderParts(blocks, attentions, norm, encoder.config.num_heads, "mask")


def _clip_parts(encoder: Any) -> EncoderParts:
    text = getattr(encoder, "text_model", encoder)
    blocks = tuple(text.encoder.layers)
    attentions = tuple(block.self_attn for block in blocks)
    heads = encoder.config.num_attention_heads
    return EncoderParts(blocks, attentions, text.final_layer_norm, heads, "attention_mask")


def _decoder_parts(encoder: Any) -> EncoderParts:
    blocks = tuple(encoder.layers)
    attentions = tuple(block.self_attn for block in blocks)
    heads = encoder.config.num_attention_heads
    return EncoderParts(blocks, attentions, encoder.norm, heads, "attention_mask")


PARTS: dict[str, Callable[[Any], EncoderParts]] = {
    "T5EncoderModel": _t5_parts,
    "CLIPTextModel": _clip_parts,
    "CLIPTextModelWithProjection": _clip_parts,
    "Gemma2Model": _decoder_parts,
}


def _cut_hook(
    cut_BHQK: torch.Tensor,
    layer: int,
    keyword: str,
    attention: nn.Module,
    args: tuple[torch.Tensor, ...],
    kwargs: dict[str, Any],
) -> tuple[tuple[torch.Tensor, ...], dict[str, Any]]:
    """Give the attention its own mask with −inf at the cut edges."""
    del attention
    states = args[0] if args else kwargs["hidden_states"]
    own, cut = kwargs.get(keyword), cut_BHQK.to(states.device)
    mask_BHQK = torch.zeros(cut.shape, dtype=states.dtype, device=states.device)
    if own is not None:
        mask_BHQK = mask_BHQK + own
    open_BHQK = mask_BHQK > BLOCKED
    blind_BHQ1 = ~open_BHQK.any(-1, keepdim=True)  # padding that reads nothing anyhow
    refuse_blind(open_BHQK & ~cut | blind_BHQ1, layer)
    return args, {**kwargs, keyword: mask_BHQK.masked_fill(cut, -torch.inf)}


def _keep_input(
    states: list[torch.Tensor], block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    del block
    states.append(args[0] if args else kwargs["hidden_states"])


def _keep_output(
    states: list[torch.Tensor], block: nn.Module, args: tuple[Any, ...], output: Any
) -> None:
    del block, args
    states.append(output[0] if isinstance(output, tuple) else output)
