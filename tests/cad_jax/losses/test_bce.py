import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cad_jax.losses.bce import logit_adjusted_bce

LOGIT = np.array([2.0, -1.0, 0.5, 3.0], np.float32)
LABEL = np.array([1, 0, -1, 1], np.int32)
MASK = np.array([True, True, True, False])


def test_plain_cross_entropy_leaves_unknown_and_masked_out():
    result = logit_adjusted_bce(*map(jnp.asarray, (LOGIT, LABEL, MASK)))
    p = 1 / (1 + np.exp(-LOGIT))
    np.testing.assert_allclose(result.total, -np.log(p[0]) - np.log(1 - p[1]), rtol=1e-6)
    assert result.count == 2


def test_adjustment_adds_the_priors_log_odds():
    result = logit_adjusted_bce(*map(jnp.asarray, (LOGIT, LABEL, MASK)), prior_fake=0.8, tau=0.5)
    p = 1 / (1 + np.exp(-(LOGIT + 0.5 * np.log(4))))
    np.testing.assert_allclose(result.total, -np.log(p[0]) - np.log(1 - p[1]), rtol=1e-6)


def test_the_adjusted_optimum_answers_for_balanced_classes():
    """Of clips that say nothing, 90 % fake: the logit that minimises the loss is 0, not log 9."""
    label = jnp.array([1] * 9 + [0])

    def slope(logit):
        def loss(x):
            clips = jnp.broadcast_to(x, (10,))
            return logit_adjusted_bce(clips, label, jnp.ones(10, bool), 0.9, 1.0).mean()

        return jax.grad(loss)(jnp.float32(logit))

    np.testing.assert_allclose(slope(0.0), 0.0, atol=1e-6)
    assert slope(-0.1) < 0 < slope(0.1)


def test_confident_mistakes_stay_finite():
    def loss(logit):
        return logit_adjusted_bce(logit, jnp.array([1, 0]), jnp.ones(2, bool)).total

    value, gradient = jax.value_and_grad(loss)(jnp.array([-1e4, 1e4]))
    np.testing.assert_allclose(value, 2e4)
    np.testing.assert_allclose(gradient, [-1, 1])


@pytest.mark.parametrize("prior", [0.0, 1.0, -0.1, float("nan")])
def test_a_prior_without_both_classes_is_refused(prior):
    with pytest.raises(ValueError, match="prior_fake"):
        logit_adjusted_bce(*map(jnp.asarray, (LOGIT, LABEL, MASK)), prior_fake=prior)
