import numpy as np
import pytest

from data_pipelines.metrics.counts import ScoreCounts, count_scores, ratio


def test_clips_are_counted_at_each_distinct_score():
    counts = count_scores(np.array([1, 0, 1, 0]), np.array([0.2, 0.2, 0.1, 0.3]))
    np.testing.assert_array_equal(counts.scores, [0.3, 0.2, 0.1])
    np.testing.assert_array_equal(counts.fake, [0, 1, 1])
    np.testing.assert_array_equal(counts.real, [1, 1, 0])
    np.testing.assert_array_equal(counts.true_positives, [0, 0, 1, 2])
    np.testing.assert_array_equal(counts.false_positives, [0, 1, 2, 2])
    assert (counts.fakes, counts.reals) == (2, 2)


def test_each_row_of_samples_has_its_own_totals():
    counts = ScoreCounts(np.array([0.9, 0.1]), np.array([[1.0, 2], [0, 0]]), np.ones((2, 2)))
    np.testing.assert_array_equal(counts.fakes, [3, 0])
    np.testing.assert_array_equal(counts.reals, [2, 2])


def test_no_clips_are_counts_too():
    counts = count_scores(np.zeros(0, int), np.zeros(0))
    assert (len(counts.scores), counts.fakes, counts.reals) == (0, 0, 0)


def test_a_ratio_to_nothing_is_nan():
    np.testing.assert_array_equal(ratio(np.array([1.0, 0]), np.array([2.0, 0])), [0.5, np.nan])


def test_unknown_labels_and_missing_scores_are_refused():
    with pytest.raises(ValueError, match="unknown label"):
        count_scores(np.array([0, 1, -1]), np.array([0.1, 0.2, 0.3]))
    with pytest.raises(ValueError, match="without a score"):
        count_scores(np.array([0, 1]), np.array([0.1, np.nan]))
