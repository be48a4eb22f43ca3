"""What is kept of a file's windows, and how its sound is drawn."""

import librosa
import numpy as np
import pytest

from cad_jax.bundle.operating import Operating
from cad_jax.file_report.evidence import (
    MELS,
    MOST_PICTURED,
    EvidenceCollector,
    Moment,
    SeenFrame,
    moments_of,
    spectrogram,
    suspicion,
)
from cad_jax.verdicts.decide import Windows
from data_pipelines.loading.settings import ClipSpec
from data_pipelines.loading.transforms import blank_row

NOTHING = np.zeros(0)


def moment(number, p_fake=0.1):
    frames = (SeenFrame(float(number), b"jpeg", p_fake),)
    scores = {"p_fake": p_fake, "p_audio": np.nan}
    mel = np.zeros((MELS, 0), np.uint8)
    start = float(number)
    return Moment(start, start + 1, 0, scores, 0.5, frames, NOTHING, NOTHING, NOTHING, mel)


def test_pictures_are_bounded_and_the_most_suspicious_stay():
    collector, suspicious = EvidenceCollector(), (7, 150, 333)
    for number in range(500):
        collector.add(moment(number, 0.9 if number in suspicious else 0.1))
    pictured = [n for n, known in enumerate(collector.moments) if known.frames]
    assert len(collector.moments) == 500
    assert MOST_PICTURED / 2 <= len(pictured) <= 2 * MOST_PICTURED
    assert set(suspicious) <= set(pictured)
    assert max(np.diff(pictured)) < 50  # no part of the file goes without


def test_suspicion_is_the_highest_score_there_is():
    assert suspicion(moment(0, 0.3)) == 0.3
    assert suspicion(moment(0, np.nan)) == 0.0


def test_a_tone_is_loudest_in_its_own_band():
    tone = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    levels = spectrogram(tone)
    assert levels.shape == (MELS, 25)
    bands = librosa.mel_frequencies(n_mels=MELS + 2, fmax=8000)[1:-1]
    assert bands[np.argmax(levels[:, 12])] == pytest.approx(1000, rel=0.05)
    assert spectrogram(np.zeros(16000)).max() == 0


def test_a_window_shows_what_is_there_as_the_verdict_reads_it():
    spec = ClipSpec(seconds=1.0, frames=4, image_size=32)
    row = blank_row(spec, 0)
    seen = row | {"has_video": np.bool_(True), "frame_mask": np.array([1, 1, 0, 1], bool)}
    heard = row | {"has_audio": np.bool_(True)}
    both = seen | {"has_audio": np.bool_(True)}
    timeline = np.tile(np.float32([0.1, 0.2, 0.3, 0.4]), (3, 1))
    scores = {
        "timeline_video": timeline,
        "timeline_audio": timeline,
        "sync_curve": np.zeros((3, 31), np.float32),
    }
    p = np.array([0.9, np.nan, 0.5])
    windows = Windows(
        start_s=np.array([0.0, 1.0, 2.0]),
        end_s=np.array([1.0, 2.0, 3.0]),
        face=np.array([0, -1, 1]),
        face_px=np.array([80.0, np.nan, 80.0]),
        scores=dict.fromkeys(("p_fake", "p_video", "p_audio", "p_mismatch"), p),
        offset_ms=p,
        distance=np.array([0.5, 1.0, 1.5]),
    )
    operating = Operating({"p_video": 2.0}, {"p_video": ()}, {}, {"p_video": 9})
    picture, sound, whole = moments_of([seen, heard, both], scores, windows, operating)
    assert [(m.face, m.distance) for m in (picture, sound, whole)] == [
        (0, 0.5),
        (None, 1),
        (1, 1.5),
    ]
    assert picture.scores == pytest.approx({"p_video": 0.75})  # odds of 9 at temperature 2
    assert [frame.p_video for frame in picture.frames] == pytest.approx([0.1, 0.2, 0.4])
    assert [frame.time_s for frame in whole.frames] == pytest.approx(
        2.0 + row["frame_times"][[0, 1, 3]]
    )
    assert not sound.frames
    assert picture.sync_curve.size == sound.sync_curve.size == picture.mel.size == 0
    assert whole.sync_curve.size == 31
    assert sound.mel.shape == (MELS, 25)
    assert sound.p_sound == pytest.approx([0.1, 0.2, 0.3, 0.4])
