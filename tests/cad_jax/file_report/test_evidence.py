"""What is kept of a file's windows, and how its sound is drawn."""

import librosa
import numpy as np
import pytest

from cad_jax.file_report.evidence import (
    MELS,
    MOST_PICTURED,
    EvidenceCollector,
    Moment,
    SeenFrame,
    spectrogram,
    suspicion,
)

NOTHING = np.zeros(0)


def moment(number, p_fake=0.1):
    frames = (SeenFrame(float(number), b"jpeg", p_fake),)
    scores = {"p_fake": p_fake, "p_audio": np.nan}
    mel = np.zeros((MELS, 0), np.uint8)
    return Moment(number, number + 1, 0, scores, 0.5, frames, NOTHING, NOTHING, NOTHING, mel)


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
