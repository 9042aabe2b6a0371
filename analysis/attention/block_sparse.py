"""A causal language model run under a block structure: no N × N mask, no scores nobody reads.

Attention goes through transformers' registry of attention functions; for a function without a mask
of its own transformers makes none, and positions that restart are not taken for packed sequences.

Shape legend: B rows, H heads, G key heads, N tokens, D width of a head.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel

from analysis.errors import ModelIncompatible
from kernels.block_attention import BlockAttention, BlockStructure, StructureInvalid
from kernels.block_attention import block_attention as attend

NAME = "glassbench_blocks"
Keep = Callable[[BlockAttention], None]

_ACTIVE: ContextVar[tuple[BlockStructure, Keep | None]] = ContextVar("block_sparse")


@contextmanager
def block_sparse(
    model: PreTrainedModel, structure: BlockStructure, keep: Keep | None = None
) -> Iterator[None]:
    """Context in which all rows attend as `structure` says, in whatever layer.

    `keep` gets the attention of each layer in their order, with its parts (see `part_mass`).
    Call the model with ids of as many tokens as the structure has, with position ids, without a
    mask and without earlier keys, and under no_grad. Raise ModelIncompatible where the model does
    more in attention than a softmax of scaled scores, StructureInvalid where a mask is given too.
    """
    if not _asks_the_registry(model):
        raise _unfit(f"{type(model).__name__} has an attention of its own")
    own, token = model.config._attn_implementation, _ACTIVE.set((structure, keep))
    try:
        model.set_attn_implementation(NAME)
        yield
    finally:
        model.set_attn_implementation(own)
        _ACTIVE.reset(token)


def runs_blockwise(model: PreTrainedModel) -> bool:
    """Whether attention is a softmax of scores alone, called through transformers' registry.

    What shows only layer by layer, such as a window, is left to the run itself to refuse.
    """
    config = model.config.get_text_config()
    capped = getattr(config, "attn_logit_softcapping", None)
    sinks = config.model_type == "gpt_oss"
    return _asks_the_registry(model) and not (capped or sinks)


def _asks_the_registry(model: PreTrainedModel) -> bool:
    return bool(getattr(model, "_supports_attention_backend", False))


def _attention(
    module: nn.Module,
    query_BHND: Tensor,
    key_BGND: Tensor,
    value_BGND: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """As transformers calls attention; the output is [B, N, H, D]."""
    structure, keep = _ACTIVE.get()
    _refuse(structure, attention_mask, options)
    # Heads of latent attention have values of another width than keys.
    width = max(key_BGND.shape[-1], value_BGND.shape[-1])
    found = attend(
        _widened(query_BHND, width),
        _widened(key_BGND, width),
        _widened(value_BGND, width),
        structure,
        scale=scaling,
        parts=keep is not None,
    )
    if keep is not None:
        keep(found)
    own_BHND = found.output_BHND[..., : value_BGND.shape[-1]]
    return own_BHND.transpose(1, 2).contiguous(), None


def _widened(heads_BHND: Tensor, width: int) -> Tensor:
    """With zeros behind; `pad` copies even where nothing is missing."""
    missing = width - heads_BHND.shape[-1]
    return nn.functional.pad(heads_BHND, (0, missing)) if missing else heads_BHND


def _refuse(structure: BlockStructure, mask: Tensor | None, options: dict[str, Any]) -> None:
    if mask is not None:
        raise StructureInvalid(
            "a mask is given in addition to the structure; give the structure alone"
        )
    if options.get("softcap") is not None:
        raise _unfit("its scores are capped")
    if options.get("s_aux") is not None:
        raise _unfit("its attention has a sink")
    if options.get("position_bias") is not None:
        raise _unfit("its scores have a bias by position")
    if options.get("dropout"):
        raise _unfit("its attention drops out while it is trained")
    window = options.get("sliding_window")
    if window is not None and window < structure.tokens:
        raise _unfit(f"a layer reads {window} tokens back, of {structure.tokens}")


def _unfit(why: str) -> ModelIncompatible:
    return ModelIncompatible(
        f"The model cannot run block by block: {why}.",
        remedy="Run it under a dense mask, or choose a model with ordinary attention.",
        field="model",
    )


AttentionInterface.register(NAME, _attention)
