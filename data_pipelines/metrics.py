"""The AUC and its interval, which audits of data and evaluations of detectors share.

Ties are handled exactly: clips of equal score change sides together, whatever their order.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Integer, Shaped

Labels = Integer[np.ndarray, " n"]  # 1 fake, 0 real
Scores = Float[np.ndarray, " n"]  # greater is more likely fake
Metric = Callable[[np.ndarray, np.ndarray], float]


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


def bootstrap_interval(
    metric: Metric,
    labels: Labels,
    scores: Scores,
    clusters: Shaped[np.ndarray, " n"],
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of a metric, resampling whole clusters with replacement.

    Clips of one identity err together; resampled one by one they would feign certainty.

    Args:
        metric: of labels and scores.
        labels, scores: of n clips.
        clusters: the source identity of each clip, of any type that sorts.
        draws: number of resamples; those in which the metric is undefined are left out.
        level: coverage of the interval.
        seed: of the resampling.

    Returns:
        Lower and upper end; nan with fewer than two clusters or where no draw was defined.
    """
    check_labelled_scores(labels, scores)
    _, cluster, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    if len(sizes) < 2:
        return np.nan, np.nan
    members = np.argsort(cluster, kind="stable")
    starts = np.cumsum(sizes) - sizes
    rng = np.random.default_rng(seed)
    values = np.empty(draws)
    for draw in range(draws):
        drawn = rng.integers(len(sizes), size=len(sizes))
        length = sizes[drawn]
        # Lists start, start + 1, ... of each drawn cluster, end to end.
        within = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
        clips = members[np.repeat(starts[drawn], length) + within]
        values[draw] = metric(labels[clips], scores[clips])
    values = values[np.isfinite(values)]
    if not len(values):
        return np.nan, np.nan
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


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
