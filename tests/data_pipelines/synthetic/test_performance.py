"""Lips and speech truly correspond, and each forgery changes what it should and nothing else."""

import numpy as np
import pytest

from data_pipelines.synthetic import performance as staging
from data_pipelines.synthetic import speech
from data_pipelines.synthetic import take as takes
from data_pipelines.synthetic.performance import perform

FPS = 25


@pytest.fixture(scope="module")
def stage(preset, plan_of):
    cache = {}

    def perform_once(kind, take=0, **more):
        key = (kind, take, *more.items())
        if key not in cache:
            cache[key] = perform(preset, 0, plan_of(kind, take, **more))
        return cache[key]

    return perform_once


def lip_gap(performance):
    """How far the inner lips are apart in each frame, pixels."""
    return performance.landmarks[:, 66, 1] - performance.landmarks[:, 62, 1]


def correlation(gap, loudness, delay_frames):
    """Of the lips at a time and the sound `delay_frames` later."""
    shift = max(delay_frames, 0)
    lips = gap[max(-delay_frames, 0) : len(gap) - shift]
    sound = loudness[shift : len(loudness) - max(-delay_frames, 0)]
    if lips.std() < 1e-3 or sound.std() < 1e-6:
        return np.nan  # a pause tells nothing
    return np.corrcoef(lips, sound)[0, 1]


def sync_curve(performances, around):
    """Mean correlation over performances at -12..12 frames about each one's true delay."""
    curves = []
    for performance, delay in zip(performances, around, strict=True):
        power = performance.audio.reshape(len(performance.frames), -1) ** 2
        loudness = np.sqrt(power.mean(axis=1))
        steps = [o + delay for o in (-8, -4, -1, 0, 1, 4, 8)]
        curves.append([correlation(lip_gap(performance), loudness, step) for step in steps])
    return np.nanmean(curves, axis=0)


def test_genuine_lips_follow_the_speech(stage):
    curve = sync_curve([stage("real", take) for take in range(8)], [0] * 8)
    assert curve[2:5].max() > 0.25
    assert curve[2:5].max() > curve[[0, 1, 5, 6]].max() + 0.15


def test_a_lag_has_the_delay_and_the_sign_it_claims(stage):
    lagging = [stage("lag", take) for take in range(8)]
    delays = [round(performance.delay * FPS) for performance in lagging]
    assert min(abs(delay) for delay in delays) >= 5
    assert min(delays) < 0 < max(delays)
    there, absent = sync_curve(lagging, delays), sync_curve(lagging, [0] * 8)
    assert there[2:5].max() > absent[2:5].max() + 0.2


def test_a_forged_sound_leaves_the_picture_alone(stage):
    genuine = stage("real")
    for kind in ("world", "mel", "tts", "lpc", "pitch"):
        forged = stage(kind)
        np.testing.assert_array_equal(forged.frames, genuine.frames)
        assert len(forged.audio) == len(genuine.audio)
        assert not np.array_equal(forged.audio, genuine.audio)
        assert not forged.mask.any()


def test_a_forged_picture_leaves_the_sound_and_the_rest_of_the_picture_alone(stage):
    genuine = stage("real")
    for kind in ("swap", "neural", "smooth"):
        forged = stage(kind)
        np.testing.assert_array_equal(forged.audio, genuine.audio)
        changed = (forged.frames != genuine.frames).any(axis=(0, 3))
        assert changed.any()
        assert forged.mask.any()
    swapped = stage("swap")
    untouched = swapped.mask < 1e-3
    np.testing.assert_array_equal(swapped.frames[untouched], genuine.frames[untouched])


def test_a_regenerated_mouth_says_what_is_heard(stage):
    forged = [stage("mouth", take) for take in range(8)]
    curve = sync_curve(forged, [0] * 8)
    assert curve[2:5].max() > 0.25
    assert all(performance.mask[:, :20].max() < 1e-3 for performance in forged)


def test_what_does_not_match_claims_no_delay(stage):
    assert stage("wrong").delay is None
    assert stage("tts").delay is None
    assert stage("swap").delay == 0


def test_inserted_speech_is_padded_like_any_other(preset, plan_of, monkeypatch):
    # Speech inserted with a padding of its own was told by its silence alone (AUC .8).
    assert staging.draw_utterance is takes.draw_utterance is speech.draw_utterance
    drawn = []

    def spy(*arguments):
        drawn.append((arguments[2], speech.draw_utterance(*arguments)))
        return drawn[-1][1]

    monkeypatch.setattr(staging, "draw_utterance", spy)
    monkeypatch.setattr(staging.vocoders, "resynthesise_mel", lambda sound, rng, traces: sound)
    inserted = perform(preset, 0, plan_of("tts", modalities="audio"))
    [(seconds, utterance)] = drawn
    assert seconds == preset.seconds
    np.testing.assert_array_equal(inserted.audio, utterance.window(16_000))


def test_borrowed_faces_and_voices_are_named(stage):
    assert stage("real").people == (0,)
    assert len(stage("swap").people) == 2
    assert len(stage("swap_tts").people) in (2, 3)
    assert set(stage("swap_tts").people) <= set(range(12))


def test_single_modalities(stage):
    silent = stage("swap", modalities="video")
    assert len(silent.frames) == 25
    assert len(silent.audio) == 0
    unseen = stage("mel", modalities="audio")
    assert len(unseen.frames) == 0
    assert len(unseen.audio) == 16_000


def test_phonemes_lie_inside_the_clip_and_are_those_heard(stage):
    genuine, inserted = stage("real"), stage("tts")
    assert all(0 <= phoneme.start < 1 for phoneme in genuine.phonemes)
    assert genuine.phonemes != inserted.phonemes
    assert stage("lag").phonemes == genuine.phonemes
