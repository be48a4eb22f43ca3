import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cad_jax.models.sync import OFFSETS, MismatchHead, sync_curve


def unit_noise(*shape, seed=0):
    x = np.random.default_rng(seed).standard_normal(shape)
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def shifted(shift, frames=50, every=1, seed=0):
    """Lips at every few bins, and a sound that is theirs `shift` bins later."""
    source = unit_noise(1, frames + 60, 16, seed=seed)
    index = np.arange(0, frames, every)
    z_video = source[:, 30 + index]
    z_audio = source[:, 30 - shift : 30 - shift + frames]
    return (
        jnp.asarray(z_video),
        jnp.asarray(z_audio),
        jnp.asarray(index[None]),
        jnp.ones((1, index.size), bool),
        jnp.ones((1, frames), bool),
    )


def by_numpy(z_video, z_audio, grid_index, align_mask, speech_mask):
    z_video, z_audio, grid_index = map(np.asarray, (z_video, z_audio, grid_index))
    curve, counts = [], []
    for offset in OFFSETS:
        cosines = [
            z_video[0, k] @ z_audio[0, j + offset]
            for k, j in enumerate(grid_index[0])
            if align_mask[0, k]
            and 0 <= j + offset < z_audio.shape[1]
            and speech_mask[0, j + offset]
        ]
        curve.append(np.mean(cosines) if cosines else 0.0)
        counts.append(len(cosines))
    enough = np.array(counts) >= max(1, 0.5 * max(counts))
    return np.where(enough, curve, -1.0) if max(counts) else np.zeros(len(OFFSETS))


@pytest.mark.parametrize("shift", [-15, -7, -1, 0, 1, 4, 15])
@pytest.mark.parametrize("every", [1, 3])
def test_the_curve_finds_a_constructed_shift(shift, every):
    curve = sync_curve(*shifted(shift, every=every))
    assert OFFSETS[int(jnp.argmax(curve[0]))] == shift
    np.testing.assert_allclose(curve[0, shift + 15], 1.0, atol=1e-5)


def test_the_curve_equals_numpy_with_masks_and_edges():
    z_video, z_audio, grid_index, _, _ = shifted(3, frames=24)
    rng = np.random.default_rng(2)
    align, speech = (jnp.asarray(rng.random((1, 24)) < 0.7) for _ in range(2))
    arguments = (z_video, z_audio, grid_index, align, speech)
    np.testing.assert_allclose(sync_curve(*arguments)[0], by_numpy(*arguments), atol=1e-6)


def test_a_thinly_covered_offset_never_wins():
    z_video, z_audio, grid_index, align, _ = shifted(0, frames=20)
    curve = sync_curve(z_video, z_audio, grid_index, align, jnp.ones((1, 20), bool))
    np.testing.assert_array_equal(curve[0, jnp.abs(jnp.asarray(OFFSETS)) > 10], -1.0)


def test_without_any_pair_the_curve_is_zero_and_gradients_are_finite():
    z_video, z_audio, grid_index, align, speech = shifted(0)
    head = MismatchHead()

    def logit(z_video):
        return head(sync_curve(z_video, z_audio, grid_index, align, jnp.zeros_like(speech)))[0]

    value, gradient = jax.value_and_grad(logit)(z_video)
    assert value == 0.0
    np.testing.assert_array_equal(gradient, 0.0)


def test_the_logit_is_a_function_of_the_margin():
    curve = np.full((3, len(OFFSETS)), -0.1, np.float32)
    curve[0, 16] = 0.5  # one bin late: still in sync
    curve[1, 20] = 0.5  # five bins late
    logits = MismatchHead()(jnp.asarray(curve))
    np.testing.assert_allclose(logits, [-6.0, 6.0, 0.0], atol=1e-3)
