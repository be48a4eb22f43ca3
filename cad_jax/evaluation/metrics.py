"""Detection metrics of scores against binary labels, in numpy and float64.

The AUC and the bootstrap are in `data_pipelines.metrics`. Ties are handled exactly: clips of equal
score change sides together, whatever their order. What is not defined, such as any ranking of one
class alone, is nan. Knows nothing of clips or tables.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from data_pipelines.metrics import Labels, Scores, auc, check_labelled_scores, counts_per_score


class Roc(NamedTuple):
    """The points of the ROC curve, from (0, 0) to (1, 1), one for each distinct score."""

    fpr: Float[np.ndarray, " p"]
    tpr: Float[np.ndarray, " p"]


class WithinPairAuc(NamedTuple):
    """AUC among clips of one original only, and the (fake, real) comparisons it is made of."""

    auc: float
    comparisons: int


def within_pair_auc(
    labels: Labels, scores: Scores, pairs: Shaped[np.ndarray, " n"]
) -> WithinPairAuc:
    """P(fake > real) + P(fake = real) / 2 over the fakes and reals made from the same original.

    Who speaks, and how the original was filmed, cannot help here; only the forgery differs.

    Args:
        labels, scores: of n clips.
        pairs: the original of each clip, of any type that sorts.
    """
    check_labelled_scores(labels, scores)
    won, comparisons = 0.0, 0
    for pair in np.unique(pairs):
        own = pairs == pair
        fake = int((labels[own] == 1).sum())
        count = fake * int(own.sum() - fake)
        if count:
            won += count * auc(labels[own], scores[own])
            comparisons += count
    return WithinPairAuc(won / comparisons if comparisons else np.nan, comparisons)


def average_precision(labels: Labels, scores: Scores) -> float:
    """Sum of precision times gain in recall over descending distinct scores, not interpolated."""
    fake, real = (counts[::-1] for counts in counts_per_score(labels, scores))
    if not fake.sum():
        return np.nan
    true_positives = np.cumsum(fake)
    precision = true_positives / (true_positives + np.cumsum(real))
    return float(fake @ precision / fake.sum())


def roc(labels: Labels, scores: Scores) -> Roc:
    """False and true positive rates over descending thresholds; nan for a class without clips."""
    fake, real = (np.append(0, counts[::-1]) for counts in counts_per_score(labels, scores))
    with np.errstate(invalid="ignore"):
        return Roc(np.cumsum(real) / real.sum(), np.cumsum(fake) / fake.sum())


def equal_error_rate(labels: Labels, scores: Scores) -> float:
    """The error rate where false positives and false negatives are as frequent.

    Between two points of the ROC curve it is interpolated linearly.
    """
    fpr, tpr = roc(labels, scores)
    excess = fpr - (1 - tpr)  # rises from -1 to 1
    if np.isnan(excess).any():
        return np.nan
    after = int(np.argmax(excess >= 0))
    before = after - 1
    step = -excess[before] / (excess[after] - excess[before])
    return float(fpr[before] + step * (fpr[after] - fpr[before]))


def tpr_at_fpr(labels: Labels, scores: Scores, fpr: float) -> float:
    """The best true positive rate of a threshold that raises at most `fpr` false alarms.

    A real operating point: not interpolated, so 0 where so low a rate is out of reach.
    """
    curve = roc(labels, scores)
    if np.isnan(curve.fpr).any() or np.isnan(curve.tpr).any():
        return np.nan
    return float(curve.tpr[curve.fpr <= fpr].max())


def accuracy(labels: Labels, scores: Scores, threshold: float) -> float:
    """Share of right answers, where `score >= threshold` says fake; nan for the threshold nan."""
    check_labelled_scores(labels, scores)
    if not len(labels) or np.isnan(threshold):
        return np.nan
    return float(np.mean((scores >= threshold) == labels))


def balanced_accuracy(labels: Labels, scores: Scores, threshold: float) -> float:
    """Mean of the shares of right answers among fakes and among reals; nan where accuracy is."""
    check_labelled_scores(labels, scores)
    if not _has_both(labels) or np.isnan(threshold):
        return np.nan
    right = (scores >= threshold) == labels
    return float((right[labels == 1].mean() + right[labels == 0].mean()) / 2)


def best_threshold(labels: Labels, scores: Scores) -> float:
    """The threshold of highest balanced accuracy; to be chosen on validation clips, never on test.

    Lies half way between two neighbouring scores, or at the lowest one, where all are called fake.
    Of several equally good ones it is the lowest.
    """
    fake, real = counts_per_score(labels, scores)
    if not fake.sum() or not real.sum():
        return np.nan
    distinct = np.unique(scores).astype(np.float64)
    middle = (distinct[:-1] + distinct[1:]) / 2
    # The middle of two neighbouring floats may round to the lower one, which would change sides.
    middle = np.where(middle > distinct[:-1], middle, distinct[1:])
    missed = (np.cumsum(fake) - fake) / fake.sum()
    rejected = (np.cumsum(real) - real) / real.sum()
    return float(np.append(distinct[0], middle)[np.argmax(rejected - missed)])


def expected_calibration_error(labels: Labels, probabilities: Scores, bins: int = 15) -> float:
    """Mean |share of fakes - mean probability| over equal-width bins (Guo et al. 2017, eq. 3).

    Bins are weighted by how many clips fall in; each holds its lower edge, the last one also 1.

    Raises:
        ValueError: a probability lies outside [0, 1].
    """
    check_labelled_scores(labels, probabilities)
    if not len(labels):
        return np.nan
    if probabilities.min() < 0 or probabilities.max() > 1:
        raise ValueError("calibration needs probabilities within [0, 1], not logits")
    index = np.minimum((probabilities * bins).astype(int), bins - 1)
    gap = np.bincount(index, weights=labels - probabilities.astype(np.float64), minlength=bins)
    return float(np.abs(gap).sum() / len(labels))


def _has_both(labels: Labels) -> bool:
    return bool((labels == 0).any() and (labels == 1).any())
