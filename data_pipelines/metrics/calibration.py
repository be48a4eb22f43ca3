"""Whether probabilities mean what they say."""

import numpy as np

from data_pipelines.metrics.counts import PerSample, ScoreCounts, ratio


def expected_calibration_error(counts: ScoreCounts, bins: int = 15) -> PerSample:
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
    probabilities = counts.scores
    if len(probabilities) and (probabilities[-1] < 0 or probabilities[0] > 1):
        raise ValueError("calibration needs probabilities within [0, 1], not logits")
    of_bin = np.minimum((probabilities * bins).astype(int), bins - 1)
    starts = np.flatnonzero(np.diff(of_bin, prepend=bins))
    gap = counts.fake - (counts.fake + counts.real) * probabilities
    gap_of_bin = np.add.reduceat(gap, starts, axis=-1)
    return ratio(np.abs(gap_of_bin).sum(axis=-1), counts.fakes + counts.reals)
