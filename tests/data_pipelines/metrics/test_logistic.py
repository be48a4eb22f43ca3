import numpy as np
import pytest
from scipy import special
from sklearn.linear_model import LogisticRegression

from data_pipelines.metrics.logistic import fit_logistic


def drawn(spread: float):
    rng = np.random.default_rng(0)
    values = rng.standard_normal((300, 3)) * spread
    labels = values @ [2.0, -1.0, 0.0] / spread + rng.standard_normal(300) > 0.7
    return values, labels


@pytest.mark.parametrize("spread", [1.0, 30.0])
@pytest.mark.parametrize("ridge", [1e-2, 1.0, 100.0])
@pytest.mark.parametrize("balanced", [False, True])
def test_it_is_scikit_learns(spread, ridge, balanced):
    values, labels = drawn(spread)
    importance = np.where(labels, 0.5 / labels.mean(), 0.5 / (1 - labels.mean()))
    theirs = LogisticRegression(
        C=1 / ridge, class_weight="balanced" if balanced else None, tol=1e-12, max_iter=10_000
    ).fit(values, labels)
    found = fit_logistic(values, labels, ridge, importance if balanced else None)
    np.testing.assert_allclose(found, [theirs.intercept_[0], *theirs.coef_[0]], atol=1e-5)


def test_where_whole_steps_of_newtons_lead_away_the_loss_is_level_all_the_same():
    """By the condition of the optimum; seed 151 of clips nearly apart, some of them far."""
    rng = np.random.default_rng(151)
    values = rng.standard_normal((30, 2)) * np.exp(2 * rng.standard_normal((30, 1)))
    labels = values @ [3.0, -2.0] + rng.standard_normal(30) > 0
    bias, *weights = fit_logistic(values, labels, ridge=1e-3)
    wrong = special.expit(bias + values @ weights) - labels
    np.testing.assert_allclose(wrong @ values + 1e-3 * np.array(weights), 0, atol=1e-7)
    assert wrong.sum() + 1e-6 * bias == pytest.approx(0, abs=1e-7)


def test_of_one_class_the_weights_are_finite():
    assert np.isfinite(fit_logistic(np.ones((4, 2)), np.ones(4, int), ridge=1.0)).all()
