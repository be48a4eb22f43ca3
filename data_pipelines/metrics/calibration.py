"""Whether probabilities mean what they say."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from data_pipelines.metrics.counts import PerSample, ScoreCounts, ratio

BINS = 15


class CalibrationBins(NamedTuple):
    """The b bins of equal width that hold clips, descending.

    Attributes:
        clips: how many each holds.
        fakes: of them.
        expected: fakes that the probabilities promise, their sum.
    """

    clips: Float[np.ndarray, "... b"]
    fakes: Float[np.ndarray, "... b"]
    expected: Float[np.ndarray, "... b"]


def expected_calibration_error(counts: ScoreCounts, bins: int = BINS) -> PerSample:
    """Mean |share of fakes - mean probability| over equal-width bins; nan without clips.

    Bins are weighted by how many clips fall in; each holds its lower edge, the last one also 1.

    Args:
        counts: of scores that are probabilities of being fake.
        bins: their number.

    Raises:
        ValueError: a probability lies outside [0, 1].

    References:
        Guo et al., On calibration of modern neural networks, 2017, eq. 3.
    """
    found = calibration_bins(counts, bins)
    gap = np.abs(found.fakes - found.expected).sum(axis=-1)
    return ratio(gap, counts.fakes + counts.reals)


def calibration_bins(counts: ScoreCounts, bins: int = BINS) -> CalibrationBins:
    """What a reliability diagram draws: each bin holds its lower edge, the last one also 1.

    Raises:
        ValueError: a probability lies outside [0, 1].
    """
    probabilities = counts.scores
    if len(probabilities) and (probabilities[-1] < 0 or probabilities[0] > 1):
        raise ValueError("calibration needs probabilities within [0, 1], not logits")
    of_bin = np.minimum((probabilities * bins).astype(int), bins - 1)
    starts = np.flatnonzero(np.diff(of_bin, prepend=bins))
    clips = counts.fake + counts.real
    sums = (
        np.add.reduceat(x, starts, axis=-1) for x in (clips, counts.fake, clips * probabilities)
    )
    return CalibrationBins(*sums)
