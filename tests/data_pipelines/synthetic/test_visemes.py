"""Mouths close on p, open on a, and move when the speech does."""

import numpy as np
import pytest

from data_pipelines.synthetic.espeak import Phoneme
from data_pipelines.synthetic.head import load_head
from data_pipelines.synthetic.visemes import ArticulationStyle, expression, mouth_track, viseme_of

PLAIN = ArticulationStyle(amplitude=1.0, lead=0.0, tempo=1.0, asymmetry=0.0, smile=0.0)
APA = [Phoneme(0.2, "A:"), Phoneme(0.5, "p"), Phoneme(0.6, "A:")]


def jaw(track):
    return track[:, load_head().expressions.names["jawOpen"]]


@pytest.mark.parametrize(
    ("mnemonic", "viseme"),
    [
        ("p", "PP"), ("'b", "PP"), ("v", "FF"), ("T", "TH"), ("t#", "DD"), ("tS", "CH"),
        ("dZ", "CH"), ("z", "SS"), ("N", "kk"), ("r", "RR"), ("w", "U"), ("A:", "aa"),
        ("aI", "aa"), ("a", "ae"), ("E", "E"), ("i:", "I"), ("oU", "O"), ("u:", "U"),
        ("@", "@"), ("3:", "@"), ("_:", "silence"), ("", "silence"),
    ],
)  # fmt: skip
def test_mnemonics_map_to_visemes(mnemonic, viseme):
    assert viseme_of(mnemonic) == viseme


def test_the_mouth_opens_on_a_and_closes_on_p():
    track = mouth_track(APA, start=0.0, end=0.9, num_frames=25, style=PLAIN, lead=0.0)
    opening = jaw(track)
    assert opening[9] > 0.3  # 0.36 s, in the first vowel
    assert opening[14] < 0.12  # 0.56 s, in the p
    assert opening[18] > 0.3  # 0.72 s, in the second vowel
    press = track[:, load_head().expressions.names["mouthPressLeft"]]
    assert press.argmax() in (13, 14)


def test_a_lead_moves_the_mouth_ahead_of_the_sound():
    late = mouth_track(APA, start=0.0, end=0.9, num_frames=25, style=PLAIN, lead=0.0)
    early = mouth_track(APA, start=0.0, end=0.9, num_frames=25, style=PLAIN, lead=0.08)
    np.testing.assert_allclose(early[:-2], late[2:], atol=1e-6)


def test_a_later_window_shows_later_speech():
    whole = mouth_track(APA, start=0.0, end=0.9, num_frames=25, style=PLAIN, lead=0.0)
    part = mouth_track(APA, start=0.2, end=0.9, num_frames=10, style=PLAIN, lead=0.0)
    np.testing.assert_allclose(part, whole[5:15], atol=1e-6)


def test_diphthongs_end_in_another_viseme():
    track = mouth_track(
        [Phoneme(0.0, "aU")], start=0.0, end=0.4, num_frames=10, style=PLAIN, lead=0.0
    )
    pucker = track[:, load_head().expressions.names["mouthPucker"]]
    assert pucker[8] > 2 * pucker[2]


def test_an_expression_sets_both_sides():
    names = load_head().expressions.names
    vector = expression({"mouthSmile": 0.5, "jawOpen": 1.0})
    assert vector[names["mouthSmileLeft"]] == vector[names["mouthSmileRight"]] == 0.5
    assert vector[names["jawOpen"]] == 1.0
    assert np.count_nonzero(vector) == 3
