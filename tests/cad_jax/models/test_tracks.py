import jax.numpy as jnp
import numpy as np
import pytest

from cad_jax.models.tracks import (
    Track,
    bin_centres,
    masked_mean,
    speech_mask,
    time_embedding,
    time_pool,
)


def track(count, step, width=3, mask=None):
    features = np.random.default_rng(0).standard_normal((2, count, width)).astype(np.float32)
    mask = np.ones((2, count), bool) if mask is None else mask
    centres = bin_centres(count, count * step, 2)
    return Track(jnp.asarray(features), centres, jnp.asarray(mask)), features, mask


@pytest.mark.parametrize(("count", "bins"), [(100, 50), (100, 8), (100, 7), (4, 8)])
def test_time_pool_equals_fine_sampling(count, bins):
    rng = np.random.default_rng(1)
    pooled_from, features, mask = track(count, 0.02, mask=rng.random((2, count)) < 0.7)
    seconds = count * 0.02
    pooled = time_pool(
        pooled_from, step=0.02, centres=bin_centres(bins, seconds, 2), width=seconds / bins
    )
    fine = 7 * 8 * 100  # instants; whole numbers of them fall into every token and every bin
    token = np.arange(fine) * count // fine
    bin_of = np.arange(fine) * bins // fine
    for row in range(2):
        for j in range(bins):
            inside = [i for i in token[bin_of == j] if mask[row, i]]
            assert bool(pooled.mask[row, j]) == bool(inside)
            expected = features[row, inside].astype(np.float64).mean(0) if inside else np.zeros(3)
            np.testing.assert_allclose(pooled.features[row, j], expected, atol=1e-5)


def test_time_pool_follows_irregular_times():
    pooled_from, features, _ = track(10, 0.04)
    centres = jnp.asarray([[0.02, 0.10], [0.30, 0.38]])
    pooled = time_pool(pooled_from, step=0.04, centres=centres, width=0.04)
    np.testing.assert_allclose(pooled.features[0], features[0, [0, 2]], atol=1e-5)
    expected = (features[1, 7] + features[1, 6]) / 2, features[1, 9]
    np.testing.assert_allclose(pooled.features[1, 1], expected[1], atol=1e-5)
    np.testing.assert_allclose(pooled.features[1, 0], features[1, 7], atol=1e-5)


def test_a_masked_token_never_leaks():
    pooled_from, features, mask = track(10, 0.02, mask=np.arange(20).reshape(2, 10) % 2 == 0)
    loud = np.where(mask[..., None], features, 1e6).astype(np.float32)
    options = {"step": 0.02, "centres": bin_centres(5, 0.2, 2), "width": 0.04}
    other = Track(jnp.asarray(loud), pooled_from.times, pooled_from.mask)
    np.testing.assert_array_equal(
        time_pool(pooled_from, **options).features, time_pool(other, **options).features
    )


def test_fill_absent_touches_only_rows_without_anything():
    whole, features, _ = track(3, 0.04, mask=np.array([[1, 0, 0], [0, 0, 0]], bool))
    filled = whole.fill_absent(jnp.asarray([7.0, 8.0, 9.0]))
    np.testing.assert_array_equal(filled.mask, [[1, 0, 0], [1, 1, 1]])
    np.testing.assert_array_equal(filled.features[0], features[0])
    np.testing.assert_array_equal(filled.features[1], np.tile([7.0, 8.0, 9.0], (3, 1)))


def test_masked_mean_on_literal_values():
    x = jnp.asarray([[[1.0], [3.0], [9.0]], [[1.0], [2.0], [3.0]]])
    mask = jnp.asarray([[True, True, False], [False, False, False]])
    np.testing.assert_array_equal(masked_mean(x, mask), [[2.0], [0.0]])


def test_time_embedding_tells_neighbouring_frames_and_distant_times_apart():
    embedded = np.asarray(time_embedding(jnp.arange(250)[None] / 25, 32))[0]
    assert embedded.shape == (250, 32)
    distance = np.linalg.norm(embedded[:, None] - embedded[None], axis=-1)
    assert np.min(distance + 9 * np.eye(250)) > 0.5


def test_speech_is_what_is_near_the_loudest_bin():
    loudness = np.array([0.5, 0.05, 0.005, 0.0], np.float32)  # 0, -20, -40 dB, silence
    quiet = loudness / 2000  # all below the absolute floor
    waveform = jnp.asarray(np.stack([loudness, quiet]).repeat(640, axis=1))
    mask = jnp.ones((2, 4), bool)
    np.testing.assert_array_equal(speech_mask(waveform, mask), [[1, 1, 0, 0], [0, 0, 0, 0]])
    masked = speech_mask(waveform, mask.at[0, 0].set(False))
    np.testing.assert_array_equal(masked[0], [0, 1, 1, 0])  # the loudest that exists counts


def test_refuses_samples_that_do_not_tile_the_grid():
    with pytest.raises(ValueError, match="1000 samples do not tile 3 bins"):
        speech_mask(jnp.zeros((1, 1000)), jnp.ones((1, 3), bool))
