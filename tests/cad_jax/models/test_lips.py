import dataclasses

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from cad_jax.models.lips import GREY_MEAN, GREY_STD, LipsTower, lips_input, max_pool, neighbours
from cad_jax.settings.model import LipsConfig

SMALL = LipsConfig(
    16, 2, norm="image", width=8, depth=1, heads=2, position_kernel=6, position_groups=2
)


@pytest.fixture
def frames():
    return np.random.default_rng(0).integers(0, 256, (2, 6, 16, 16, 3), np.uint8)


def run(config, remat="none"):
    """A jitted function of frames and mask, of random parameters."""
    graphdef, state = nnx.split(LipsTower(config, remat=remat, rngs=nnx.Rngs(0)))
    apply = jax.jit(lambda state, *inputs: nnx.merge(graphdef, state)(*inputs))
    return state, apply


def test_grey_is_opencvs(frames):
    mask = np.ones((2, 6), bool)
    mask[1, 3:] = False
    grey = np.stack([[cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in row] for row in frames])
    expected = np.where(mask[..., None, None], (grey / 255 - GREY_MEAN) / GREY_STD, 0)
    np.testing.assert_allclose(
        lips_input(jnp.asarray(frames), jnp.asarray(mask)), expected, atol=1e-5
    )


def test_a_convolution_of_neighbours_is_one_over_time():
    rng = np.random.default_rng(1)
    x = jnp.asarray(rng.normal(size=(2, 6, 8, 8)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(7, 7, 5, 3)), jnp.float32)
    flat = jax.lax.conv_general_dilated(
        neighbours(x), kernel, (2, 2), [(3, 3)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )  # fmt: skip
    deep = jax.lax.conv_general_dilated(
        x[..., None],
        kernel.transpose(2, 0, 1, 3)[..., None, :],
        (1, 2, 2),
        [(2, 2), (3, 3), (3, 3)],
        dimension_numbers=("NDHWC", "DHWIO", "NDHWC"),
    )  # fmt: skip
    np.testing.assert_allclose(flat.reshape(deep.shape), deep, atol=1e-4)


@pytest.mark.parametrize("size", [7, 8])
def test_the_maximum_is_that_of_windows(size):
    x = np.random.default_rng(2).normal(size=(2, size, size + 2, 3)).astype(np.float32)
    expected = jax.lax.reduce_window(
        x, -np.inf, jax.lax.max, (1, 3, 3, 1), (1, 2, 2, 1), [(0, 0), (1, 1), (1, 1), (0, 0)]
    )
    np.testing.assert_array_equal(max_pool(jnp.asarray(x)), expected)


@pytest.mark.slow
def test_a_clip_depends_on_its_own_frames_alone(frames):
    """What is masked counts as little as what other clips show: a short clip alone is the same."""
    state, apply = run(SMALL)
    mask = np.ones((2, 6), bool)
    mask[1, 4:] = False
    both = apply(state, frames, mask)
    alone = apply(state, frames[1:, :4], mask[1:, :4])
    assert both.shape == (2, 6, 8)
    assert both.dtype == jnp.float32
    np.testing.assert_allclose(both[1, :4], alone[0], atol=1e-5)
    assert np.std(both[0], axis=0).min() > 0.01  # and frames differ
    nothing = apply(state, frames, np.zeros((2, 6), bool))
    assert np.isfinite(nothing).all()


@pytest.mark.slow
def test_recomputing_changes_no_gradient(frames):
    mask = np.ones((2, 6), bool)
    grads = []
    for remat in ("none", "all"):
        state, apply = run(dataclasses.replace(SMALL, norm="affine"), remat)
        grads.append(jax.grad(lambda s, f=apply: jnp.sum(jnp.cos(f(s, frames, mask))))(state))
    for a, b in zip(*map(jax.tree.leaves, grads), strict=True):
        assert jnp.any(a != 0)
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_frames_of_another_size_are_refused(frames):
    tower = nnx.eval_shape(lambda: LipsTower(SMALL, rngs=nnx.Rngs(0)))
    with pytest.raises(ValueError, match=r"frames of \(8, 16\) pixels; it takes 16"):
        jax.eval_shape(tower, jnp.asarray(frames[:, :, :8]), jnp.ones((2, 6), bool))
