import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cad_jax.models.log_mel import DYNAMIC_RANGE, FLOOR
from cad_jax.models.voice import BANDS, COUNT, HOPS, log_spectrum, voice_statistics
from data_pipelines.records.clip import SAMPLE_RATE

SAMPLES = 25_600
TIME = np.arange(SAMPLES) / SAMPLE_RATE
DEVIATION, CHANGE, SLOPE = range(3)


def noise(seed=0, clips=1):
    return np.random.default_rng(seed).standard_normal((clips, SAMPLES)).astype(np.float32) / 10


def statistics(waveform, bins=40):
    """[window, statistic, band] of each clip, of whose 40 grid bins the first `bins` exist."""
    mask = np.broadcast_to(np.arange(40) < bins, (len(waveform), 40))
    found = voice_statistics(jnp.asarray(waveform, jnp.float32), jnp.asarray(mask))
    assert found.shape == (len(waveform), COUNT)
    return np.asarray(found).reshape(len(waveform), len(HOPS), 3, BANDS)


@pytest.mark.parametrize("window", HOPS)
def test_a_spectrum_is_numpys(window):
    x = noise()[0] + np.sin(2 * np.pi * 440 * TIME)
    padded = np.pad(x, window // 2, mode="reflect")
    starts = np.arange(0, SAMPLES, HOPS[window])
    frames = np.stack([padded[start : start + window] for start in starts])
    power = np.abs(np.fft.rfft(frames * np.hanning(window + 1)[:-1])) ** 2
    want = np.log10(np.maximum(power[:, : window // 2], FLOOR))
    want = (np.maximum(want, want.max() - DYNAMIC_RANGE) + 4) / 4
    got = log_spectrum(jnp.asarray(x[None], jnp.float32), window)[0]
    np.testing.assert_allclose(got, want, atol=2e-4)


@pytest.mark.parametrize("samples", [640, 25_601])
def test_a_length_that_is_not_tiled_is_an_error(samples):
    with pytest.raises(ValueError, match=f"{samples} samples"):
        voice_statistics(jnp.zeros((1, samples)), jnp.ones((1, 1), bool))


def test_a_hum_stands_and_is_steep_where_a_window_tells_harmonics_apart_and_a_hiss_moves():
    hum = sum(np.sin(2 * np.pi * 125 * k * TIME) for k in range(1, 33)) / 40
    hum, hiss = statistics(np.concatenate([hum[None], noise()]))[..., 2:30]
    assert np.all(hum[0, DEVIATION] < hiss[0, DEVIATION] - 0.5)
    assert np.all(hum[0, CHANGE] < hiss[0, CHANGE] - 0.5)
    assert np.all(hum[-1, SLOPE] > hiss[-1, SLOPE] + 1)


def test_loudness_does_not_matter():
    x = noise()
    np.testing.assert_allclose(statistics(0.3 * x), statistics(x), atol=2e-3)


def test_silent_frames_count_little_and_absent_ones_nothing():
    x = noise() * np.where(TIME < 0.8, 1.0, 1e-3)
    spoken = statistics(np.where(TIME < 0.8, x, 0.0), bins=20)
    np.testing.assert_allclose(statistics(x)[..., 2:], spoken[..., 2:], atol=2.0)
    assert np.abs(statistics(noise()) - spoken).max() < 3.0


def test_no_sound_is_finite_and_has_a_gradient():
    def total(x):
        return jnp.sum(voice_statistics(x, jnp.zeros((2, 40), bool)))

    value, gradient = jax.value_and_grad(total)(jnp.zeros((2, SAMPLES)))
    assert jnp.isfinite(value)
    assert jnp.all(jnp.isfinite(gradient))
