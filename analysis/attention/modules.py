"""The attention modules of a transformers model."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import nn
from transformers import PreTrainedModel

from analysis.errors import ModelIncompatible

ORDINARY = {"full_attention", "sliding_attention"}


def attentions(plain: PreTrainedModel, layers: int) -> list[nn.Module]:
    """The attention of each layer, in order. Raises ModelIncompatible."""
    return list(_named_attentions(plain, layers).values())


def _named_attentions(plain: PreTrainedModel, layers: int) -> dict[str, nn.Module]:
    """By name, such as model.layers.0.self_attn."""
    found: dict[str, nn.Module] = {}
    for name, module in plain.named_modules():
        inside = found and name.startswith(f"{next(reversed(found))}.")  # GPT-Neo has two
        if _number(module) is not None and not inside:
            found[name] = module
    if [_number(module) for module in found.values()] != list(range(layers)):
        raise unmaskable(plain, layer_kinds(plain) - ORDINARY)
    return found


def _number(module: nn.Module) -> int | None:
    """The layer of an attention; None: it is none."""
    if not type(module).__name__.endswith("Attention"):
        return None
    number = getattr(module, "layer_idx", getattr(module, "layer_id", None))
    return number if isinstance(number, int) else None


def layer_kinds(plain: PreTrainedModel) -> set[str]:
    """The kinds of layers that the model names, such as full_attention; empty if it names none."""
    config = getattr(plain, "config", None)
    return set(getattr(config and config.get_text_config(), "layer_types", None) or ())


def blocks_of(plain: PreTrainedModel, layers: int) -> list[nn.Module]:
    """The block of each layer, which holds its attention. Raises ModelIncompatible."""
    return [_above(plain, name, 1) for name in _named_attentions(plain, layers)]


def decoder_stack(plain: PreTrainedModel, layers: int) -> nn.Module:
    """The module that runs the blocks and the final norm. Raises ModelIncompatible."""
    first = next(iter(_named_attentions(plain, layers)))
    return _above(plain, first, 3)


def _above(plain: PreTrainedModel, name: str, levels: int) -> nn.Module:
    """The module that holds another, so many levels up."""
    return plain.get_submodule(".".join(name.split(".")[:-levels]))


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


def attention_of(model: PreTrainedModel) -> str:
    """How a model computes attention: sdpa, eager or another registered name."""
    return str(model.config._attn_implementation)


def set_attention(model: PreTrainedModel, name: str) -> None:
    """Choose how a model computes attention: sdpa, eager or another registered name."""
    model.set_attn_implementation(name)
    if model.config._attn_implementation != name:  # Falcon reads its config in each pass
        model.config._attn_implementation = name
