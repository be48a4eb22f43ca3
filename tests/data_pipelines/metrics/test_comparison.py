import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from data_pipelines.metrics.comparison import delong_test, holm, mcnemar_test


def naive_delong(labels, first, second):
    """DeLong's own formula: the kernel of every pair of a fake and a real, O(mn)."""
    columns, rows = [], []
    for scores in (first, second):
        fake, real = scores[labels == 1][:, None], scores[labels == 0][None, :]
        kernel = (fake > real) + 0.5 * (fake == real)
        columns.append(kernel.mean(axis=1))
        rows.append(kernel.mean(axis=0))
    covariance = np.cov(columns) / len(columns[0]) + np.cov(rows) / len(rows[0])
    contrast = np.array([1, -1])
    error = np.sqrt(contrast @ covariance @ contrast)
    difference = np.mean(columns[0]) - np.mean(columns[1])
    return difference, error, 2 * stats.norm.sf(abs(difference / error))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["random", "correlated", "tied", "one constant"])
def test_delong_is_its_definition(kind, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, 120)
    first = labels + rng.standard_normal(120)
    second = {
        "random": rng.random(120),
        "correlated": first + 0.3 * rng.standard_normal(120),
        "tied": np.round(first),
        "one constant": np.zeros(120),
    }[kind]
    got = delong_test(labels, first, second)
    np.testing.assert_allclose(got, naive_delong(labels, first, second), rtol=0, atol=1e-12)
    aucs = roc_auc_score(labels, first), roc_auc_score(labels, second)
    np.testing.assert_allclose(got.difference, aucs[0] - aucs[1], rtol=0, atol=1e-12)


def test_delong_where_nothing_varies():
    labels, scores = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9])
    assert delong_test(labels, scores, scores) == (0.0, 0.0, 1.0)
    assert delong_test(labels, scores, scores**2) == (0.0, 0.0, 1.0)  # both perfect
    apart = delong_test(labels, scores, np.zeros(4))
    assert apart[:2] == (0.5, 0.0)
    assert np.isnan(apart.p)
    assert np.isnan(delong_test(labels[1:], scores[1:], scores[1:])).all()


def test_delong_of_two_equal_systems_rejects_as_often_as_it_says():
    """Of 400 pairs of systems that are as good as each other 5 % are rejected, +- 3 errors."""
    rejected = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        labels, shared = np.repeat([0, 1], 60), rng.standard_normal(120)
        first, second = labels + shared + 0.7 * rng.standard_normal((2, 120))
        rejected += delong_test(labels, first, second).p < 0.05
    assert 8 <= rejected <= 33


def test_mcnemar_by_hand():
    """Nine clips that one alone got right, eight times the first: 2 (1 + 9) / 2^9."""
    labels = np.array([1] * 8 + [0] + [1, 0, 0])
    first = np.array([True] * 8 + [True] + [True, False, True])
    second = np.array([False] * 8 + [False] + [True, False, True])
    got = mcnemar_test(labels, first, second)
    assert got[:2] == (8, 1)
    np.testing.assert_allclose(got.p, 20 / 512, rtol=1e-12)
    assert mcnemar_test(labels, first, first) == (0, 0, 1.0)


def test_holm_by_hand():
    """0.01 * 4, 0.02 * 3, 0.03 * 2, and 0.04 is no less than the one before."""
    got = holm(np.array([0.04, np.nan, 0.01, 0.03, 0.02]))
    np.testing.assert_allclose(got, [0.06, np.nan, 0.04, 0.06, 0.06], rtol=1e-12)
    assert holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]
    assert holm(np.zeros(0)).tolist() == []


def test_holm_is_the_stepwise_rejection():
    """The definition: step through the p values, and stop at the first that is not small."""
    rng = np.random.default_rng(0)
    for level in (0.01, 0.05, 0.2):
        p = rng.random(12) ** 3
        rejected = np.zeros(12, bool)
        for step, index in enumerate(np.argsort(p)):
            if p[index] > level / (12 - step):
                break
            rejected[index] = True
        np.testing.assert_array_equal(holm(p) <= level, rejected)
