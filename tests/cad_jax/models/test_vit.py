import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from cad_jax.models.vit import ViT, binomial_blur, tower_input
from cad_jax.settings.model import ViTConfig

SMALL = {"image_size": 16, "patch_size": 8, "width": 16, "depth": 1, "heads": 2}


def images(count=2, size=16):
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), np.uint8)


def tower(**options):
    return ViT(ViTConfig(**(SMALL | options)), rngs=nnx.Rngs(0))


@pytest.mark.parametrize("stem", ["patch", "conv"])
@pytest.mark.parametrize("pool", ["class", "mean_max"])
@pytest.mark.parametrize("residual", [False, True])
def test_shapes(stem, pool, residual):
    tokens, pooled = tower(stem=stem, pool=pool, residual=residual)(jnp.asarray(images()))
    assert tokens.shape == (2, 4 + (pool == "class"), 16)
    assert pooled.shape == (2, 16)
    assert pooled.dtype == jnp.float32


@pytest.mark.parametrize("patch_size", [4, 8, 16])
def test_the_conv_stem_reaches_every_patch_grid(patch_size):
    tokens, _ = tower(stem="conv", pool="mean_max", patch_size=patch_size)(jnp.asarray(images()))
    assert tokens.shape[1] == (16 // patch_size) ** 2


def test_normalisation_is_clips():
    pixel = jnp.asarray([[[[0, 128, 255]]]], jnp.uint8)
    expected = [-0.48145466 / 0.26862954, (128 / 255 - 0.4578275) / 0.26130258,
                (1 - 0.40821073) / 0.27577711]  # fmt: skip
    np.testing.assert_allclose(tower_input(pixel, False)[0, 0, 0], expected, atol=1e-6)


def test_the_residual_is_zero_on_flat_images_and_the_kernel_on_a_point():
    flat = tower_input(jnp.full((1, 9, 9, 3), 77, jnp.uint8), True)
    assert flat.shape == (1, 9, 9, 9)
    np.testing.assert_allclose(flat[..., 3:], 0.0, atol=1e-5)
    point = np.zeros((1, 9, 9, 1), np.float32)
    point[0, 4, 4] = 1.0
    line = np.array([1, 4, 6, 4, 1]) / 16
    blurred = binomial_blur(jnp.asarray(point))[0, 2:7, 2:7, 0]
    np.testing.assert_allclose(blurred, np.outer(line, line), atol=1e-7)
    both = tower_input(jnp.asarray(images()), True)
    np.testing.assert_array_equal(both[..., 6:], jnp.abs(both[..., 3:6]))


def test_refuses_images_of_another_size():
    with pytest.raises(ValueError, match=r"\(32, 32\) pixels; the tower takes 16"):
        tower()(jnp.asarray(images(size=32)))
