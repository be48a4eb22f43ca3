import numpy as np
import pytest

from data_pipelines.metrics import ranking
from data_pipelines.metrics.counts import ScoreCounts, count_scores

LABELS = np.array([0, 0, 1, 1])
ASCENDING = np.array([0.1, 0.2, 0.3, 0.4])
COUNTS = count_scores(LABELS, np.array([0.1, 0.4, 0.35, 0.8]))
TIED = count_scores(LABELS, np.full(4, 0.5))
METRICS = [
    ranking.auc,
    ranking.average_precision,
    ranking.equal_error_rate,
    lambda counts: ranking.tpr_at_fpr(counts, 0.1),
]


def thresholds_of(scores):
    return [np.inf, *sorted(set(scores), reverse=True)]


def rates(labels, scores, threshold):
    fake = scores >= threshold
    return fake[labels == 0].mean(), fake[labels == 1].mean()


def share_of_ordered_pairs(labels, scores):
    fake, real = scores[labels == 1][:, None], scores[labels == 0][None, :]
    return np.mean((fake > real) + 0.5 * (fake == real))


def test_auc_by_hand():
    assert ranking.auc(COUNTS) == 0.75
    assert ranking.auc(count_scores(LABELS, -np.array([0.1, 0.4, 0.35, 0.8]))) == 0.25
    assert ranking.auc(TIED) == 0.5


@pytest.mark.parametrize("seed", range(5))
def test_auc_is_the_share_of_ordered_pairs(tied, seed):
    labels, scores = tied(seed)
    want = share_of_ordered_pairs(labels, scores)
    np.testing.assert_allclose(ranking.auc(count_scores(labels, scores)), want, rtol=1e-12)


def test_average_precision_by_hand():
    np.testing.assert_allclose(ranking.average_precision(COUNTS), (1 + 2 / 3) / 2)
    assert ranking.average_precision(TIED) == 0.5


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_against_all_thresholds(tied, seed):
    labels, scores = tied(seed)
    recall, total = 0.0, 0.0
    for threshold in thresholds_of(scores)[1:]:
        called = scores >= threshold
        now = labels[called].sum() / labels.sum()
        total += labels[called].mean() * (now - recall)
        recall = now
    got = ranking.average_precision(count_scores(labels, scores))
    np.testing.assert_allclose(got, total, rtol=1e-12)


def test_roc_runs_from_none_to_all():
    curve = ranking.roc(COUNTS)
    np.testing.assert_array_equal(curve.fpr, [0, 0, 0.5, 0.5, 1])
    np.testing.assert_array_equal(curve.tpr, [0, 0.5, 0.5, 1, 1])


def test_equal_error_rate_by_hand():
    assert ranking.equal_error_rate(COUNTS) == 0.5
    assert ranking.equal_error_rate(count_scores(LABELS, ASCENDING)) == 0.0
    assert ranking.equal_error_rate(count_scores(LABELS, -ASCENDING)) == 1.0
    assert ranking.equal_error_rate(TIED) == 0.5
    # ROC points (0, 1/2) and (1/3, 1): the line between them meets fpr = 1 - tpr at 1/5.
    crossing = count_scores(np.array([1, 0, 1, 0, 0]), np.array([0.9, 0.5, 0.5, 0.2, 0.1]))
    np.testing.assert_allclose(ranking.equal_error_rate(crossing), 0.2)


@pytest.mark.parametrize("seed", range(5))
def test_equal_error_rate_against_a_fine_walk_along_the_curve(tied, seed):
    labels, scores = tied(seed)
    points = np.array([rates(labels, scores, t) for t in thresholds_of(scores)])
    walk = np.linspace(0, len(points) - 1, 200_001)
    fpr, tpr = (np.interp(walk, np.arange(len(points)), column) for column in points.T)
    best = np.argmin(np.abs(fpr - (1 - tpr)))
    got = ranking.equal_error_rate(count_scores(labels, scores))
    np.testing.assert_allclose(got, fpr[best], atol=1e-4)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("limit", [0.01, 0.1, 0.5])
def test_tpr_at_fpr_is_the_best_reachable(tied, seed, limit):
    labels, scores = tied(seed)
    reachable = [rates(labels, scores, t) for t in thresholds_of(scores)]
    want = max(tpr for fpr, tpr in reachable if fpr <= limit)
    assert ranking.tpr_at_fpr(count_scores(labels, scores), limit) == want


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("labels", [[0, 0, 0], []])
def test_one_class_or_none_is_nan(metric, labels):
    assert np.isnan(metric(count_scores(np.array(labels, int), np.linspace(0, 1, len(labels)))))


@pytest.mark.parametrize("metric", [ranking.auc, ranking.equal_error_rate, METRICS[-1]])
def test_fakes_alone_are_nan(metric):
    assert np.isnan(metric(count_scores(np.array([1, 1]), np.array([0.1, 0.2]))))


@pytest.mark.parametrize("metric", METRICS)
def test_many_samples_at_once_are_each_by_itself(metric):
    """Also where a sample has no clip at some score, or none of a class."""
    fake, real = np.random.default_rng(0).integers(0, 4, (2, 6, 9)).astype(np.float64)
    fake[1, :4], real[1, :4], real[2] = 0, 0, 0
    scores = np.linspace(0.9, 0.1, 9)
    want = [metric(ScoreCounts(scores, f, r)) for f, r in zip(fake, real, strict=True)]
    np.testing.assert_array_equal(metric(ScoreCounts(scores, fake, real)), want)


def test_within_pair_auc_by_hand():
    labels = np.array([1, 0, 1, 1, 0, 0, 1])
    scores = np.array([0.2, 0.1, 0.1, 0.6, 0.7, 0.7, 0.9])
    pairs = np.array(["a", "a", "a", "b", "b", "b", "c"])
    result = ranking.within_pair_auc(labels, scores, pairs)
    # a: 0.2 > 0.1, 0.1 = 0.1; b: twice 0.6 < 0.7; c has no real clip.
    assert result == (pytest.approx((1 + 0.5 + 0 + 0) / 4), 4)
    for rows in (slice(0, 1), slice(0, 0)):
        alone = ranking.within_pair_auc(labels[rows], scores[rows], pairs[rows])
        assert (np.isnan(alone.auc), alone.comparisons) == (True, 0)
    with pytest.raises(ValueError, match="labels 0 or 1"):
        ranking.within_pair_auc(labels - 1, scores, pairs)


@pytest.mark.parametrize("seed", range(5))
def test_within_pair_auc_is_the_share_of_ordered_pairs_of_each_original(tied, seed):
    labels, scores = tied(seed, n=200)
    pairs = np.array(
        [f"original {i}" for i in np.random.default_rng(100 + seed).integers(0, 30, 200)]
    )
    won, comparisons = 0.0, 0
    for f in np.flatnonzero(labels == 1):
        for r in np.flatnonzero((labels == 0) & (pairs == pairs[f])):
            won += (scores[f] > scores[r]) + 0.5 * (scores[f] == scores[r])
            comparisons += 1
    got = ranking.within_pair_auc(labels, scores, pairs)
    assert got.comparisons == comparisons
    np.testing.assert_allclose(got.auc, won / comparisons, rtol=1e-12)


def test_within_pair_auc_of_100_000_originals():
    """A fake between two reals in each but the last tenth, where all three tie or the fake wins."""
    originals = 100_000
    base = np.random.default_rng(0).random(originals)
    scores = np.stack([base, base - 1, base + 1])
    scores[:, -originals // 10 :] = 0.5
    scores[0, -originals // 20 :] = 0.75
    labels = np.repeat([1, 0, 0], originals)
    pairs = np.tile(np.char.add("original ", np.arange(originals).astype(str)), 3)
    shuffle = np.random.default_rng(1).permutation(3 * originals)
    got = ranking.within_pair_auc(labels[shuffle], scores.ravel()[shuffle], pairs[shuffle])
    assert got.comparisons == 2 * originals
    np.testing.assert_allclose(got.auc, 0.95 * 0.5 + 0.05, rtol=1e-12)
