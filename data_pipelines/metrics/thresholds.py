"""How often a threshold is right, and which one is; `score >= threshold` says fake.

What is not defined is nan, and so is everything at the threshold nan.
"""

import numpy as np

from data_pipelines.metrics.counts import PerSample, ScoreCounts, ratio


def accuracy(counts: ScoreCounts, threshold: float) -> PerSample:
    """Share of right answers."""
    right_fake, right_real = _right(counts, threshold)
    return ratio(right_fake + right_real, counts.fakes + counts.reals)


def balanced_accuracy(counts: ScoreCounts, threshold: float) -> PerSample:
    """Mean of the shares of right answers among fakes and among reals."""
    right_fake, right_real = _right(counts, threshold)
    sensitivity, specificity = ratio(right_fake, counts.fakes), ratio(right_real, counts.reals)
    return np.asarray((sensitivity + specificity) / 2)


def best_threshold(counts: ScoreCounts) -> float:
    """The threshold of highest balanced accuracy; to be chosen on validation clips, never on test.

    Lies half way between two neighbouring scores, or at the lowest one, where all are called fake.
    Of several equally good ones it is the lowest; nan without clips of both classes.

    Args:
        counts: of one sample.
    """
    if not counts.fakes or not counts.reals:
        return np.nan
    upper, lower = counts.scores[:-1], counts.scores[1:]
    middle = (upper + lower) / 2
    # The middle of two neighbouring floats may round to the lower one, which would change sides.
    middle = np.where(middle > lower, middle, upper)
    # Whole numbers, so that equally good thresholds are equal.
    gain = counts.true_positives * counts.reals - counts.false_positives * counts.fakes
    ascending = np.append(middle, counts.scores[-1])[::-1]
    return float(ascending[np.argmax(gain[:0:-1])])


def _right(counts: ScoreCounts, threshold: float) -> tuple[PerSample, PerSample]:
    """How many fakes are called fake, and reals real."""
    if np.isnan(threshold):
        unknown = np.full(counts.fakes.shape, np.nan)
        return unknown, unknown
    called = int((counts.scores >= threshold).sum())
    right_real = counts.reals - counts.false_positives[..., called]
    return counts.true_positives[..., called], np.asarray(right_real)
