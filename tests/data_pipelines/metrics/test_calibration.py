import numpy as np
import pytest

from data_pipelines.metrics.calibration import calibration_bins, expected_calibration_error
from data_pipelines.metrics.counts import ScoreCounts, count_scores


def test_calibration_by_hand():
    """Two bins: (0.2, 0.4) with one fake, (0.9, 1.0) with two."""
    labels, p = np.array([0, 1, 1, 1]), np.array([0.2, 0.4, 0.9, 1.0])
    want = (2 * abs(0.5 - 0.3) + 2 * abs(1 - 0.95)) / 4
    np.testing.assert_allclose(expected_calibration_error(count_scores(labels, p), bins=2), want)


@pytest.mark.parametrize("seed", range(5))
def test_calibration_is_the_weighted_gap_of_each_bin(seed):
    rng = np.random.default_rng(seed)
    labels, p = rng.integers(0, 2, 200), rng.integers(0, 31, 200) / 30
    bins = np.minimum((p * 15).astype(int), 14)
    gaps = [abs(labels[bins == b].mean() - p[bins == b].mean()) for b in np.unique(bins)]
    want = np.average(gaps, weights=[(bins == b).sum() for b in np.unique(bins)])
    got = expected_calibration_error(count_scores(labels, p))
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_many_samples_at_once_are_each_by_itself():
    p, fake, real = np.array([0.9, 0.2]), np.array([[1.0, 0], [0, 0]]), np.array([[0, 1.0], [0, 0]])
    got = expected_calibration_error(ScoreCounts(p, fake, real))
    np.testing.assert_allclose(got, [(0.1 + 0.2) / 2, np.nan])


def test_logits_are_refused_and_no_clips_are_nan():
    with pytest.raises(ValueError, match="not logits"):
        expected_calibration_error(count_scores(np.array([0, 1]), np.array([0.5, 2.0])))
    with pytest.raises(ValueError, match="not logits"):
        expected_calibration_error(count_scores(np.array([0, 1]), np.array([-0.5, 0.5])))
    assert np.isnan(expected_calibration_error(count_scores(np.zeros(0, int), np.zeros(0))))


def test_bins_by_hand():
    labels, p = np.array([0, 1, 1, 1]), np.array([0.2, 0.4, 0.9, 1.0])
    found = calibration_bins(count_scores(labels, p), bins=4)  # none within 0.5 to 0.75
    np.testing.assert_allclose(found.clips, [2, 1, 1])
    np.testing.assert_allclose(found.fakes, [2, 1, 0])
    np.testing.assert_allclose(found.expected, [1.9, 0.4, 0.2])
