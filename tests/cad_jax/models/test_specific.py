import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from cad_jax.models.specific import SpecificPath, log_mean_exp
from cad_jax.models.tracks import Track, bin_centres
from cad_jax.settings.model import CADConfig

CONFIG = CADConfig(width=16, heads=2)


def test_log_mean_exp_on_literal_values():
    x = jnp.asarray([[0.0, np.log(3.0), 50.0], [2.0, 2.0, 2.0], [-30.0, 20.0, 0.0]])
    mask = jnp.asarray([[True, True, False], [True, True, True], [True, True, False]])
    np.testing.assert_allclose(
        log_mean_exp(x, mask), [np.log(2.0), 2.0, 20.0 - np.log(2.0)], rtol=1e-6
    )


def test_log_mean_exp_gives_masked_bins_no_gradient():
    mask = jnp.asarray([[True, True, False]])
    gradient = jax.grad(lambda x: log_mean_exp(x, mask)[0])(jnp.asarray([[1.0, 1.0, 90.0]]))
    np.testing.assert_allclose(gradient, [[0.5, 0.5, 0.0]], atol=1e-6)


def evidence(mask):
    features = jnp.asarray(np.random.default_rng(0).standard_normal((2, 4, 8)), jnp.float32)
    path = SpecificPath(8, CONFIG, rngs=nnx.Rngs(0))
    return path, path(Track(features, bin_centres(4, 1.0, 2), jnp.asarray(mask, bool)))


def test_the_verdict_agrees_with_the_timeline():
    mask = np.array([[1, 1, 1, 1], [1, 0, 1, 0]], bool)
    _, found = evidence(mask)
    for row in range(2):
        logits = np.asarray(found.frame_logits[row], np.float64)[mask[row]]
        np.testing.assert_allclose(found.logit[row], np.log(np.mean(np.exp(logits))), atol=1e-5)
    np.testing.assert_array_equal(found.track.mask, mask)


def test_a_missing_modality_is_the_null_token():
    path, found = evidence([[1, 1, 1, 1], [0, 0, 0, 0]])
    null = path.norm(path.null[...])
    np.testing.assert_allclose(found.pooled[1], null, atol=1e-5)
    np.testing.assert_allclose(found.logit[1], path.logit(null)[0], atol=1e-5)
    assert not jnp.any(found.track.mask[1])


def test_the_whole_clip_is_one_more_token_and_judgement():
    mask = jnp.asarray([[1, 1, 0, 1], [0, 0, 0, 0]], bool)
    rng = np.random.default_rng(0)
    features, whole = (
        jnp.asarray(rng.standard_normal(shape), jnp.float32) for shape in ((2, 4, 8), (2, 6))
    )
    path = SpecificPath(8, CONFIG, whole_inputs=6, rngs=nnx.Rngs(0))
    found = path(Track(features, bin_centres(4, 1.0, 2), mask), whole)
    np.testing.assert_array_equal(found.track.mask, [[1, 1, 0, 1, 1], [0, 0, 0, 0, 0]])
    np.testing.assert_allclose(found.track.times[:, -1], 0.5)
    assert found.logits.shape == (2, 2)
    np.testing.assert_allclose(found.logit, found.logits.mean(1), rtol=1e-6)

    def moved(changed_whole, change):
        other = path(Track(features + change, bin_centres(4, 1.0, 2), mask), changed_whole)
        return np.any(np.abs(other.logits - found.logits) > 1e-4, axis=0)

    np.testing.assert_array_equal(moved(whole + 1, 0), [False, True])
    np.testing.assert_array_equal(moved(whole, jnp.arange(8.0)), [True, False])
