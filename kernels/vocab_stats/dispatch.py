"""CPU: the reference; GPU: the fused kernel, without a silent fallback."""

from types import ModuleType

from torch import Tensor

from kernels.vocab_stats import reference
from kernels.vocab_stats.reference import VocabStats


def vocab_stats(logits_RV: Tensor, *, k: int = 1) -> VocabStats:
    """See `reference.vocab_stats`."""
    found: VocabStats = _kernel(logits_RV).vocab_stats(logits_RV, k=k)
    return found


def hidden_stats(
    hidden_RD: Tensor, weight_VD: Tensor, bias_V: Tensor | None = None, *, k: int = 1
) -> VocabStats:
    """See `reference.hidden_stats`."""
    found: VocabStats = _kernel(hidden_RD).hidden_stats(hidden_RD, weight_VD, bias_V, k=k)
    return found


def _kernel(given: Tensor) -> ModuleType:
    if given.device.type != "cuda":
        return reference
    from kernels.vocab_stats import fused  # Triton comes with the GPU build of torch alone

    return fused
