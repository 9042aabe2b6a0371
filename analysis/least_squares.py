"""Effects of replaced tokens by least squares on the masks of independent probes.

D_k = a + Σ_i e_i m_ki + noise. Masks are drawn independently, so e_i is the same mean effect of
replacing token i as the centred mean estimates; what other tokens add to D is fitted, not averaged
over. Standard errors are robust to noise that depends on the masks (HC3, MacKinnon & White 1985).

Shape legend: K probes, N positions, M open positions, C columns (positions, words, sentences),
R rows (targets).
"""

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from analysis.attribution import summed

PROBES_PER_COLUMN = 3  # fewer leave the fit to chance
LEAST_COUNT = 5  # probes in which a position is replaced, and in which it is kept
ROWS_AT_ONCE = 4096
CONFIDENCE = 0.95


def is_fitted(masks_KN: Bool[np.ndarray, "K N"], open_N: Bool[np.ndarray, "N"]) -> bool:
    """Whether there are probes enough: three per open position, each seen replaced and kept."""
    replaced_M = masks_KN[:, open_N].sum(0)
    if len(masks_KN) < PROBES_PER_COLUMN * (len(replaced_M) + 1):
        return False
    return bool((np.minimum(replaced_M, len(masks_KN) - replaced_M) >= LEAST_COUNT).all())


def least_squares(
    masks_KN: Bool[np.ndarray, "K N"],
    falls_KR: Float[np.ndarray, "K R"],
    open_N: Bool[np.ndarray, "N"],
    starts: tuple[np.ndarray, ...],
) -> tuple[Float[np.ndarray, "R C"], Float[np.ndarray, "R C"]]:
    """Effects and standard errors of positions and of sums over groups, 0 where none is open."""
    x_KM = masks_KN[:, open_N].astype(float)
    x_KM -= x_KM.mean(0)
    d_KR = falls_KR - falls_KR.mean(0)
    inverse_MM = np.linalg.inv(x_KM.T @ x_KM)
    slope_MR = inverse_MM @ (x_KM.T @ d_KR)
    variance_RC = np.zeros((falls_KR.shape[1], sum(map(len, starts))))
    for at in range(0, len(x_KM), ROWS_AT_ONCE):
        x_BM, d_BR = x_KM[at : at + ROWS_AT_ONCE], d_KR[at : at + ROWS_AT_ONCE]
        share_BM = x_BM @ inverse_MM
        leverage_B = (share_BM * x_BM).sum(1) + 1 / len(x_KM)
        left_BR = (d_BR - x_BM @ slope_MR) / (1 - leverage_B)[:, None]
        columns_BC = summed(_spread(share_BM, open_N), starts)
        variance_RC += (left_BR**2).T @ columns_BC**2
    return summed(_spread(slope_MR.T, open_N), starts), np.sqrt(variance_RC)


def interval_factor(probes: int, fitted: int, tokens: int = 1) -> float:
    """Standard errors to each side in a 95 % interval; of so many tokens, all at once.

    Student's t with K − M − 1 degrees of freedom; all at once by Šidák's inequality, which holds
    however the tokens' errors are correlated.
    """
    level = CONFIDENCE ** (1 / max(tokens, 1))
    return float(stats.t.ppf((1 + level) / 2, max(probes - fitted - 1, 1)))


def _spread(values_BM: np.ndarray, open_N: np.ndarray) -> np.ndarray:
    """Values of the open positions in their places, [B, N]."""
    values_BN = np.zeros((len(values_BM), len(open_N)))
    values_BN[:, open_N] = values_BM
    return values_BN
