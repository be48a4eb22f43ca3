"""FLOPs of small functions, against counts by hand."""

import jax
import jax.numpy as jnp
import pytest

from cad_jax.flops import count_flops
from cad_jax.parallel.mesh import batch_sharding, make_mesh

X, W = jnp.zeros((3, 4)), jnp.zeros((4, 5))
PRODUCT = 2 * 3 * 4 * 5
SQUARE = jnp.zeros((4, 4))


def flops(function, *arguments):
    return count_flops(jax.jit(function).trace(*arguments).jaxpr)


def test_a_product_and_its_gradient():
    assert flops(lambda x, w: x @ w, X, W) == PRODUCT
    assert flops(jax.grad(lambda w: jnp.sum(jnp.tanh(X @ w))), W) == 2 * PRODUCT
    assert flops(jax.grad(lambda x, w: jnp.sum(jnp.tanh(x @ w)), (0, 1)), X, W) == 3 * PRODUCT


def test_a_batched_product():
    assert flops(lambda a, b: jnp.einsum("bqd,bkd->bqk", a, b), *[jnp.zeros((2, 3, 4))] * 2) == 144


def test_a_scan_counts_as_often_as_it_runs():
    def loop(x):
        return jax.lax.scan(lambda carry, _: (carry @ SQUARE, None), x, length=7)[0]

    assert flops(loop, X) == 7 * 2 * 3 * 4 * 4


def test_recomputation_counts_where_it_is_asked_for():
    def loss(w, layer):
        return jnp.sum(layer(layer(w)))

    def layer(w):
        return jnp.tanh(jnp.tanh(w @ SQUARE) @ SQUARE)

    kept = flops(lambda w: jax.grad(loss)(w, layer), SQUARE)
    again = flops(lambda w: jax.grad(loss)(w, jax.checkpoint(layer)), SQUARE)
    assert kept < again <= kept * 1.5


def test_what_nobody_needs_does_not_count():
    def loop(x):
        return jax.lax.scan(lambda carry, _: (carry @ SQUARE, carry @ SQUARE @ W), x, length=7)[0]

    assert flops(lambda x: ((x @ SQUARE), loop(x))[0], X) == 2 * 3 * 4 * 4
    assert flops(loop, X) == 7 * 2 * 3 * 4 * 4


def test_a_branch_counts_as_its_dearest():
    def either(x):
        return jax.lax.cond(x[0, 0] > 0, lambda x: x @ W, lambda x: x[:, :1] @ W[:1], x)

    assert flops(either, X) == PRODUCT


def test_what_every_device_does_is_added_up():
    mesh = make_mesh()
    spec = batch_sharding(mesh).spec
    each = jax.shard_map(lambda x: x @ W, mesh=mesh, in_specs=spec, out_specs=spec)
    assert flops(each, jnp.zeros((24, 4))) == 2 * 24 * 4 * 5


@pytest.mark.parametrize(("stride", "places"), [(1, 6), (2, 3)])
def test_a_convolution_and_its_gradients(stride, places):
    def convolve(x, kernel):
        return jax.lax.conv_general_dilated(
            x, kernel, (stride,), "SAME", dimension_numbers=("NWC", "WIO", "NWC")
        )

    x, kernel = jnp.zeros((2, 6, 4)), jnp.zeros((3, 4, 5))
    forward = 2 * (2 * places * 5) * (3 * 4)
    assert flops(convolve, x, kernel) == forward
    both = flops(jax.grad(lambda *a: jnp.sum(jnp.tanh(convolve(*a))), (0, 1)), x, kernel)
    assert both == pytest.approx(3 * forward, rel=0.35)  # edges are counted as if they were inside
