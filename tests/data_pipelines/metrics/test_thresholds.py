import numpy as np
import pytest

from data_pipelines.metrics import thresholds
from data_pipelines.metrics.counts import ScoreCounts, count_scores
from data_pipelines.metrics.thresholds import (
    accuracy,
    balanced_accuracy,
    best_threshold,
    tail_slope,
)

LABELS = np.array([0, 0, 1, 1])


def test_accuracies_by_hand():
    counts = count_scores(np.array([1, 1, 1, 0]), np.array([0.9, 0.5, 0.4, 0.1]))
    assert accuracy(counts, 0.5) == 0.75  # 0.5 itself is called fake
    np.testing.assert_allclose(balanced_accuracy(counts, 0.5), (2 / 3 + 1) / 2)
    assert (accuracy(counts, 2.0), accuracy(counts, -1.0)) == (0.25, 0.75)


@pytest.mark.parametrize("metric", [accuracy, balanced_accuracy])
def test_accuracies_of_many_samples_are_each_by_itself(metric):
    fake, real = np.random.default_rng(0).integers(0, 4, (2, 6, 9)).astype(np.float64)
    scores = np.linspace(0.9, 0.1, 9)
    want = [metric(ScoreCounts(scores, f, r), 0.35) for f, r in zip(fake, real, strict=True)]
    many = ScoreCounts(scores, fake, real)
    np.testing.assert_array_equal(metric(many, 0.35), want)
    assert np.isnan(metric(many, np.nan)).tolist() == [True] * 6


def test_one_class_has_an_accuracy_but_no_balanced_one():
    reals = count_scores(np.array([0, 0]), np.array([0.1, 0.7]))
    assert accuracy(reals, 0.5) == 0.5
    assert np.isnan(balanced_accuracy(reals, 0.5))
    assert np.isnan(best_threshold(reals))


def test_no_clips_have_none():
    nothing = count_scores(np.zeros(0, int), np.zeros(0))
    assert np.isnan([accuracy(nothing, 0.5), balanced_accuracy(nothing, 0.5)]).all()
    assert np.isnan(best_threshold(nothing))


@pytest.mark.parametrize("seed", range(5))
def test_best_threshold_against_all_thresholds(tied, seed):
    labels, scores = tied(seed)
    counts = count_scores(labels, scores)
    got = balanced_accuracy(counts, best_threshold(counts))
    best = max(balanced_accuracy(counts, t) for t in [np.inf, *scores])
    np.testing.assert_allclose(got, best, rtol=1e-12)


def test_best_threshold_by_hand():
    def best(*scores):
        return best_threshold(count_scores(LABELS, np.array(scores)))

    np.testing.assert_allclose(best(0.0, 0.2, 0.6, 1.0), 0.4)
    assert best(0.5, 0.5, 0.5, 0.5) == 0.5
    assert best(-0.1, -0.4, -0.35, -0.8) == -0.8  # worse than chance: calls all fake


def test_the_lowest_of_equally_good_thresholds_is_taken():
    """Of a third of the fakes found at no false alarm, and all found at two thirds: the latter."""
    counts = count_scores(np.array([1, 0, 0, 1, 1, 0]), np.array([0.6, 0.5, 0.4, 0.3, 0.2, 0.1]))
    np.testing.assert_allclose(best_threshold(counts), 0.15)


def test_best_threshold_between_neighbouring_floats():
    low = 0.1 + 0.2
    counts = count_scores(np.array([0, 1]), np.array([low, np.nextafter(low, 1)]))
    assert balanced_accuracy(counts, best_threshold(counts)) == 1.0


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("fpr", [0.0, 0.05, 0.2, 1.0])
def test_a_threshold_for_a_rate_is_the_lowest_that_keeps_it(tied, seed, fpr):
    labels, scores = tied(seed)
    threshold = thresholds.threshold_at_fpr(count_scores(labels, scores), fpr)
    real = scores[labels == 0]
    assert (real >= threshold).mean() <= fpr
    lower = scores[scores < threshold]
    assert not len(lower) or (real >= lower.max()).mean() > fpr


def test_a_rate_may_be_out_of_reach():
    counts = count_scores(np.array([1, 0, 0]), np.array([0.2, 0.9, 0.1]))
    assert thresholds.threshold_at_fpr(counts, 0.1) == np.inf
    assert thresholds.true_positive_rate(counts, np.inf) == 0
    assert thresholds.threshold_at_fpr(counts, 0.5) == (0.1 + 0.2) / 2
    no_reals = count_scores(np.array([1, 1]), np.array([0.2, 0.9]))
    assert np.isnan(thresholds.threshold_at_fpr(no_reals, 0.1))
    assert np.isnan(thresholds.false_positive_rate(no_reals, 0.5))


@pytest.mark.parametrize("count", [100, 5000])
def test_an_exponential_tail_falls_as_said_or_faster_19_times_of_20(count):
    rng = np.random.default_rng(0)
    slopes = [tail_slope(rng.exponential(1 / 1.5, count)) for _ in range(400)]
    assert np.mean(np.array(slopes) <= 1.5) == pytest.approx(0.95, abs=0.03)
    assert np.median(slopes) > (1.0 if count > 1000 else 0.7)  # safe, not useless


def test_a_gaussian_tail_falls_faster_than_said():
    rng = np.random.default_rng(1)
    start, slopes = 2.3263, [tail_slope(rng.normal(size=3000)) for _ in range(50)]
    rarer = np.exp(-np.array(slopes) * (4.2649 - start)) / 100  # where 1 and 0.001 % lie above
    assert np.mean(rarer > 1e-5) == 1


def test_tails_without_length_are_finite_and_too_few_reals_have_none():
    assert tail_slope(np.full(50, 3.0)) == 10.0
    with pytest.raises(ValueError, match="9 reals"):
        tail_slope(np.zeros(9))
