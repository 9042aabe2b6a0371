"""Effects of replaced tokens by least squares on the masks of independent probes.

D_k = a + Σ_i e_i m_ki + noise. Masks are sampled independently, so that e_i is the same mean effect
of replacing token i as estimated by the centred mean; contributions of other tokens to D are fitted
instead of averaged. Standard errors are robust to noise that depends on the masks (HC3, MacKinnon &
White 1985).

Shape legend: K probes, N positions, M open positions, C columns (positions, words, sentences),
R rows (targets).
"""

from collections.abc import Generator, Iterator

import numpy as np
from jaxtyping import Bool, Float
from scipy import linalg, stats

from analysis.methods.reagent.estimators import summed

PROBES_PER_COLUMN = 3  # with fewer, the fit is too noisy
LEAST_COUNT = 5  # minimum probes in which a position is replaced, and in which it is kept
MOST_POSITIONS = 2048  # a larger fit takes longer than the probes
SINGULAR = (
    1e-10  # relative to the largest pivot: below it, two positions were always replaced together
)
ROWS_AT_ONCE = 4096
OPERATIONS = 1e9  # size of a block of rows, well under half a second
PANEL = 256  # columns of the inverse solved per step
CONFIDENCE = 0.95

Effects = tuple[Float[np.ndarray, "R C"], Float[np.ndarray, "R C"]]


class NotFitted(Exception):
    """There are too few probes or too many positions for a fit."""


class Fit:
    """Normal equations of the probes so far; probes can be added in any number of parts.

    Sums over 0 and 1 are exact, so that centring them afterwards loses no precision.
    """

    def __init__(self, replaceable_N: Bool[np.ndarray, "N"], rows: int) -> None:
        self.open, self.count = replaceable_N, 0
        size = int(replaceable_N.sum()) if replaceable_N.sum() <= MOST_POSITIONS else 0
        self.replaced_M = np.zeros(size)
        self.both_MM = np.zeros((size, size))
        self.cross_MR = np.zeros((size, rows))
        self.falls_R, self.origin_R = np.zeros(rows), np.zeros(rows)

    def add(self, masks_KN: Bool[np.ndarray, "K N"], falls_KR: Float[np.ndarray, "K R"]) -> None:
        """Add probes: the replaced positions, and the decrease D of each row's measure."""
        if not self.count:
            self.origin_R = falls_KR[
                0
            ].copy()  # decreases are stored relative to it, to reduce rounding
        self.count += len(masks_KN)
        if not len(self.replaced_M):
            return
        x_KM = masks_KN[:, self.open].astype(np.float32)  # represents integers up to 2²⁴ exactly
        falls_KR = falls_KR - self.origin_R
        self.replaced_M += x_KM.sum(0)
        self.both_MM += x_KM.T @ x_KM
        self.cross_MR += x_KM.T.astype(float) @ falls_KR
        self.falls_R += falls_KR.sum(0)

    @property
    def is_ready(self) -> bool:
        """Whether there are enough probes: three per open position, each both replaced and kept."""
        few = self.count < PROBES_PER_COLUMN * (len(self.replaced_M) + 1)
        if few or not len(self.replaced_M):
            return False
        return bool(
            (np.minimum(self.replaced_M, self.count - self.replaced_M) >= LEAST_COUNT).all()
        )

    def effects(
        self,
        masks_KN: Bool[np.ndarray, "K N"],
        falls_KR: Float[np.ndarray, "K R"],
        starts: tuple[np.ndarray, ...],
    ) -> Generator[int, None, Effects]:
        """Effects and standard errors of positions and of sums over groups; 0 where no position is
        open.

        `masks_KN` and `falls_KR` are all probes added, from which the errors are computed. Yields
        the number of probes between blocks of work. Raises NotFitted.
        """
        inverse_MM = yield from self._inverse()
        mean_M, mean_R = self.replaced_M / self.count, self.falls_R / self.count
        slope_MR = inverse_MM @ (self.cross_MR - self.count * np.outer(mean_M, mean_R))
        variance_RC = np.zeros((falls_KR.shape[1], sum(map(len, starts))))
        for part in self._blocks():
            x_BM = masks_KN[part][:, self.open] - mean_M
            d_BR = falls_KR[part] - self.origin_R - mean_R
            share_BM = x_BM @ inverse_MM
            leverage_B = (share_BM * x_BM).sum(1) + 1 / self.count
            left_BR = (d_BR - x_BM @ slope_MR) / (1 - leverage_B)[:, None]
            columns_BC = summed(_spread(share_BM, self.open), starts)
            variance_RC += (left_BR**2).T @ columns_BC**2
            yield self.count
        return summed(_spread(slope_MR.T, self.open), starts), np.sqrt(variance_RC)

    def _inverse(self) -> Generator[int, None, np.ndarray]:
        """Inverse of the centred sums of squares, a panel of columns at a time."""
        if not self.is_ready:
            raise NotFitted
        centred_MM = self.both_MM - np.outer(self.replaced_M, self.replaced_M) / self.count
        try:
            factor_MM, lower = linalg.cho_factor(centred_MM)
        except linalg.LinAlgError as error:
            raise NotFitted from error
        pivots_M = np.diagonal(factor_MM) ** 2
        if pivots_M.min() < SINGULAR * pivots_M.max():
            raise NotFitted
        identity_MM = np.eye(len(factor_MM))
        for at in range(0, len(factor_MM), PANEL):
            panel = identity_MM[:, at : at + PANEL]
            identity_MM[:, at : at + PANEL] = linalg.cho_solve((factor_MM, lower), panel)
            yield self.count
        return identity_MM

    def _blocks(self) -> Iterator[slice]:
        size, rows = self.cross_MR.shape
        length = min(ROWS_AT_ONCE, max(1, int(OPERATIONS / (2 * size**2 + 4 * size * rows + 1))))
        for at in range(0, self.count, length):
            yield slice(at, min(at + length, self.count))


def interval_factor(probes: int, fitted: int, tokens: int = 1) -> float:
    """Half-width of a 95 % interval in standard errors, simultaneous for the given number of
    tokens.

    Student's t with K − M − 1 degrees of freedom; simultaneous by Šidák's inequality, which holds
    for any correlation of the tokens' errors.
    """
    level = CONFIDENCE ** (1 / max(tokens, 1))
    return float(stats.t.ppf((1 + level) / 2, max(probes - fitted - 1, 1)))


def _spread(values_BM: np.ndarray, replaceable_N: np.ndarray) -> np.ndarray:
    """Values of the open positions, scattered to all positions, [B, N]."""
    values_BN = np.zeros((len(values_BM), len(replaceable_N)))
    values_BN[:, replaceable_N] = values_BM
    return values_BN
