"""How often a threshold is right, and which one is; `score >= threshold` says fake.

What is not defined is nan, and so is everything at the threshold nan.
"""

import numpy as np
from jaxtyping import Float
from scipy import special

from data_pipelines.metrics.counts import PerSample, ScoreCounts, ratio

TAIL = 30  # the highest reals, by which it is told how their numbers go on falling
_SURE = 0.95  # that they fall at least as fast as said
_STEEPEST = 10.0


def accuracy(counts: ScoreCounts, threshold: float) -> PerSample:
    """Share of right answers."""
    right_fake, right_real = _right(counts, threshold)
    return ratio(right_fake + right_real, counts.fakes + counts.reals)


def balanced_accuracy(counts: ScoreCounts, threshold: float) -> PerSample:
    """Mean of the shares of right answers among fakes and among reals."""
    right_fake, right_real = _right(counts, threshold)
    sensitivity, specificity = ratio(right_fake, counts.fakes), ratio(right_real, counts.reals)
    return np.asarray((sensitivity + specificity) / 2)


def false_positive_rate(counts: ScoreCounts, threshold: float) -> PerSample:
    """Share of reals called fake."""
    return np.asarray(1 - ratio(_right(counts, threshold)[1], counts.reals))


def true_positive_rate(counts: ScoreCounts, threshold: float) -> PerSample:
    """Share of fakes called fake."""
    return ratio(_right(counts, threshold)[0], counts.fakes)


def threshold_at_fpr(counts: ScoreCounts, fpr: float) -> float:
    """The lowest threshold that calls at most a share `fpr` of the reals fake.

    To be chosen on validation clips; what the rate is elsewhere, `false_positive_rate` says. Lies
    half way between two neighbouring scores; infinite where even the highest is one real too many,
    nan without reals.

    Args:
        counts: of one sample.
        fpr: the wanted rate.
    """
    if not counts.reals:
        return np.nan
    called = int((counts.false_positives <= fpr * counts.reals).sum()) - 1  # distinct scores above
    if not called:
        return np.inf
    return float(np.append(_between(counts), counts.scores[-1])[called - 1])


def tail_slope(reals: Float[np.ndarray, " n"]) -> float:
    """How fast the rate of reals above a score falls at least: by exp(-slope) where it rises by 1.

    What the `TAIL` highest, or the highest tenth of fewer, lie above the one before them is taken
    to be exponential. The tails of logits are lighter than that, so it errs on the safe side.

    Args:
        reals: unbounded scores such as logits; at least 10.

    Returns:
        The lower end of a one-sided 95 % interval, at most 10.

    Raises:
        ValueError: fewer than 10 reals.

    References:
        Davison and Smith, Models for exceedances over high thresholds, 1990 (of shape 0).
    """
    if len(reals) < 10:
        raise ValueError(f"tail_slope: {len(reals)} reals; it takes 10")
    above = min(TAIL, len(reals) // 10)
    start, *tail = np.sort(reals)[-above - 1 :]
    excess = float(np.sum(np.array(tail) - start))
    least = float(special.gammaincinv(above, 1 - _SURE))
    return least / max(excess, least / _STEEPEST)


def best_threshold(counts: ScoreCounts) -> float:
    """The threshold of highest balanced accuracy; to be chosen on validation clips, never on test.

    Lies half way between two neighbouring scores, or at the lowest one, where all are called fake.
    Of several equally good ones it is the lowest; nan without clips of both classes.

    Args:
        counts: of one sample.
    """
    if not counts.fakes or not counts.reals:
        return np.nan
    # Whole numbers, so that equally good thresholds are equal.
    gain = counts.true_positives * counts.reals - counts.false_positives * counts.fakes
    ascending = np.append(_between(counts), counts.scores[-1])[::-1]
    return float(ascending[np.argmax(gain[:0:-1])])


def _between(counts: ScoreCounts) -> PerSample:
    """The middles between neighbouring scores, descending."""
    upper, lower = counts.scores[:-1], counts.scores[1:]
    middle = (upper + lower) / 2
    # The middle of two neighbouring floats may round to the lower one, which would change sides.
    return np.where(middle > lower, middle, upper)


def _right(counts: ScoreCounts, threshold: float) -> tuple[PerSample, PerSample]:
    """How many fakes are called fake, and reals real."""
    if np.isnan(threshold):
        unknown = np.full(counts.fakes.shape, np.nan)
        return unknown, unknown
    called = int((counts.scores >= threshold).sum())
    right_real = counts.reals - counts.false_positives[..., called]
    return counts.true_positives[..., called], np.asarray(right_real)
