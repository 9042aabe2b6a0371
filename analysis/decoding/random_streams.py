"""One stream of random numbers per (seed, position, trial), independent of batching.

Shape legend: R rows, V vocabulary, P positions.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int

from analysis.precision import exact

TRIALS, GUMBEL = 1, 2  # kinds of streams


def uniforms(seed: int, position: int, trial: int, count: int) -> np.ndarray:
    """`count` numbers in [0, 1), float64; a longer request begins with the same ones."""
    return np.random.default_rng([TRIALS, seed, position, trial]).random(count)


def gumbels(
    seed: int, step: int, positions: Sequence[int], vocabulary: int
) -> Float[torch.Tensor, "P V"]:
    """Standard Gumbel noise for each position of a canvas, float64."""
    rows = [
        np.random.default_rng([GUMBEL, seed, step, position]).gumbel(size=vocabulary)
        for position in positions
    ]
    return torch.from_numpy(np.stack(rows)) if rows else exact(torch.empty(0, vocabulary))


def pick(logprobs_RV: Float[torch.Tensor, "R V"], u: Sequence[float]) -> Int[torch.Tensor, "R"]:
    """The token at which the cumulative distribution passes u: one sample per row.

    Tokens are in the order of their ids, so that ties of probabilities cannot change a sample.
    """
    cumulative_RV = exact(logprobs_RV).exp().cumsum(-1)
    target_R1 = torch.tensor(u, dtype=torch.float64)[:, None].to(cumulative_RV.device)
    found_R1 = torch.searchsorted(cumulative_RV, target_R1 * cumulative_RV[:, -1:], right=True)
    # Rounding may leave the last sum at the target: the last token with non-zero probability is
    # used.
    last_R1 = (cumulative_RV < cumulative_RV[:, -1:]).sum(-1, keepdim=True)
    return torch.minimum(found_R1, last_R1)[:, 0].to(logprobs_RV.device)
