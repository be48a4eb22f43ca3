"""Counts of fakes and reals at each distinct score: all that a metric has to know of scored clips.

Clips of equal score are one entry, so metrics handle ties exactly. Counts of many resamples stand
in one array, and every metric takes such arrays whole.
"""

import dataclasses
import functools

import numpy as np
from jaxtyping import Float, Integer

Labels = Integer[np.ndarray, " n"]  # 1 fake, 0 real
Scores = Float[np.ndarray, " n"]  # greater is more likely fake
PerSample = Float[np.ndarray, "..."]  # one value each; without axes for a single sample


@dataclasses.dataclass(frozen=True)
class ScoreCounts:
    """Clips at each of u distinct scores, of one sample or of several.

    Attributes:
        scores: [u] descending.
        fake, real: [... u] how many clips of either class have that score; leading axes count
            samples.
    """

    scores: Float[np.ndarray, " u"]
    fake: Float[np.ndarray, "*samples u"]
    real: Float[np.ndarray, "*samples u"]

    @functools.cached_property
    def true_positives(self) -> Float[np.ndarray, "*samples p"]:
        """Fakes called fake as a threshold falls past each score: p = u + 1, from none to all."""
        return _running_total(self.fake)

    @functools.cached_property
    def false_positives(self) -> Float[np.ndarray, "*samples p"]:
        """Reals called fake, like `true_positives`."""
        return _running_total(self.real)

    @property
    def fakes(self) -> PerSample:
        """All fakes of each sample."""
        return self.true_positives[..., -1]

    @property
    def reals(self) -> PerSample:
        """All reals of each sample."""
        return self.false_positives[..., -1]


def count_scores(labels: Labels, scores: Scores) -> ScoreCounts:
    """The counts of one sample: `fake` and `real` are [u].

    Raises:
        ValueError: see `check_labelled_scores`.
    """
    check_labelled_scores(labels, scores)
    distinct, index = np.unique(scores, return_inverse=True)
    fake = np.bincount(index[labels == 1], minlength=len(distinct)).astype(np.float64)
    real = np.bincount(index[labels == 0], minlength=len(distinct)).astype(np.float64)
    return ScoreCounts(distinct[::-1].astype(np.float64), fake[::-1], real[::-1])


def check_labelled_scores(labels: Labels, scores: Scores) -> None:
    """Refuses what has no place in a ranking.

    Raises:
        ValueError: a label other than 0 and 1, or a score that is not finite.
    """
    if not ((labels == 0) | (labels == 1)).all():
        raise ValueError("metrics need labels 0 or 1: leave clips of unknown label out first")
    if not np.isfinite(scores).all():
        raise ValueError("metrics need finite scores: leave clips without a score out first")


def ratio(part: PerSample | np.float64, whole: PerSample | np.float64) -> PerSample:
    """part / whole, which broadcasts to it; nan where there is no whole."""
    return np.asarray(part / np.where(whole == 0, np.nan, whole))


def _running_total(counts: Float[np.ndarray, "*samples u"]) -> Float[np.ndarray, "*samples p"]:
    total = np.zeros((*counts.shape[:-1], counts.shape[-1] + 1))
    np.cumsum(counts, axis=-1, out=total[..., 1:])
    return total
