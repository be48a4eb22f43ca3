"""What scikit-learn measures, too, is the same to 1e-12: random, tied and constant scores."""

import numpy as np
import pytest
from sklearn import metrics
from sklearn.isotonic import IsotonicRegression

from data_pipelines.metrics import ranking, thresholds
from data_pipelines.metrics.counts import count_scores
from data_pipelines.metrics.recalibration import fit_isotonic

SCORES = {
    "random": lambda rng, labels: rng.random(len(labels)),
    "informed": lambda rng, labels: (labels + rng.random(len(labels))) / 2,
    "tied": lambda rng, labels: rng.integers(0, 6, len(labels)) / 5,
    "constant": lambda rng, labels: np.full(len(labels), 0.3),
}


@pytest.fixture(params=[(kind, seed) for kind in SCORES for seed in range(3)], ids=str)
def case(request):
    kind, seed = request.param
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, 150)
    return labels, SCORES[kind](rng, labels)


def same(got, want):
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-12)


def test_ranking(case):
    labels, scores = case
    counts = count_scores(labels, scores)
    same(ranking.auc(counts), metrics.roc_auc_score(labels, scores))
    same(ranking.average_precision(counts), metrics.average_precision_score(labels, scores))
    fpr, tpr, _ = metrics.roc_curve(labels, scores, drop_intermediate=False)
    same(ranking.roc(counts), (fpr, tpr))
    precision, recall, _ = metrics.precision_recall_curve(labels, scores)
    same(ranking.precision_recall(counts), (precision[-2::-1], recall[-2::-1]))
    same(ranking.tpr_at_fpr(counts, 0.1), tpr[fpr <= 0.1].max())


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.6, np.inf])
def test_answers_at_a_threshold(case, threshold):
    labels, scores = case
    counts, called = count_scores(labels, scores), scores >= threshold
    same(thresholds.accuracy(counts, threshold), metrics.accuracy_score(labels, called))
    balanced = metrics.balanced_accuracy_score(labels, called)
    same(thresholds.balanced_accuracy(counts, threshold), balanced)
    same(thresholds.true_positive_rate(counts, threshold), metrics.recall_score(labels, called))
    specificity = metrics.recall_score(labels, called, pos_label=0)
    same(thresholds.false_positive_rate(counts, threshold), 1 - specificity)


def test_isotonic_calibration(case):
    labels, scores = case
    theirs = IsotonicRegression(out_of_bounds="clip").fit(scores, labels)
    new = np.random.default_rng(9).random(200)
    same(fit_isotonic(labels, scores).apply(new), theirs.predict(new))
