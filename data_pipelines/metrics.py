"""The area under the ROC curve, which audits of data and evaluations of detectors share.

Ties are handled exactly: clips of equal score change sides together, whatever their order.
"""

import numpy as np
from jaxtyping import Float, Integer

Labels = Integer[np.ndarray, " n"]  # 1 fake, 0 real
Scores = Float[np.ndarray, " n"]  # greater is more likely fake


def auc(labels: Labels, scores: Scores) -> float:
    """Area under the ROC curve: P(fake > real) + P(fake = real) / 2 (Mann-Whitney), O(n log n).

    Returns:
        0 to 1; nan where a class is empty.

    Raises:
        ValueError: see `check_labelled_scores`.
    """
    fake, real = counts_per_score(labels, scores)
    pairs = fake.sum() * real.sum()
    if not pairs:
        return np.nan
    real_below = np.cumsum(real) - real
    return float(fake @ (real_below + real / 2) / pairs)


def counts_per_score(
    labels: Labels, scores: Scores
) -> tuple[Float[np.ndarray, " u"], Float[np.ndarray, " u"]]:
    """How many fakes and reals have each distinct score, ascending.

    Raises:
        ValueError: see `check_labelled_scores`.
    """
    check_labelled_scores(labels, scores)
    distinct, index = np.unique(scores, return_inverse=True)
    fake = np.bincount(index[labels == 1], minlength=len(distinct)).astype(np.float64)
    real = np.bincount(index[labels == 0], minlength=len(distinct)).astype(np.float64)
    return fake, real


def check_labelled_scores(labels: Labels, scores: Scores) -> None:
    """Refuses what has no place in a ranking.

    Raises:
        ValueError: a label other than 0 and 1, or a score that is not finite.
    """
    if not ((labels == 0) | (labels == 1)).all():
        raise ValueError("metrics need labels 0 or 1: leave clips of unknown label out first")
    if not np.isfinite(scores).all():
        raise ValueError("metrics need finite scores: leave clips without a score out first")
