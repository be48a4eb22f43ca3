import jax
import jax.numpy as jnp
import numpy as np

from cad_jax.losses.clip_embedding import (
    audio_at_frames,
    clip_embedding,
    frames_with_speech,
    is_present,
)


def unit_frames(*shape):
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    return jnp.asarray(x / np.linalg.norm(x, axis=-1, keepdims=True))


def test_dot_product_is_the_mean_cosine_over_frames():
    z_video, z_audio = unit_frames(2, 3, 5, 4)
    mask = jnp.array([[1, 1, 0, 1, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]], bool)
    video, audio = clip_embedding(z_video, mask), clip_embedding(z_audio, mask)
    cosines = np.einsum("bke,bke->bk", z_video, z_audio)
    want = [cosines[0, [0, 1, 3]].mean(), cosines[1].mean(), 0.0]
    np.testing.assert_allclose(jnp.sum(video * audio, axis=1), want, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(jnp.linalg.norm(video, axis=1), [1, 1, 0], rtol=1e-6)
    np.testing.assert_array_equal(is_present(video), [True, True, False])


def test_audio_is_taken_at_the_frames_own_bins():
    z_audio = jnp.arange(12, dtype=jnp.float32).reshape(2, 6, 1)
    taken = audio_at_frames(z_audio, jnp.array([[0, 5], [2, 2]]))
    np.testing.assert_array_equal(taken[..., 0], [[0, 5], [8, 8]])


def test_bins_outside_the_grid_are_silent_and_never_nan():
    z_audio, index = jnp.ones((1, 6, 2)), jnp.array([[-1, 0, 5, 6]])
    taken = jax.jit(audio_at_frames)(z_audio, index)
    np.testing.assert_array_equal(taken, 1.0)
    speech = jnp.array([[True, True, True, True, True, False]])
    np.testing.assert_array_equal(frames_with_speech(speech, index), [[False, True, False, False]])


def test_a_clip_without_frames_has_finite_gradients():
    gradient = jax.grad(lambda z: clip_embedding(z, jnp.zeros((2, 3), bool)).sum())
    np.testing.assert_array_equal(gradient(unit_frames(2, 3, 4)), 0.0)
