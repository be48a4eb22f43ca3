"""Confidence intervals of metrics, by resampling whole clusters of clips with replacement.

Clips of one identity err together; resampled one by one they would feign certainty. The draws are
made once, so that whatever is measured on them, of any head, group or system, is paired.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from jaxtyping import Bool, Float, Integer, Shaped, UInt16

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


@dataclasses.dataclass(frozen=True)
class Resamples:
    """Draws of k clusters with replacement.

    Attributes:
        times: [d k] how often each cluster is in each draw.
        cluster: [n] the cluster of each clip, by its place in `times`.
    """

    times: UInt16[np.ndarray, "d k"]
    cluster: Integer[np.ndarray, " n"]

    def of(self, rows: Bool[np.ndarray, " n"] | Integer[np.ndarray, " m"]) -> "Resamples":
        """The same draws, of some of the clips."""
        return dataclasses.replace(self, cluster=self.cluster[rows])


def draw_clusters(
    clusters: Shaped[np.ndarray, " n"], draws: int = 1000, seed: int = 0
) -> Resamples:
    """Draws as many clusters as there are, `draws` times.

    Args:
        clusters: the source identity of each clip, of any type that sorts.
        draws: number of resamples.
        seed: the same clusters, draws and seed give the same resamples.
    """
    names, cluster = np.unique(clusters, return_inverse=True)
    times = np.zeros((draws, len(names)), np.uint16)
    block, rng = max(_BLOCK // max(len(names), 1), 1), np.random.default_rng(seed)
    for start in range(0, draws if len(names) else 0, block):
        here = times[start : start + block]
        drawn = rng.integers(len(names), size=here.shape)
        flat = (drawn + len(names) * np.arange(len(here))[:, None]).ravel()
        here[:] = np.bincount(flat, minlength=here.size).reshape(here.shape)
    return Resamples(times, cluster)


def bootstrap_values(
    metrics: Mapping[str, Metric], labels: Labels, scores: Scores, resamples: Resamples
) -> dict[str, PerSample]:
    """Each metric on every draw (Efron 1979).

    Args:
        metrics: by name, of counts that hold a sample in each row.
        labels, scores: of n clips.
        resamples: of these n clips.

    Returns:
        [d] values of each metric: nan on draws that do not define it, and on all where a class has
        clips of one cluster only: the draws would vary the other class alone.

    Raises:
        ValueError: see `check_labelled_scores`.
    """
    check_labelled_scores(labels, scores)
    cluster = resamples.cluster
    if not len(labels) or any(len(np.unique(cluster[labels == c])) == 1 for c in (0, 1)):
        return {name: np.full(len(resamples.times), np.nan) for name in metrics}
    blocks = [
        [metric(counts) for metric in metrics.values()]
        for counts in _resampled_counts(labels, scores, resamples)
    ]
    return dict(zip(metrics, np.concatenate(blocks, axis=1), strict=True))


def bootstrap_intervals(
    metrics: Mapping[str, Metric],
    labels: Labels,
    scores: Scores,
    resamples: Resamples,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Percentile intervals of `bootstrap_values`; nan where no draw defines a metric."""
    values = bootstrap_values(metrics, labels, scores, resamples)
    return {name: percentile_interval(of, level) for name, of in values.items()}


def percentile_interval(values: PerSample, level: float = 0.95) -> Interval:
    """The central share `level` of a metric's values on the draws; those that are nan do not count.

    Args:
        values: [d], of one metric or of the paired difference of two systems.
        level: coverage of the interval.
    """
    values = values[np.isfinite(values)]
    if not len(values):
        return np.nan, np.nan
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bootstrap_p(differences: PerSample) -> float:
    """Two-sided p of a paired difference: the level at which its interval begins to exclude 0.

    Never below 2 / (d + 1): so many draws can say no more. nan where no draw defines it.

    Args:
        differences: [d], on the same draws.

    References:
        Davison and Hinkley, Bootstrap methods and their application, 1997, section 4.4.
    """
    differences = differences[np.isfinite(differences)]
    if not len(differences):
        return np.nan
    tail = 1 + min((differences <= 0).sum(), (differences >= 0).sum())
    return float(min(2 * tail / (len(differences) + 1), 1.0))


def _resampled_counts(
    labels: Labels, scores: Scores, resamples: Resamples
) -> Iterator[ScoreCounts]:
    """The counts of all draws, block by block; equal to those of the clips drawn, one by one."""
    distinct, ascending = np.unique(scores, return_inverse=True)
    rank = len(distinct) - 1 - ascending
    order = np.argsort(rank, kind="stable")
    starts = np.flatnonzero(np.diff(rank[order], prepend=-1))  # of each distinct score
    is_fake, cluster = labels[order] == 1, resamples.cluster[order]
    block = max(_BLOCK // len(scores), 1)
    for start in range(0, len(resamples.times), block):
        weights = resamples.times[start : start + block, cluster].astype(np.float64)
        total = _sum_runs(weights, starts)
        fake = _sum_runs(weights * is_fake, starts)
        yield ScoreCounts(distinct[::-1].astype(np.float64), fake, total - fake)


def _sum_runs(
    values: Float[np.ndarray, "d n"], starts: Integer[np.ndarray, " u"]
) -> Float[np.ndarray, "d u"]:
    """Sums from each start to the next one."""
    if len(starts) == values.shape[1]:
        return values  # the common case: no ties
    return np.add.reduceat(values, starts, axis=1)
