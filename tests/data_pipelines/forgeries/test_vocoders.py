"""Resynthesised speech is as long as the original, in time with it, and not it."""

import numpy as np
import pytest
import scipy.signal

from data_pipelines.forgeries import vocoders
from data_pipelines.forgeries.traces import CLEAR

VOCODERS = {
    "world": lambda sound, rng: vocoders.convert_voice(sound, rng, CLEAR),
    "mel": lambda sound, rng: vocoders.resynthesise_mel(sound, rng, CLEAR),
    "lpc": vocoders.resynthesise_lpc,
    "pitch": vocoders.shift_pitch,
}


def envelope(sound):
    return np.sqrt(scipy.signal.fftconvolve(sound.astype(float) ** 2, np.ones(400) / 400, "same"))


@pytest.mark.parametrize("name", VOCODERS)
def test_length_time_and_level_are_kept(name, footage):
    forged = VOCODERS[name](footage.audio, np.random.default_rng(0))
    assert forged.shape == footage.audio.shape
    assert forged.dtype == np.float32
    assert not np.allclose(forged, footage.audio, atol=1e-3)
    shifts = range(-640, 641, 80)  # one video frame either way
    loudness, target = envelope(forged), envelope(footage.audio)
    match = [np.corrcoef(np.roll(loudness, shift), target)[0, 1] for shift in shifts]
    assert max(match) > 0.8
    assert abs(list(shifts)[int(np.argmax(match))]) <= 320
    assert 0.3 < np.std(forged) / np.std(footage.audio) < 3


@pytest.mark.parametrize("name", VOCODERS)
def test_chance_decides_and_repeats(name, footage):
    one, two = (VOCODERS[name](footage.audio, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, VOCODERS[name](footage.audio, np.random.default_rng(4)))


@pytest.mark.parametrize("name", VOCODERS)
def test_silence_is_survived(name):
    forged = VOCODERS[name](np.zeros(8000, np.float32), np.random.default_rng(0))
    assert np.isfinite(forged).all()
    assert np.abs(forged).max() < 0.05


def test_a_shifted_pitch_is_shifted():
    time = np.arange(16_000) / 16_000
    tone = np.sin(2 * np.pi * 440 * time).astype(np.float32)
    forged = vocoders.shift_pitch(tone, np.random.default_rng(0))
    peak = np.abs(np.fft.rfft(forged)).argmax()
    semitones = 12 * abs(np.log2(peak / 440))
    assert 1.3 < semitones < 4.2
