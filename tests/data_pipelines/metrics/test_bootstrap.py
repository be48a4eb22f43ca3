import functools
import time

import numpy as np
import pytest

from data_pipelines.metrics import bootstrap, ranking, thresholds
from data_pipelines.metrics.bootstrap import (
    bootstrap_intervals,
    bootstrap_p,
    bootstrap_values,
    draw_clusters,
    percentile_interval,
)
from data_pipelines.metrics.calibration import expected_calibration_error
from data_pipelines.metrics.counts import count_scores
from data_pipelines.metrics.ranking import auc

LABELS = np.array([0, 0, 1, 1])
SCORES = np.array([0.1, 0.4, 0.35, 0.8])
METRICS = {
    "auc": auc,
    "average_precision": ranking.average_precision,
    "equal_error_rate": ranking.equal_error_rate,
    "tpr_at_fpr": functools.partial(ranking.tpr_at_fpr, fpr=0.1),
    "accuracy": functools.partial(thresholds.accuracy, threshold=0.4),
    "balanced_accuracy": functools.partial(thresholds.balanced_accuracy, threshold=0.4),
    "calibration": expected_calibration_error,
}


def intervals(metrics, labels, scores, clusters, **settings):
    return bootstrap_intervals(metrics, labels, scores, draw_clusters(clusters, **settings))


def auc_interval(*args, **settings):
    return intervals({"auc": auc}, *args, **settings)["auc"]


def figures_of_drawn_clips(labels, scores, clusters, draws, seed):
    """The definition: draw clusters, list their clips, measure."""
    names = np.unique(clusters)
    rng = np.random.default_rng(seed)
    figures = {name: [] for name in METRICS}
    for _ in range(draws):
        drawn = names[rng.integers(len(names), size=len(names))]
        clips = np.concatenate([np.flatnonzero(clusters == name) for name in drawn])
        counts = count_scores(labels[clips], scores[clips])
        for name, metric in METRICS.items():
            figures[name].append(float(metric(counts)))
    return figures


@pytest.mark.parametrize("ties", [True, False])
def test_intervals_are_those_of_the_clips_drawn(tied, monkeypatch, ties):
    """With five people some draws lack a class; in blocks of seven draws."""
    monkeypatch.setattr(bootstrap, "_BLOCK", 7 * 60)
    labels, scores = tied(3)
    if not ties:
        scores = np.random.default_rng(4).random(60)
    labels[:36] = 0
    clusters = np.array([f"person {i // 12}" for i in range(60)])
    got = intervals(METRICS, labels, scores, clusters, draws=100, seed=5)
    drawn = figures_of_drawn_clips(labels, scores, clusters, draws=100, seed=5)
    assert np.isnan(drawn["auc"]).any()
    for name, values in drawn.items():
        want = np.nanquantile(values, [0.025, 0.975])
        np.testing.assert_allclose(got[name], want, rtol=0, atol=1e-12, err_msg=name)


def test_what_is_measured_does_not_change_the_resamples():
    rng = np.random.default_rng(0)
    case = rng.integers(0, 2, 80), rng.random(80), np.arange(80) // 4
    assert intervals(METRICS, *case)["auc"] == auc_interval(*case)
    assert auc_interval(*case, seed=1) != auc_interval(*case)


def test_bootstrap_counts_clusters_not_clips():
    """Each identity ten times over: ten times the clips, and no more certainty."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 80)
    scores = labels + 1.5 * rng.standard_normal(80)
    ten = [np.repeat(x, 10) for x in (labels, scores, np.arange(80))]
    once = auc_interval(labels, scores, np.arange(80))
    clustered = auc_interval(*ten)
    naive = auc_interval(*ten[:2], np.arange(800))
    np.testing.assert_allclose(once, clustered, atol=1e-12)
    assert naive[1] - naive[0] < 0.5 * (once[1] - once[0])
    assert once[0] < auc(count_scores(labels, scores)) < once[1]


def test_bootstrap_covers_the_truth():
    """Normal scores one standard deviation apart: AUC = Phi(1 / sqrt 2) = 0.760."""
    hits = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        labels = np.repeat([0, 1], 40)
        scores = labels + rng.standard_normal(80)
        low, high = auc_interval(labels, scores, np.arange(80), draws=200)
        hits += low <= 0.7602 <= high
    assert hits >= 52  # 95 % of 60 is 57


def test_bootstrap_without_enough_to_resample_is_nan():
    one_identity = auc_interval(LABELS, SCORES, np.zeros(4))
    one_forged_identity = auc_interval(LABELS, SCORES, np.array([0, 1, 2, 2]))
    one_class = auc_interval(0 * LABELS, SCORES, np.arange(4))
    nothing = auc_interval(LABELS[:0], SCORES[:0], np.arange(0))
    assert np.isnan([*one_identity, *one_forged_identity, *one_class, *nothing]).all()


def test_one_class_of_several_identities_has_an_accuracy():
    of_one = intervals(METRICS, 0 * LABELS, SCORES, np.arange(4))
    low, high = of_one["accuracy"]
    assert 0 <= low < 0.5 < high <= 1  # 0.1 and 0.35 of the four are right
    assert np.isnan(of_one["balanced_accuracy"]).all()


def test_a_group_is_measured_on_the_draws_of_all():
    """Paired: a group's value on a draw is that of the group's clips in the clips drawn."""
    rng = np.random.default_rng(2)
    labels, scores, clusters = rng.integers(0, 2, 90), rng.random(90), np.arange(90) // 9
    group = rng.random(90) < 0.6
    people = draw_clusters(clusters, draws=50, seed=4)
    got = bootstrap_values(METRICS, labels[group], scores[group], people.of(group))
    rng = np.random.default_rng(4)
    for draw in range(50):
        drawn = rng.integers(10, size=10)
        clips = np.concatenate([np.flatnonzero((clusters == one) & group) for one in drawn])
        want = float(auc(count_scores(labels[clips], scores[clips])))
        np.testing.assert_allclose(got["auc"][draw], want, rtol=0, atol=1e-12)


def test_a_difference_on_the_same_draws_is_surer_than_its_parts():
    rng = np.random.default_rng(1)
    labels, clusters = rng.integers(0, 2, 800), np.arange(800) // 4
    good = labels + rng.standard_normal(800)
    worse = good + 0.8 * rng.standard_normal(800)
    people = draw_clusters(clusters)
    first, second = (
        bootstrap_values({"auc": auc}, labels, scores, people)["auc"] for scores in (good, worse)
    )
    low, high = percentile_interval(first - second)
    assert high - low < 0.8 * np.subtract(*percentile_interval(first)[::-1])
    assert bootstrap_p(first - first) == 1
    assert bootstrap_p(first - second) == bootstrap_p(second - first) < 0.05


def test_p_is_where_the_interval_begins_to_exclude_nothing():
    """Of 999 draws 24 below 0 and the rest above: p = 2 * 25 / 1000."""
    values = np.r_[-np.ones(24), np.ones(975)]
    assert bootstrap_p(values) == bootstrap_p(-values) == 0.05
    assert bootstrap_p(np.ones(999)) == 0.002
    assert np.isnan(bootstrap_p(np.full(3, np.nan)))


def test_unknown_labels_are_refused():
    with pytest.raises(ValueError, match="unknown label"):
        auc_interval(LABELS - 1, SCORES, np.arange(4))


def test_bootstrap_of_5000_clips_takes_seconds():
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 5000), rng.random(5000)
    names = np.array([f"identity {i}" for i in rng.integers(0, 700, 5000)])
    start = time.process_time()
    intervals(METRICS, labels, scores, names, draws=1000)
    assert time.process_time() - start < 10
