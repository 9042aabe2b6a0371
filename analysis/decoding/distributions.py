"""Next-token distributions: the model's own, and the warped one used for sampling.

Shape legend: R rows, V vocabulary, K candidates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from transformers import PreTrainedTokenizerBase

from analysis.decoding.events import Candidate
from analysis.text.sampling import Sampling
from analysis.text.tokenization import token_name
from kernels.vocab_stats import VocabStats, vocab_stats

CANDIDATES = 8


@dataclass(frozen=True)
class NextTokenStats:
    """Distributions of R rows, float32 natural logs; warped_RV is −∞ for truncated tokens."""

    raw_RV: Float[torch.Tensor, "R V"]
    warped_RV: Float[torch.Tensor, "R V"]
    raw: VocabStats
    warped: VocabStats

    @property
    def varentropy(self) -> float:
        """Variance of −ln p of the first row, nats²."""
        p_V = self.raw_RV[0].exp()
        surprise_V = torch.where(p_V > 0, -self.raw_RV[0], 0.0)
        return float((p_V * (surprise_V - self.raw.entropy_R[0]) ** 2).sum())

    def candidates(self, tokenizer: PreTrainedTokenizerBase) -> list[Candidate]:
        """The most probable tokens of the first row."""
        return [
            self.candidate(tokenizer, token)
            for token, logit in zip(
                self.raw.top_ids_RK[0].tolist(), self.raw.top_values_RK[0].tolist(), strict=True
            )
            if logit > -torch.inf
        ]

    def candidate(self, tokenizer: PreTrainedTokenizerBase, token: int) -> Candidate:
        """A token of the first row."""
        return Candidate(
            id=token,
            text=token_name(tokenizer, token),
            logprob_raw=float(self.raw_RV[0, token]),
            probability=float(self.warped_RV[0, token].exp()),
        )


def next_token_stats(
    logits_RV: Float[torch.Tensor, "R V"], sampling: Sampling, rows: Sequence[Sequence[int]] = ()
) -> NextTokenStats:
    """Entropies, most probable tokens and log-probabilities, before and after warping.

    `rows`: the ids that precede each row, which logit processors need.
    """
    logits_RV = logits_RV.float()
    warped_RV = sampling(logits_RV, rows)
    raw = vocab_stats(logits_RV, k=min(CANDIDATES, logits_RV.shape[-1]))
    warped = vocab_stats(warped_RV)
    return NextTokenStats(
        raw_RV=logits_RV - raw.logsumexp_R[:, None],
        warped_RV=warped_RV - warped.logsumexp_R[:, None],
        raw=raw,
        warped=warped,
    )


def ranks(
    stats: NextTokenStats, rows: Int[torch.Tensor, "N"], tokens: Int[torch.Tensor, "N"]
) -> list[int]:
    """Rank of one token per given row in the model's own distribution."""
    picked_NV = stats.raw_RV[rows]
    better_N = (picked_NV > picked_NV.gather(1, tokens[:, None])).sum(-1)
    return [1 + int(value) for value in better_N.tolist()]
