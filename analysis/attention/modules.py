"""The attention modules of a transformers model."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from analysis.errors import ModelIncompatible

ORDINARY = {"full_attention", "sliding_attention"}


def attentions(plain: PreTrainedModel, layers: int) -> list[nn.Module]:
    """The attention of each layer, in order. Raises ModelIncompatible."""
    found: list[Any] = [
        module
        for module in plain.modules()
        if hasattr(module, "layer_idx") and type(module).__name__.endswith("Attention")
    ]
    if [module.layer_idx for module in found] != list(range(layers)):
        raise unmaskable(plain, layer_kinds(plain) - ORDINARY)
    return found


def layer_kinds(plain: PreTrainedModel) -> set[str]:
    """The kinds of layers that the model names, such as full_attention; empty if it names none."""
    config = getattr(plain, "config", None)
    return set(getattr(config and config.get_text_config(), "layer_types", None) or ())


def blocks_of(plain: PreTrainedModel, layers: int) -> list[nn.Module]:
    """The block of each layer, which holds its attention. Raises ModelIncompatible."""
    names = {id(module): name for name, module in plain.named_modules()}
    found = attentions(plain, layers)
    return [plain.get_submodule(names[id(module)].rpartition(".")[0]) for module in found]


def decoder_stack(plain: PreTrainedModel, layers: int) -> nn.Module:
    """The module that runs the blocks and the final norm. Raises ModelIncompatible."""
    block = blocks_of(plain, layers)[0]
    [name] = [name for name, module in plain.named_modules() if module is block]
    return plain.get_submodule(".".join(name.split(".")[:-2]))  # model.layers.0 is in model


def unmaskable(plain: nn.Module, kinds: Iterable[str] = ()) -> ModelIncompatible:
    why = f" It has layers of {', '.join(sorted(kinds))}." if kinds else ""
    return ModelIncompatible(
        f"The attention of a {type(plain).__name__} takes no mask of its own per layer.{why}",
        remedy="Choose a model such as Llama, Qwen, Gemma, Mistral or GPT-2.",
        field="model",
    )


@contextmanager
def eager_attention(model: PreTrainedModel) -> Iterator[None]:
    """Context in which a model runs eager attention; its own is restored afterwards."""
    own = model.config._attn_implementation
    set_attention(model, "eager")
    try:
        yield
    finally:
        set_attention(model, own)


def set_attention(model: PreTrainedModel, name: str) -> None:
    """Choose how a model computes attention: sdpa, eager or another registered name."""
    model.set_attn_implementation(name)
    if model.config._attn_implementation != name:  # Falcon reads its config in each pass
        model.config._attn_implementation = name
