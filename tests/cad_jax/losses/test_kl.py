import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cad_jax.losses.kl import alignment_kl

RNG = np.random.default_rng(0)
VIDEO, AUDIO = RNG.standard_normal((2, 3, 4, 5)).astype(np.float32)
MASK = np.array([[1, 1, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0]], bool)


def softmax(x):
    return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_equals_the_definition(temperature):
    result = alignment_kl(*map(jnp.asarray, (VIDEO, AUDIO, MASK)), temperature)
    p, q = softmax(VIDEO.astype(np.float64) / temperature), softmax(AUDIO / temperature)
    want = sum(np.sum(p[i] * np.log(p[i] / q[i])) for i in zip(*np.nonzero(MASK), strict=True))
    np.testing.assert_allclose(result.total, want, rtol=1e-5)
    assert result.count == 4


def test_two_features_by_hand():
    """Uniform against (1/4, 3/4): zero for equals, and the direction matters."""
    even, skewed = jnp.array([[[0.0, 0.0]]]), jnp.array([[[0.0, np.log(3.0)]]], jnp.float32)
    mask = jnp.ones((1, 1), bool)
    np.testing.assert_allclose(
        alignment_kl(even, skewed, mask).total, 0.5 * np.log(4 / 3), rtol=1e-6
    )
    want = 0.25 * np.log(0.5) + 0.75 * np.log(1.5)
    np.testing.assert_allclose(alignment_kl(skewed, even, mask).total, want, rtol=1e-6)
    assert alignment_kl(skewed, skewed, mask).total == 0


def test_masked_frames_get_no_gradient_and_both_sides_learn():
    def loss(video, audio):
        return alignment_kl(video, audio, jnp.asarray(MASK)).mean()

    for gradient in jax.grad(loss, argnums=(0, 1))(jnp.asarray(VIDEO), jnp.asarray(AUDIO)):
        np.testing.assert_array_equal(np.any(gradient != 0, axis=-1), MASK)
