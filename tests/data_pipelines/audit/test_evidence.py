"""Each cue sees what it is for, and nothing else."""

import dataclasses

import numpy as np
import pytest

from data_pipelines.audit import cues
from data_pipelines.audit.comparisons import ANY
from data_pipelines.audit.evidence import (
    FUSED,
    PICTURE,
    SOUND,
    SYNC,
    evidence_report,
    evidence_rows,
)
from data_pipelines.errors import UserError
from data_pipelines.synthetic.drawn import drawn_clips


@pytest.fixture(scope="module")
def clips():
    return list(drawn_clips(64, seed=0, seconds=1.6, size=48))


@pytest.fixture(scope="module")
def report(clips):
    rows = evidence_rows(clips)
    return evidence_report(rows[:40], {"rest": rows[40:]})["rest"]


def test_an_entry_a_cue_and_a_group_a_kind(clips, report):
    assert [entry["name"] for entry in report[ANY]] == [SOUND, PICTURE, SYNC, FUSED]
    for entries in report.values():
        for entry in entries:
            assert 0 <= entry["auc"] <= 1
            assert entry["forged"] > 0


def test_the_sound_cue_hears_a_missing_band():
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(16_000) * 0.1
    spectrum = np.fft.rfft(noise)
    spectrum[6000:] = 0  # above 6 kHz
    dull = cues.sound_cue(np.fft.irfft(spectrum, 16_000))
    means = (cues.sound_cue(noise) - dull)[:32]
    assert (means[26:] > 1).all()
    assert np.abs(means[:20]).max() < 0.1


def test_the_picture_cue_sees_where_detail_is_missing():
    rng = np.random.default_rng(0)
    frames = rng.normal(128, 20, (3, 96, 96)).astype(np.float32)
    boxes = np.tile([32.0, 55.0, 64.0, 80.0], (3, 1))
    before = cues.picture_cue(frames, boxes)
    frames[:, 55:80, 32:64] = 128
    after = cues.picture_cue(frames, boxes)
    around, mouth, rest = 2, 3, 4
    assert after[mouth] < before[mouth] - 1
    assert after[around] == pytest.approx(before[around], abs=0.02)
    assert after[rest] == pytest.approx(before[rest], abs=0.3)


def test_loudness_is_taken_where_the_frame_is_shown(clips):
    clip = next(clip for clip in clips if clip.has_video and clip.has_audio)
    audio = np.zeros_like(clip.audio)
    audio[round(0.8 * 16_000) : round(0.88 * 16_000)] = 10_000  # frames 20 and 21
    track = cues.loudness_track(dataclasses.replace(clip, audio=audio))
    assert 20 <= track.argmax() <= 22
    late = dataclasses.replace(clip, audio=audio, audio_offset_ms=200.0)
    assert cues.loudness_track(late).argmax() == track.argmax() + 5


def test_the_sync_cue_tells_shifted_sound(clips):
    genuine = [clip for clip in clips if clip.label == 0 and clip.has_video and clip.has_audio]
    shifted = [
        dataclasses.replace(
            clip, audio=np.roll(clip.audio, 8000), label_sync=0, provenance={"kind": "lag"}
        )
        for clip in genuine
    ]
    # Sound and picture have nothing to learn here: a constant forgery each lets them be fitted.
    touched = [dataclasses.replace(clip, label_audio=1, label_video=1) for clip in genuine[:2]]
    rows = evidence_rows(genuine + shifted)
    report = evidence_report(rows + evidence_rows(touched), {"again": rows})["again"]
    found = {entry["name"]: entry["auc"] for entry in report["lag"]}
    assert found[SYNC] > 0.9
    assert found[PICTURE] == 0.5


def test_one_class_is_refused_in_one_line(clips):
    genuine = evidence_rows(clip for clip in clips if clip.label == 0)
    with pytest.raises(UserError, match="all of one class"):
        evidence_report(genuine, {})
    with pytest.raises(UserError, match="no genuine one"):
        evidence_report([], {})
