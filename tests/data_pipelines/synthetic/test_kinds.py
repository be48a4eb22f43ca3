"""What each kind means, spelled out."""

import dataclasses

import pytest

from data_pipelines.synthetic.kinds import (
    AUDIO_ONLY,
    BOTH,
    FORGERIES,
    GENUINE,
    VIDEO_ONLY,
    forgeries,
)

LABELS = {  # video, audio, sync
    "real": (0, 0, 1),
    "lag": (0, 0, 0), "wrong": (0, 0, 0),
    "world": (0, 1, 1), "mel": (0, 1, 1), "tts": (0, 1, 0),
    "swap": (1, 0, 1), "mouth": (1, 0, 1),
    "swap_world": (1, 1, 1), "mouth_mel": (1, 1, 1), "swap_tts": (1, 1, 0),
    "lpc": (0, 1, 1), "pitch": (0, 1, 1), "neural": (1, 0, 1), "smooth": (1, 0, 1),
    "neural_copy": (0, 1, 1), "neural_tts": (0, 1, 1),
}  # fmt: skip


@pytest.mark.parametrize("kind", [GENUINE, *FORGERIES], ids=lambda kind: kind.name)
def test_labels(kind):
    video, audio, _ = LABELS[kind.name]
    assert dataclasses.astuple(kind.labels(BOTH)) == LABELS[kind.name]
    assert dataclasses.astuple(kind.labels(VIDEO_ONLY)) == (video, -1, -1)
    assert dataclasses.astuple(kind.labels(AUDIO_ONLY)) == (-1, audio, -1)


def test_all_kinds_are_spelled_out():
    assert {kind.name for kind in (GENUINE, *FORGERIES)} == set(LABELS)


def test_a_single_modality_keeps_only_forgeries_that_show_in_it():
    names = {
        modalities: {kind.name for kind in forgeries("train", modalities)}
        for modalities in (BOTH, VIDEO_ONLY, AUDIO_ONLY)
    }
    assert names[VIDEO_ONLY] == {"swap", "mouth"}
    assert names[AUDIO_ONLY] == {"world", "mel", "tts"}
    assert len(names[BOTH]) == 10


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("test_unseen", {"lpc", "pitch", "neural", "smooth"}),
        ("test_neural", {"neural_copy", "neural_tts"}),
    ],
)
def test_held_out_kinds_are_apart(split, expected):
    assert {kind.name for kind in forgeries(split, BOTH)} == expected
