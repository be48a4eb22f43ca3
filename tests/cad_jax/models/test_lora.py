import jax.numpy as jnp
import numpy as np
from flax import nnx

from cad_jax.models.lora import Linear
from cad_jax.models.vit import ViT
from cad_jax.settings.model import LoRAConfig, ViTConfig


def linear(**options):
    return Linear(6, 4, rngs=nnx.Rngs(0), **options)


def test_zero_b_is_the_base_bit_for_bit():
    layer = linear(rank=2, alpha=8.0)
    x = jnp.asarray(np.random.default_rng(0).standard_normal((3, 5, 6)), jnp.float32)
    np.testing.assert_array_equal(layer(x, adapted=True), layer(x))


def test_zero_b_is_the_base_bit_for_bit_through_a_tower():
    config = ViTConfig(image_size=16, patch_size=8, width=16, depth=2, heads=2)
    lora = LoRAConfig(rank=2, targets=("query", "key", "value", "out", "up", "down"))
    tower = ViT(config, lora=lora, rngs=nnx.Rngs(0))
    images = jnp.asarray(np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3)), jnp.uint8)
    for adapted, base in zip(tower(images, adapted=True), tower(images), strict=True):
        np.testing.assert_array_equal(adapted, base)


def test_the_update_is_scaled_by_alpha_over_rank():
    layer = linear(rank=2, alpha=8.0)
    rng = np.random.default_rng(0)
    layer.lora_b[...] = jnp.asarray(rng.standard_normal((2, 4)), jnp.float32)
    x = rng.standard_normal((5, 6)).astype(np.float32)
    kernel = np.asarray(layer.kernel[...]) + 4.0 * np.asarray(layer.lora_a[...] @ layer.lora_b[...])
    np.testing.assert_allclose(layer(jnp.asarray(x), adapted=True), x @ kernel, atol=1e-5)
    np.testing.assert_allclose(layer(jnp.asarray(x)), x @ np.asarray(layer.kernel[...]), atol=1e-5)


def test_adapters_are_their_own_kind_of_parameter_and_rank_0_has_none():
    _, adapters, base = nnx.split(linear(rank=2), nnx.LoRAParam, nnx.Param)
    assert set(adapters) == {"lora_a", "lora_b"}
    assert set(base) == {"kernel", "bias"}
    assert not nnx.split(linear(), nnx.LoRAParam, ...)[1]


def test_parameters_are_float32_whatever_is_multiplied_in():
    layer = Linear(6, 4, rank=2, dtype="bfloat16", rngs=nnx.Rngs(0))
    assert {v[...].dtype for v in (layer.kernel, layer.bias, layer.lora_a, layer.lora_b)} == {
        jnp.dtype("float32")
    }
    assert layer(jnp.ones((2, 6)), adapted=True).dtype == jnp.bfloat16
