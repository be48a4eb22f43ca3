"""How rare a score is among genuine windows, and what is left of that among many windows.

Validation says at which scores 1, 5 and 10 % of genuine windows are reached. A file has many
windows, and the highest of n is high for no other reason than that there are n: if one genuine
window reaches a score at rate r, some of n independent ones do at rate 1 - (1 - r)^n (Sidak).
Overlapping windows of one person are alike, so the true rate is lower: the error is on the safe
side. To let the highest of n speak at 1 %, r must be about 0.01 / n, far below what a few hundred
validation clips can measure. There the tail goes on as its highest genuine clips say that it falls
at least (`metrics.thresholds.tail_slope`). That is an assumption: what hangs on it by more than one
power of ten is never called sure, see `Rarity.measured`.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from data_pipelines.metrics.recalibration import logits

REACH = 10.0

Values = Float[np.ndarray, " n"]


@dataclasses.dataclass(frozen=True)
class Rarity:
    """Scores and the rates at which genuine windows reach them.

    Between the measured points the rate's logarithm is linear in the logit; beyond the lowest rate
    it falls by `slope` where the logit rises by 1. Scores below all of them, of which nothing
    hangs, are on the straight line to rate 1 at score 0.

    Attributes:
        thresholds: (rate, score) as validation measured them, at least one; rates rise, scores do
            not.
        slope: above 0.
    """

    thresholds: Sequence[tuple[float, float]]
    slope: float

    @property
    def least(self) -> float:
        """The lowest rate that was measured."""
        return self.thresholds[0][0]

    def rate(self, scores: Values) -> Values:
        """At which rate genuine windows reach scores."""
        log_rates, points = self._points()
        values = logits(scores)
        inside = np.clip(values, points[-1], points[0])
        high = np.exp(
            np.interp(inside, points[::-1], log_rates[::-1]) - self.slope * (values - inside)
        )
        most, lowest = self.thresholds[-1]
        return np.where(scores < lowest, 1 - (1 - most) * scores / lowest, high)

    def score(self, rates: Values) -> Values:
        """Which scores genuine windows reach at rates; the inverse of `rate`."""
        log_rates, points = self._points()
        values = np.log(rates)
        inside = np.clip(values, log_rates[0], log_rates[-1])
        high = expit(np.interp(inside, log_rates, points) - (values - inside) / self.slope)
        most, lowest = self.thresholds[-1]
        return np.where(rates > most, lowest * (1 - rates) / (1 - most), high)

    def among(self, scores: Values, count: int) -> Values:
        """Scores of a single window that would be as rare as the highest of `count` being these."""
        rates = np.minimum(self.rate(scores), 1 - 1e-12)  # whose logarithm is finite
        return self.score(-np.expm1(count * np.log1p(-rates)))

    def measured(self, rate: float) -> bool:
        """Whether a rate is one that validation measured, or at most `REACH` times lower."""
        return rate >= self.least / REACH * (1 - 1e-9)

    def _points(self) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
        rates, scores = np.array(self.thresholds).T
        return np.log(rates), logits(scores)


def shared(rates: Values, count: int) -> Values:
    """Rates for each of `count` tests, any of which then speaks at the rates given (Sidak)."""
    return -np.expm1(np.log1p(-rates) / count)
