"""Delays, exchanges and splices leave level and pauses as they were."""

import numpy as np
import pytest

from data_pipelines.forgeries.sound import delay, draw_delay, replace, splice


@pytest.mark.parametrize("seconds", [0.2, -0.2])
def test_a_delayed_click_comes_later(seconds):
    sound = np.zeros(16_000, np.float32)
    sound[8000] = 1
    assert delay(sound, seconds).argmax() == 8000 + round(seconds * 16_000)


def test_a_delay_leaves_no_silence_and_no_click_behind(footage):
    # Filling the gap with zeros would be found by its silence alone.
    sound = footage.audio
    late = delay(sound, 0.2)
    assert len(late) == len(sound)
    np.testing.assert_allclose(np.sqrt(np.mean(late**2)), np.sqrt(np.mean(sound**2)), rtol=0.05)
    assert np.abs(np.diff(late)).max() < 1.2 * np.abs(np.diff(sound)).max()
    np.testing.assert_array_equal(delay(sound, 0.0), sound)


def test_delays_are_seen_and_go_both_ways():
    delays = np.array([draw_delay(np.random.default_rng(seed)) for seed in range(50)])
    assert (np.abs(delays) >= 0.2).all()
    assert (np.abs(delays) <= 0.6).all()
    assert delays.min() < 0 < delays.max()


def test_foreign_sound_is_brought_to_length_and_level(footage, other_voice):
    for other in (0.1 * other_voice[:3000], other_voice, np.tile(other_voice, 3)):
        replaced = replace(footage.audio, other)
        assert replaced.shape == footage.audio.shape
        ratio = np.std(replaced) / np.std(footage.audio)
        assert ratio == pytest.approx(1, rel=0.05)


def test_silence_as_foreign_sound_stays_silence(footage):
    assert not replace(footage.audio, np.zeros(100, np.float32)).any()


def test_a_splice_is_foreign_inside_and_genuine_outside(footage, other_voice):
    spliced = splice(footage.audio, other_voice, np.random.default_rng(0))
    same = spliced == footage.audio
    assert 0.45 < same.mean() < 0.82
    foreign = spliced == replace(footage.audio, other_voice)
    assert 0.15 < foreign.mean() < 0.55
    assert np.abs(np.diff(spliced)).max() < 1.5 * np.abs(np.diff(footage.audio)).max() + 0.05
