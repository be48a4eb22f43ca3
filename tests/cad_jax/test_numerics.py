import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cad_jax.numerics import largest


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_the_largest_is_numpys(axis):
    x = np.random.default_rng(0).standard_normal((3, 4, 5)).astype(np.float32)
    np.testing.assert_array_equal(largest(jnp.asarray(x), axis), x.max(axis))


def test_of_equal_ones_the_first_has_the_whole_gradient():
    slope = jax.grad(lambda x: 3 * largest(x, 0))(jnp.array([1.0, 2.0, 2.0, -jnp.inf]))
    np.testing.assert_array_equal(slope, [0.0, 3.0, 0.0, 0.0])


def test_the_gradient_of_a_computed_maximum_is_finite_and_right():
    """The compiler computes `scaled` twice, with and without a fused multiply-add."""

    def scaled(x, by):
        return x * by + 0.1

    slope = jax.jit(jax.grad(lambda x, by: jnp.sum(jnp.sin(largest(scaled(x, by), axis=1)))))
    x = np.random.default_rng(0).standard_normal((96, 4, 32)).astype(np.float32)
    found, y = slope(jnp.asarray(x), 1.3), scaled(x.astype(np.float64), np.float64(np.float32(1.3)))
    first = np.arange(4)[:, None] == y.argmax(axis=1, keepdims=True)
    wanted = np.where(first, 1.3 * np.cos(y.max(axis=1, keepdims=True)), 0.0)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
