"""How large a difference of log-probabilities rounding alone makes in a model's dtype."""

from collections.abc import Iterable

import torch

from analysis.precision import exact


def rounding_nats(
    plain_BNV: torch.Tensor, others: Iterable[torch.Tensor], dtype: torch.dtype
) -> float:
    """Largest |Δ log p| of the most probable tokens between exact routes, nats.

    At least the rounding of the largest logit itself, half a step of the dtype: two routes that
    happen to compute alike say nothing of a third.
    """
    reference_BNV = exact(plain_BNV).log_softmax(-1)
    likeliest_BN1 = reference_BNV.argmax(-1, keepdim=True)
    own_BN1 = reference_BNV.gather(-1, likeliest_BN1)
    found = [torch.finfo(dtype).eps / 2 * float(plain_BNV.float().abs().max())]
    for other_BNV in others:
        given_BN1 = exact(other_BNV).log_softmax(-1).gather(-1, likeliest_BN1)
        found.append(float((given_BN1 - own_BN1).abs().max()))
    return max(found)
