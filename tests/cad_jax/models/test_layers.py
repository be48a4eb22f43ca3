import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from cad_jax.models.layers import (
    LONGEST_UNROLLED,
    Attention,
    Block,
    gelu,
    layer_norm,
    quick_gelu,
    run_blocks,
)


def attention(**options):
    return Attention(8, 2, rngs=nnx.Rngs(0), **options)


def random(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def by_numpy(layer, x, context, mask):
    def project(linear, x):
        y = np.asarray(x) @ np.asarray(linear.kernel[...])
        return y if linear.bias is None else y + np.asarray(linear.bias[...])

    def split(x):
        return x.reshape(*x.shape[:2], 2, 4)

    query, key, value = (
        split(project(linear, y))
        for linear, y in ((layer.query, x), (layer.key, context), (layer.value, context))
    )
    logits = np.einsum("bqhc,bnhc->bhqn", query, key) / 2.0
    logits = np.where(mask[:, None, None], logits, -1e30)
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    mixed = np.einsum("bhqn,bnhc->bqhc", weights, value).reshape(x.shape)
    return project(layer.out, mixed)


@pytest.mark.parametrize("key_bias", [True, False])
def test_attention_equals_numpy(key_bias):
    layer = attention(key_bias=key_bias)
    assert (layer.key.bias is None) != key_bias
    x, context = random(2, 3, 8), random(2, 5, 8, seed=1)
    mask = np.array([[1, 1, 0, 1, 0], [1, 0, 0, 0, 0]], bool)
    ours = layer(x, context, jnp.asarray(mask))
    np.testing.assert_allclose(ours, by_numpy(layer, x, context, mask), atol=1e-5)


def test_a_row_without_keys_stays_finite_in_value_and_gradient():
    layer = attention()
    mask = jnp.zeros((2, 3), bool)

    def total(x):
        return jnp.sum(layer(x, mask=mask) ** 2)

    value, gradient = jax.value_and_grad(total)(random(2, 3, 8))
    assert jnp.isfinite(value)
    assert jnp.all(jnp.isfinite(gradient))


def test_norms_are_float32_and_survive_a_large_mean():
    norm = layer_norm(64, nnx.Rngs(0))
    x = random(2, 64)
    assert norm(x.astype(jnp.bfloat16)).dtype == jnp.float32
    np.testing.assert_allclose(norm(x + 1000.0), norm(x), atol=1e-3)


def test_softmax_is_float32_under_bfloat16_compute():
    layer = Attention(8, 2, dtype="bfloat16", rngs=nnx.Rngs(0))
    text = str(jax.make_jaxpr(lambda x: layer(x))(random(1, 3, 8)))
    exponentials = [line for line in text.splitlines() if "= exp " in line]
    assert exponentials
    assert all(":f32[" in line for line in exponentials)


def test_activations_on_literal_values():
    x = jnp.asarray([-1.0, 0.0, 2.0])
    np.testing.assert_allclose(gelu(x), [-0.15865526, 0.0, 1.9544997], atol=1e-6)
    np.testing.assert_allclose(quick_gelu(x), [-0.15420423, 0.0, 1.9356586], atol=1e-6)


def test_rematerialisation_changes_no_gradient():
    blocks = nnx.List(Block(8, 2, rngs=nnx.Rngs(seed)) for seed in range(2))
    graphdef, state = nnx.split(blocks)
    x = random(2, 3, 8)

    def total(state, remat):
        return jnp.sum(run_blocks(nnx.merge(graphdef, state), x, remat=remat) ** 2)

    kept, recomputed = (jax.grad(total)(state, remat) for remat in ("none", "all"))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), kept, recomputed
    )
    assert "remat" in str(jax.make_jaxpr(jax.grad(total), static_argnums=1)(state, "all"))


@pytest.mark.parametrize("remat", ["none", "dots", "all"])
def test_a_long_stack_as_a_loop_equals_its_blocks_in_turn(remat):
    blocks = nnx.List(Block(8, 2, rngs=nnx.Rngs(seed)) for seed in range(LONGEST_UNROLLED + 1))
    graphdef, state = nnx.split(blocks)
    x, mask = random(2, 3, 8), jnp.asarray([[True, True, False], [True, True, True]])

    def looped(state):
        return run_blocks(nnx.merge(graphdef, state), x, mask=mask, remat=remat)

    def in_turn(state):
        y = x
        for block in nnx.merge(graphdef, state):
            y = block(y, mask)
        return y

    assert "scan" in str(jax.make_jaxpr(looped)(state))
    np.testing.assert_allclose(looped(state), in_turn(state), rtol=1e-5, atol=1e-6)
    gradients = (jax.grad(lambda s, f=f: jnp.sum(f(s) ** 2))(state) for f in (looped, in_turn))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), *gradients)
