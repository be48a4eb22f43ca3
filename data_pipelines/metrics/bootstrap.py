"""Confidence intervals of metrics, by resampling whole clusters of clips with replacement.

Clips of one identity err together; resampled one by one they would feign certainty.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from jaxtyping import Float, Integer, Shaped

from data_pipelines.metrics.counts import (
    Labels,
    PerSample,
    ScoreCounts,
    Scores,
    check_labelled_scores,
)

Metric = Callable[[ScoreCounts], PerSample]
Interval = tuple[float, float]  # lower and upper end; nan, nan where there is none
_BLOCK = 2**17  # clips drawn at a time: what a processor's cache holds


def bootstrap_intervals(
    metrics: Mapping[str, Metric],
    labels: Labels,
    scores: Scores,
    clusters: Shaped[np.ndarray, " n"],
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """Percentile intervals of several metrics over the same resamples (Efron 1979).

    The same clusters, draws and seed give the same resamples, whatever is measured of them.

    Args:
        metrics: by name, of counts that hold a sample in each row.
        labels, scores: of n clips.
        clusters: the source identity of each clip, of any type that sorts.
        draws: number of resamples; those in which a metric is undefined are left out of it.
        level: coverage of the interval.
        seed: of the resampling.

    Returns:
        An interval for each metric: nan where no draw defined it, and all nan where a class has
        clips of one cluster only: the draws would vary the other class alone.

    Raises:
        ValueError: see `check_labelled_scores`.
    """
    check_labelled_scores(labels, scores)
    _, cluster = np.unique(clusters, return_inverse=True)
    if not len(labels) or any(len(np.unique(cluster[labels == c])) == 1 for c in (0, 1)):
        return dict.fromkeys(metrics, (np.nan, np.nan))
    blocks = [
        [metric(counts) for metric in metrics.values()]
        for counts in _resampled_counts(labels, scores, cluster, draws, seed)
    ]
    values = np.concatenate(blocks, axis=1)
    return {name: _percentiles(of, level) for name, of in zip(metrics, values, strict=True)}


def _resampled_counts(
    labels: Labels, scores: Scores, cluster: Integer[np.ndarray, " n"], draws: int, seed: int
) -> Iterator[ScoreCounts]:
    """The counts of all draws, block by block; equal to those of the clips drawn, one by one."""
    distinct, ascending = np.unique(scores, return_inverse=True)
    rank = len(distinct) - 1 - ascending
    order = np.argsort(rank, kind="stable")
    starts = np.flatnonzero(np.diff(rank[order], prepend=-1))  # of each distinct score
    is_fake, cluster = labels[order] == 1, cluster[order]
    clusters, block = int(cluster.max()) + 1, max(_BLOCK // len(scores), 1)
    for times in _cluster_multiplicities(clusters, draws, block, seed):
        weights = times[:, cluster]
        total = _sum_runs(weights, starts)
        fake = _sum_runs(weights * is_fake, starts)
        yield ScoreCounts(distinct[::-1].astype(np.float64), fake, total - fake)


def _cluster_multiplicities(
    clusters: int, draws: int, block: int, seed: int
) -> Iterator[Float[np.ndarray, "d k"]]:
    """How often each cluster is in each draw; `block` draws at a time."""
    rng = np.random.default_rng(seed)
    for start in range(0, draws, block):
        here = min(block, draws - start)
        drawn = rng.integers(clusters, size=(here, clusters))
        flat = (drawn + clusters * np.arange(here)[:, None]).ravel()
        times = np.bincount(flat, minlength=here * clusters)
        yield times.reshape(here, clusters).astype(np.float64)


def _sum_runs(
    values: Float[np.ndarray, "d n"], starts: Integer[np.ndarray, " u"]
) -> Float[np.ndarray, "d u"]:
    """Sums from each start to the next one."""
    if len(starts) == values.shape[1]:
        return values  # the common case: no ties
    return np.add.reduceat(values, starts, axis=1)


def _percentiles(values: PerSample, level: float) -> Interval:
    values = values[np.isfinite(values)]
    if not len(values):
        return np.nan, np.nan
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
