import time

import numpy as np
import pytest

from data_pipelines.metrics import auc, bootstrap_interval, counts_per_score

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


def test_bootstrap_counts_clusters_not_clips():
    """Each identity ten times over: ten times the clips, and no more certainty."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 80)
    scores = labels + 1.5 * rng.standard_normal(80)
    ten = [np.repeat(x, 10) for x in (labels, scores, np.arange(80))]
    once = bootstrap_interval(auc, labels, scores, np.arange(80))
    clustered = bootstrap_interval(auc, *ten)
    naive = bootstrap_interval(auc, *ten[:2], np.arange(800))
    np.testing.assert_allclose(once, clustered, atol=1e-12)
    assert naive[1] - naive[0] < 0.5 * (once[1] - once[0])
    assert once[0] < auc(labels, scores) < once[1]


def test_bootstrap_covers_the_truth():
    """Normal scores one standard deviation apart: AUC = Phi(1 / sqrt 2) = 0.760."""
    hits = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        labels = np.repeat([0, 1], 40)
        scores = labels + rng.standard_normal(80)
        low, high = bootstrap_interval(auc, labels, scores, np.arange(80), draws=200)
        hits += low <= 0.7602 <= high
    assert hits >= 52  # 95 % of 60 is 57


def test_bootstrap_without_enough_to_resample_is_nan():
    one_identity = bootstrap_interval(auc, LABELS, SCORES, np.zeros(4))
    one_class = bootstrap_interval(auc, 0 * LABELS, SCORES, np.arange(4))
    assert np.isnan([*one_identity, *one_class]).all()


def test_bootstrap_of_5000_clips_takes_seconds():
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 5000), rng.random(5000)
    names = np.array([f"identity {i}" for i in rng.integers(0, 700, 5000)])
    start = time.process_time()
    bootstrap_interval(auc, labels, scores, names, draws=1000)
    assert time.process_time() - start < 10
