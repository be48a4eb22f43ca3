import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from cad_jax.models.config import LoRAConfig, ViTConfig
from cad_jax.models.functional import FunctionalModel
from cad_jax.models.lora import Linear, Precision, is_adapter, merge_lora, unmerge_lora
from cad_jax.models.vit import ViT


def linear(**options):
    return Linear(6, 4, precision=Precision(), rngs=nnx.Rngs(0), **options)


def test_zero_b_is_the_base_bit_for_bit():
    layer = linear(rank=2, alpha=8.0)
    x = jnp.asarray(np.random.default_rng(0).standard_normal((3, 5, 6)), jnp.float32)
    np.testing.assert_array_equal(layer(x, adapted=True), layer(x))


def test_zero_b_is_the_base_bit_for_bit_through_a_tower():
    config = ViTConfig(image_size=16, patch_size=8, width=16, depth=2, heads=2)
    lora = LoRAConfig(rank=2, targets=("query", "key", "value", "out", "up", "down"))
    tower = ViT(config, lora=lora, precision=Precision(), rngs=nnx.Rngs(0))
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


def test_storage_and_compute_dtypes():
    precision = Precision(compute="bfloat16", storage="bfloat16")
    layer = Linear(6, 4, rank=2, precision=precision, rngs=nnx.Rngs(0))
    assert layer.kernel[...].dtype == layer.bias[...].dtype == jnp.bfloat16
    assert layer.lora_a[...].dtype == layer.lora_b[...].dtype == jnp.float32
    assert layer(jnp.ones((2, 6)), adapted=True).dtype == jnp.bfloat16


ALPHA = 8.0


def adapted_tower(storage="float32"):
    """A tower with adapters in every layer, and parameters in which these do something."""
    config = ViTConfig(image_size=16, patch_size=8, width=16, depth=2, heads=2)
    lora = LoRAConfig(rank=2, alpha=ALPHA, targets=("query", "key", "value", "out", "up", "down"))
    precision = Precision(storage=storage)
    model = FunctionalModel.create(lambda r: ViT(config, lora=lora, precision=precision, rngs=r))
    params = jax.jit(model.init)(jax.random.key(0))
    rng = np.random.default_rng(0)
    for name, array in params.items():
        if name.endswith("lora_b"):
            params[name] = jnp.asarray(0.2 * rng.standard_normal(array.shape), jnp.float32)
    return config, model, params


def test_merged_base_pass_is_the_adapted_pass():
    config, model, params = adapted_tower()
    images = jnp.asarray(np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3)), jnp.uint8)
    merged = merge_lora(params, ALPHA)
    plain = FunctionalModel.create(lambda r: ViT(config, precision=Precision(), rngs=r))
    assert set(merged) == set(plain.shapes)  # the same tower at rank 0
    adapted = model.merge(params)(images, adapted=True)
    for ours, theirs in zip(plain.merge(merged)(images), adapted, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)
    base = model.merge(params)(images)
    assert np.abs(base[1] - adapted[1]).max() > 0.1  # the adapters do something


def test_unmerging_brings_back_what_was_merged():
    _, _, params = adapted_tower()
    back = unmerge_lora(merge_lora(params, ALPHA), params, ALPHA)
    assert set(back) == set(params)
    for name, array in params.items():
        if is_adapter(name):
            np.testing.assert_array_equal(back[name], array)
        else:
            np.testing.assert_allclose(back[name], array, atol=1e-6)


def test_merging_keeps_the_dtype_and_what_has_no_adapter():
    _, _, params = adapted_tower(storage="bfloat16")
    merged = merge_lora(params, ALPHA)
    layer = "blocks/0/mlp/up"
    assert merged[f"{layer}/kernel"].dtype == jnp.bfloat16
    exact = params[f"{layer}/kernel"].astype(jnp.float32) + ALPHA / 2 * (
        params[f"{layer}/lora_a"] @ params[f"{layer}/lora_b"]
    )
    np.testing.assert_array_equal(merged[f"{layer}/kernel"], exact.astype(jnp.bfloat16))
    np.testing.assert_array_equal(merged["class_embedding"], params["class_embedding"])


def test_merging_a_zero_b_changes_nothing():
    _, _, params = adapted_tower()
    params |= {n: jnp.zeros_like(a) for n, a in params.items() if n.endswith("lora_b")}
    for name, array in merge_lora(params, ALPHA).items():
        np.testing.assert_array_equal(array, params[name])
