"""Spectra, texture and voice, against numpy, and what a missing modality leaves."""

import jax.numpy as jnp
import numpy as np
import pytest

from cad_jax.models.texture import texture_statistics
from cad_jax.run.appearance import HEARD, RINGS, SEEN, appearance, picture_spectra


def batch(frames, has_video, has_audio):
    b, t = frames.shape[:2]
    rng = np.random.default_rng(1)
    return {
        "frames": jnp.asarray(frames),
        "frame_times": jnp.zeros((b, t), jnp.float32),
        "frame_mask": jnp.asarray(np.arange(t) < t - 1)[None].repeat(b, 0),
        "mouth_frames": jnp.zeros((b, 0, 0, 0, 3), jnp.uint8),
        "has_video": jnp.asarray(has_video),
        "has_audio": jnp.asarray(has_audio),
        "waveform": jnp.asarray(rng.standard_normal((b, 6400)), jnp.float32) / 10,
        "waveform_mask": jnp.ones((b, 10), bool),
    }


def test_a_grating_fills_the_ring_of_its_frequency():
    x = np.arange(64)
    grating = np.round(127 + 100 * np.sin(2 * np.pi * x * 10 / 64)).astype(np.uint8)
    frames = np.broadcast_to(grating[None, None, None, :, None], (1, 1, 64, 64, 3))
    (spectrum,) = np.asarray(picture_spectra(jnp.asarray(frames)))[0]
    assert np.argmax(spectrum[:RINGS]) == int(10 / 64 / 0.5 * RINGS)
    values = grating / 255
    assert spectrum[RINGS : RINGS + 2] == pytest.approx([values.mean(), values.std()], abs=1e-5)
    colour = spectrum[RINGS + 2 :].reshape(2, RINGS + 2)
    assert np.abs(colour[:, RINGS:]).max() < 1e-5  # grey has none
    with pytest.raises(ValueError, match="must be square"):
        picture_spectra(jnp.zeros((1, 1, 8, 9, 3), jnp.uint8))


def test_time_is_averaged_over_what_exists_and_what_is_missing_is_nan():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (3, 4, 40, 40, 3), np.uint8)
    features = np.asarray(appearance(batch(frames, [True, True, False], [True, False, True])))
    assert features.shape == (3, SEEN + HEARD)
    video, audio = np.split(features, [SEEN], axis=1)
    spectra = np.asarray(picture_spectra(jnp.asarray(frames)))[0, :3]  # the fourth is masked
    found, grain = np.split(video[0], [2 * spectra.shape[1]])
    np.testing.assert_allclose(found, [*spectra.mean(0), *spectra.std(0)], atol=2e-5)
    whole = jnp.ones((1, 3), bool)  # of 40 pixels, 32 are whole places
    wanted = texture_statistics(jnp.asarray(frames[:1, :3, :32, :32]), whole)
    np.testing.assert_allclose(grain, wanted[0], atol=1e-4)
    assert [np.isfinite(part).all(axis=1).tolist() for part in (video, audio)] == [
        [True, True, False],
        [True, False, True],
    ]
