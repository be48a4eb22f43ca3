import numpy as np
import pytest

from cad_jax.evaluation import metrics
from data_pipelines.metrics import auc

LABELS = np.array([0, 0, 1, 1])
SCORES = np.array([0.1, 0.4, 0.35, 0.8])
TIED = np.array([0.5, 0.5, 0.5, 0.5])
RANKING = [
    auc,
    metrics.average_precision,
    metrics.equal_error_rate,
    metrics.best_threshold,
    lambda labels, scores: metrics.tpr_at_fpr(labels, scores, 0.1),
    lambda labels, scores: metrics.balanced_accuracy(labels, scores, 0.5),
]


def random_case(seed, n=60, levels=8):
    """Few distinct scores, so that most clips tie with some other."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    return labels, (rng.integers(0, levels, n) + labels * rng.integers(0, 3, n)) / 10.0


def thresholds_of(scores):
    return [np.inf, *sorted(set(scores), reverse=True)]


def rates(labels, scores, threshold):
    fake = scores >= threshold
    return fake[labels == 0].mean(), fake[labels == 1].mean()


def test_average_precision_by_hand():
    np.testing.assert_allclose(metrics.average_precision(LABELS, SCORES), (1 + 2 / 3) / 2)
    assert metrics.average_precision(LABELS, TIED) == 0.5


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_against_all_thresholds(seed):
    labels, scores = random_case(seed)
    recall, total = 0.0, 0.0
    for threshold in thresholds_of(scores)[1:]:
        called = scores >= threshold
        now = labels[called].sum() / labels.sum()
        total += labels[called].mean() * (now - recall)
        recall = now
    np.testing.assert_allclose(metrics.average_precision(labels, scores), total, rtol=1e-12)


def test_equal_error_rate_by_hand():
    assert metrics.equal_error_rate(LABELS, SCORES) == 0.5
    assert metrics.equal_error_rate(LABELS, np.array([0.1, 0.2, 0.3, 0.4])) == 0.0
    assert metrics.equal_error_rate(LABELS, np.array([0.4, 0.3, 0.2, 0.1])) == 1.0
    assert metrics.equal_error_rate(LABELS, TIED) == 0.5
    # ROC points (0, 1/2) and (1/3, 1): the line between them meets fpr = 1 - tpr at 1/5.
    labels = np.array([1, 0, 1, 0, 0])
    scores = np.array([0.9, 0.5, 0.5, 0.2, 0.1])
    np.testing.assert_allclose(metrics.equal_error_rate(labels, scores), 0.2)


@pytest.mark.parametrize("seed", range(5))
def test_equal_error_rate_against_a_fine_walk_along_the_curve(seed):
    labels, scores = random_case(seed)
    points = np.array([rates(labels, scores, t) for t in thresholds_of(scores)])
    walk = np.linspace(0, len(points) - 1, 200_001)
    fpr, tpr = (np.interp(walk, np.arange(len(points)), column) for column in points.T)
    best = np.argmin(np.abs(fpr - (1 - tpr)))
    np.testing.assert_allclose(metrics.equal_error_rate(labels, scores), fpr[best], atol=1e-4)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("limit", [0.01, 0.1, 0.5])
def test_tpr_at_fpr_is_the_best_reachable(seed, limit):
    labels, scores = random_case(seed)
    reachable = [rates(labels, scores, t) for t in thresholds_of(scores)]
    want = max(tpr for fpr, tpr in reachable if fpr <= limit)
    assert metrics.tpr_at_fpr(labels, scores, limit) == want


def test_accuracies_by_hand():
    labels, scores = np.array([1, 1, 1, 0]), np.array([0.9, 0.5, 0.4, 0.1])
    assert metrics.accuracy(labels, scores, 0.5) == 0.75  # 0.5 itself is called fake
    np.testing.assert_allclose(metrics.balanced_accuracy(labels, scores, 0.5), (2 / 3 + 1) / 2)


@pytest.mark.parametrize("seed", range(5))
def test_best_threshold_against_all_thresholds(seed):
    labels, scores = random_case(seed)
    threshold = metrics.best_threshold(labels, scores)
    got = metrics.balanced_accuracy(labels, scores, threshold)
    best = max(metrics.balanced_accuracy(labels, scores, t) for t in thresholds_of(scores))
    np.testing.assert_allclose(got, best, rtol=1e-12)


def test_best_threshold_by_hand():
    np.testing.assert_allclose(metrics.best_threshold(LABELS, np.array([0, 0.2, 0.6, 1])), 0.4)
    assert metrics.best_threshold(LABELS, TIED) == 0.5
    assert metrics.best_threshold(LABELS, -SCORES) == -0.8  # worse than chance: calls all fake


def test_best_threshold_between_neighbouring_floats():
    low = 0.1 + 0.2
    scores = np.array([low, np.nextafter(low, 1)])
    labels = np.array([0, 1])
    threshold = metrics.best_threshold(labels, scores)
    assert metrics.balanced_accuracy(labels, scores, threshold) == 1.0


def test_calibration_by_hand():
    """Two bins: (0.2, 0.4) with one fake, (0.9, 1.0) with two."""
    labels, p = np.array([0, 1, 1, 1]), np.array([0.2, 0.4, 0.9, 1.0])
    want = (2 * abs(0.5 - 0.3) + 2 * abs(1 - 0.95)) / 4
    np.testing.assert_allclose(metrics.expected_calibration_error(labels, p, bins=2), want)
    with pytest.raises(ValueError, match="not logits"):
        metrics.expected_calibration_error(labels, 5 * p)


@pytest.mark.parametrize("metric", RANKING)
@pytest.mark.parametrize("labels", [[0, 0, 0], []])
def test_one_class_or_none_is_nan(metric, labels):
    labels = np.array(labels, int)
    assert np.isnan(metric(labels, np.linspace(0, 1, len(labels))))


def test_unknown_labels_and_missing_scores_are_refused():
    with pytest.raises(ValueError, match="unknown label"):
        metrics.average_precision(np.array([0, 1, -1]), np.array([0.1, 0.2, 0.3]))
    with pytest.raises(ValueError, match="without a score"):
        metrics.average_precision(np.array([0, 1]), np.array([0.1, np.nan]))


def test_within_pair_auc_compares_clips_of_one_original_only():
    labels = np.array([1, 0, 1, 1, 0, 0, 1])
    scores = np.array([0.2, 0.1, 0.1, 0.6, 0.7, 0.7, 0.9])
    pairs = np.array(["a", "a", "a", "b", "b", "b", "c"])
    result = metrics.within_pair_auc(labels, scores, pairs)
    # a: 0.2 > 0.1, 0.1 = 0.1; b: twice 0.6 < 0.7; c has no real clip.
    assert result == (pytest.approx((1 + 0.5 + 0 + 0) / 4), 4)
    alone = metrics.within_pair_auc(labels[:1], scores[:1], pairs[:1])
    assert (np.isnan(alone.auc), alone.comparisons) == (True, 0)
    with pytest.raises(ValueError, match="labels 0 or 1"):
        metrics.within_pair_auc(labels - 1, scores, pairs)
