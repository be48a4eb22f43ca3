"""Motion stays within what heads do, and follows the speech a little."""

import numpy as np

from data_pipelines.synthetic.head import load_head
from data_pipelines.synthetic.motion import PITCH, YAW, draw_head_motion, draw_upper_face, prosody


def test_prosody_is_standardised_and_follows_loudness():
    rng = np.random.default_rng(0)
    loudness = np.repeat([0.02] * 15 + [0.5] * 10 + [0.02] * 15, 640)
    emphasis = prosody(loudness * rng.standard_normal(len(loudness)), 40)
    assert emphasis.shape == (40,)
    assert abs(emphasis.mean()) < 1e-6
    assert emphasis[17:23].min() > emphasis[:10].max()


def test_silence_has_no_prosody():
    np.testing.assert_allclose(prosody(np.zeros(16_000), 25), 0, atol=1e-6)


def test_heads_turn_smoothly_and_not_too_far():
    flat = np.zeros(50)
    poses = np.stack([draw_head_motion(np.random.default_rng(seed), flat) for seed in range(40)])
    assert poses.shape == (40, 50, 6)
    assert np.abs(poses[..., YAW]).max() < 1.2
    assert np.abs(poses[..., PITCH]).max() < 0.6
    assert np.abs(np.diff(poses, axis=1))[..., :3].max() < 0.12  # radians in 40 ms


def test_faces_blink_and_both_eyes_look_the_same_way():
    names = load_head().expressions.names
    tracks = [draw_upper_face(np.random.default_rng(seed), np.zeros(50)) for seed in range(20)]
    blinks = np.stack([track[:, names["eyeBlinkLeft"]] for track in tracks])
    assert blinks.max() == 1.0
    assert (blinks < 0.1).mean() > 0.6
    for track in tracks:
        left, right = track[:, names["eyeLookOutLeft"]], track[:, names["eyeLookInRight"]]
        np.testing.assert_array_equal(left, right)
        assert track.min() >= 0
