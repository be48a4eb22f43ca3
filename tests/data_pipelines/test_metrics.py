import numpy as np
import pytest

from data_pipelines.metrics import auc, counts_per_score

LABELS = np.array([0, 0, 1, 1])
SCORES = np.array([0.1, 0.4, 0.35, 0.8])


def test_auc_by_hand():
    assert auc(LABELS, SCORES) == 0.75
    assert auc(LABELS, -SCORES) == 0.25
    assert auc(LABELS, np.full(4, 0.5)) == 0.5


@pytest.mark.parametrize("seed", range(5))
def test_auc_is_the_share_of_ordered_pairs(seed):
    """Few distinct scores, so that most clips tie with some other."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, 60)
    scores = (rng.integers(0, 8, 60) + labels * rng.integers(0, 3, 60)) / 10.0
    fake, real = scores[labels == 1][:, None], scores[labels == 0][None, :]
    want = np.mean((fake > real) + 0.5 * (fake == real))
    np.testing.assert_allclose(auc(labels, scores), want, rtol=1e-12)


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1], []])
def test_one_class_or_none_is_nan(labels):
    assert np.isnan(auc(np.array(labels, int), np.linspace(0, 1, len(labels))))


def test_clips_are_counted_at_each_distinct_score():
    fake, real = counts_per_score(np.array([1, 0, 1, 0]), np.array([0.2, 0.2, 0.1, 0.3]))
    np.testing.assert_array_equal(fake, [1, 1, 0])
    np.testing.assert_array_equal(real, [0, 1, 1])


def test_unknown_labels_and_missing_scores_are_refused():
    with pytest.raises(ValueError, match="unknown label"):
        auc(np.array([0, 1, -1]), np.array([0.1, 0.2, 0.3]))
    with pytest.raises(ValueError, match="without a score"):
        auc(np.array([0, 1]), np.array([0.1, np.nan]))
