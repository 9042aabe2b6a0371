"""Reference implementation in torch.

Shape legend: R rows (distributions), V vocabulary, D width, K largest logits kept.
"""

from typing import NamedTuple

import torch
from torch import Tensor

MOST_KEPT = 64


class VocabStats(NamedTuple):
    """Statistics of R distributions, float32 and int64.

    `entropy_R` in nats; `logsumexp_R`, `max_R` and `second_R` are of the logits (`second_R` equals
    `max_R` at a tie and is −∞ for a single logit); at a tie `argmax_R` is the lowest index.
    `top_values_RK` and `top_ids_RK` hold the K largest logits in descending order; the order
    of ties is undefined. A logit of −∞ has probability 0; every row has a finite logit.
    """

    entropy_R: Tensor
    logsumexp_R: Tensor
    max_R: Tensor
    argmax_R: Tensor
    second_R: Tensor
    top_values_RK: Tensor
    top_ids_RK: Tensor


def vocab_stats(logits_RV: Tensor, *, k: int = 1) -> VocabStats:
    """Statistics of float32, float16 or bfloat16 logits, computed in float32.

    With m = max x, s = Σ e^(x − m) and t = Σ e^(x − m) (x − m): log-sum-exp = m + ln s and
    H = ln s − t / s, without cancellation for logits of any size.
    """
    check(logits_RV.shape[-1], k)
    x_RV = logits_RV.float()
    top = x_RV.topk(min(max(k, 2), x_RV.shape[-1]))
    max_R = top.values[:, 0]
    shifted_RV = x_RV - max_R[:, None]
    exp_RV = shifted_RV.exp()
    sum_R = exp_RV.sum(-1)
    weighted_R = (exp_RV * shifted_RV).nan_to_num(nan=0.0).sum(-1)  # 0 · −∞ is 0 here
    return VocabStats(
        entropy_R=(sum_R.log() - weighted_R / sum_R).clamp(min=0),
        logsumexp_R=max_R + sum_R.log(),
        max_R=max_R,
        argmax_R=x_RV.argmax(-1),
        second_R=top.values[:, 1]
        if top.values.shape[1] > 1
        else torch.full_like(max_R, -torch.inf),
        top_values_RK=top.values[:, :k],
        top_ids_RK=top.indices[:, :k],
    )


def hidden_stats(
    hidden_RD: Tensor, weight_VD: Tensor, bias_V: Tensor | None = None, *, k: int = 1
) -> VocabStats:
    """Statistics of the logits hidden · weightᵀ + bias; products and sums in float32."""
    logits_RV = hidden_RD.float() @ weight_VD.float().T
    return vocab_stats(logits_RV if bias_V is None else logits_RV + bias_V.float(), k=k)


def check(vocabulary: int, k: int) -> None:
    """Raise ValueError unless k is between 1 and the number of logits."""
    if not 1 <= k <= min(MOST_KEPT, vocabulary):
        raise ValueError(f"k is {k}; it must be 1 to {min(MOST_KEPT, vocabulary)}")
