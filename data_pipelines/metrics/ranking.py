"""How well scores order fakes above reals, whatever the threshold.

What is not defined, such as any ranking of one class alone, is nan. All is O(n log n) in the clips.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from data_pipelines.metrics.counts import (
    Labels,
    PerSample,
    ScoreCounts,
    Scores,
    check_labelled_scores,
    ratio,
)


class Roc(NamedTuple):
    """The points of the ROC curve, from (0, 0) to (1, 1), one for each distinct score."""

    fpr: Float[np.ndarray, "... p"]
    tpr: Float[np.ndarray, "... p"]


class PrecisionRecall(NamedTuple):
    """The points of the precision-recall curve, one for each distinct score, recall ascending."""

    precision: Float[np.ndarray, "... u"]
    recall: Float[np.ndarray, "... u"]


class WithinPairAuc(NamedTuple):
    """AUC among clips of one original only, and the (fake, real) comparisons it is made of."""

    auc: float
    comparisons: int


def auc(counts: ScoreCounts) -> PerSample:
    """Area under the ROC curve: P(fake > real) + P(fake = real) / 2 (Mann-Whitney), 0 to 1."""
    fake_above = counts.true_positives[..., 1:] - counts.fake / 2  # half of those of equal score
    ordered = np.einsum("...u,...u->...", counts.real, fake_above)
    return ratio(ordered, counts.fakes * counts.reals)


def average_precision(counts: ScoreCounts) -> PerSample:
    """Sum of precision times gain in recall over descending distinct scores, not interpolated."""
    precision = precision_recall(counts).precision
    return ratio(np.einsum("...u,...u->...", counts.fake, precision), counts.fakes)


def precision_recall(counts: ScoreCounts) -> PrecisionRecall:
    """Share of fakes among what is called fake, and share of the fakes that is, as it grows."""
    true_positives = counts.true_positives[..., 1:]
    called = true_positives + counts.false_positives[..., 1:]
    precision = true_positives / np.maximum(called, 1)  # a draw may lack the highest scores
    return PrecisionRecall(precision, _rates(counts.true_positives)[..., 1:])


def roc(counts: ScoreCounts) -> Roc:
    """False and true positive rates over descending thresholds; nan for a class without clips."""
    return Roc(_rates(counts.false_positives), _rates(counts.true_positives))


def equal_error_rate(counts: ScoreCounts) -> PerSample:
    """The error rate where false positives and false negatives are as frequent.

    Between two points of the ROC curve it is interpolated linearly.
    """
    fpr, tpr = roc(counts)
    excess = fpr - (1 - tpr)  # rises from -1 to 1
    after = np.argmax(excess >= 0, axis=-1)[..., None]
    low, high = (np.take_along_axis(fpr, at, axis=-1) for at in (after - 1, after))
    below, above = (np.take_along_axis(excess, at, axis=-1) for at in (after - 1, after))
    return (low + -below / (above - below) * (high - low))[..., 0]


def tpr_at_fpr(counts: ScoreCounts, fpr: float) -> PerSample:
    """The best true positive rate of a threshold that raises at most `fpr` false alarms.

    A real operating point: not interpolated, so 0 where so low a rate is out of reach.
    """
    reachable = _rates(counts.false_positives) <= fpr
    last = np.maximum(reachable.sum(axis=-1) - 1, 0)[..., None]  # rates only rise
    found = np.take_along_axis(counts.true_positives, last, axis=-1)[..., 0]
    return np.where(counts.reals == 0, np.nan, ratio(found, counts.fakes))


def within_pair_auc(
    labels: Labels, scores: Scores, pairs: Shaped[np.ndarray, " n"]
) -> WithinPairAuc:
    """P(fake > real) + P(fake = real) / 2 over the fakes and reals made from the same original.

    Who speaks, and how the original was filmed, cannot help here; only the forgery differs.

    Args:
        labels, scores: of n clips.
        pairs: the original of each clip, of any type that sorts.

    Raises:
        ValueError: see `check_labelled_scores`.
    """
    check_labelled_scores(labels, scores)
    if not len(labels):
        return WithinPairAuc(np.nan, 0)
    _, pair = np.unique(pairs, return_inverse=True)
    order = np.lexsort((scores, pair))
    pair, score = pair[order], scores[order]
    first = np.append(True, pair[1:] != pair[:-1])  # of its pair
    starts = np.flatnonzero(first | np.append(True, score[1:] != score[:-1]))
    fake, real = (
        np.add.reduceat(labels[order] == label, starts, dtype=np.int64) for label in (1, 0)
    )
    pair = np.cumsum(first)[starts] - 1
    of_pair = np.bincount(pair, weights=real)
    real_below = np.cumsum(real) - real / 2 - (np.cumsum(of_pair) - of_pair)[pair]
    comparisons = int(fake @ of_pair[pair])
    won = float(fake @ real_below)
    return WithinPairAuc(won / comparisons if comparisons else np.nan, comparisons)


def _rates(positives: Float[np.ndarray, "... p"]) -> Float[np.ndarray, "... p"]:
    return ratio(positives, positives[..., -1:])
