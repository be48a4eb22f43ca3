"""Forged pictures change inside their masks only, and show the trace they are to show."""

import cv2
import numpy as np
import pytest

from data_pipelines.forgeries import picture
from data_pipelines.forgeries.traces import CLEAR, SUBTLE


def run(name, footage, seed=0, traces=CLEAR):
    rng = np.random.default_rng(seed)
    frames, faces, mouths = footage.frames, footage.regions.faces, footage.regions.mouths
    return {
        "swap": lambda: picture.swap_face(frames, 255 - frames, faces, rng, traces),
        "self_blend": lambda: picture.self_blend(frames, faces, rng, traces),
        "mouth": lambda: picture.regenerate_mouth(frames, frames, mouths, rng, traces),
        "smooth": lambda: picture.smooth_over_time(frames, faces, rng),
        "neural": lambda: picture.autoencode(frames, faces, rng, traces),
    }[name]()


ALL = pytest.mark.parametrize("name", ["swap", "self_blend", "mouth", "smooth", "neural"])


@ALL
def test_only_the_mask_changes(name, footage):
    frames, mask = run(name, footage)
    assert frames.shape == footage.frames.shape
    assert mask.shape == frames.shape[:3]
    outside = mask < 1e-3
    assert 0.1 < outside.mean() < 0.98
    np.testing.assert_array_equal(frames[outside], footage.frames[outside])
    inside = mask > 0.99
    changed = np.abs(frames[inside].astype(int) - footage.frames[inside])
    assert changed.mean() > 3


@ALL
def test_chance_decides_and_repeats(name, footage):
    np.testing.assert_array_equal(run(name, footage)[0], run(name, footage)[0])
    assert not np.array_equal(run(name, footage)[0], run(name, footage, seed=1)[0])


def test_a_swap_takes_over_the_targets_colours(footage):
    traces = picture.Traces(swap_colour_transfer=(1.0, 1.0), swap_jitter=(0.0, 0.0))
    frames, mask = run("swap", footage, traces=traces)
    inside = mask > 0.99
    np.testing.assert_allclose(
        frames[inside].mean(axis=0), footage.frames[inside].mean(axis=0), atol=3
    )


def detail(frames, mask):
    values = [cv2.Laplacian(frame.astype(np.float32), cv2.CV_32F) for frame in frames]
    return np.abs(np.stack(values)[mask > 0.99]).mean()


def test_a_regenerated_mouth_is_blurred_less_where_traces_are_subtle(footage):
    frames, mask = run("mouth", footage)
    subtle, subtle_mask = run("mouth", footage, traces=SUBTLE)
    assert detail(frames, mask) < 0.5 * detail(footage.frames, mask)
    assert detail(frames, mask) < detail(subtle, subtle_mask)


def test_smoothing_removes_change_over_time(footage):
    frames, mask = run("smooth", footage)
    inside = (mask > 0.99).all(axis=0)
    before = np.diff(footage.frames.astype(float), axis=0)[:, inside].std()
    after = np.diff(frames.astype(float), axis=0)[:, inside].std()
    assert after < 0.6 * before


def test_a_neural_face_carries_a_checkerboard(footage):
    traces = picture.Traces(checkerboard=(0.05, 0.05))
    frames, mask = run("neural", footage, traces=traces)
    inside = (mask > 0.99).all(axis=0)
    checks = 1 - 2 * (np.indices(inside.shape).sum(axis=0) % 2)
    change = (frames.astype(float) - footage.frames).mean(axis=(0, 3))
    assert (change * checks)[inside].mean() > 2


def test_a_still_clip_has_nothing_to_smooth(footage):
    still = footage.frames[:1].repeat(6, axis=0)
    frames, _ = picture.smooth_over_time(still, footage.regions.faces[:6], np.random.default_rng(0))
    np.testing.assert_array_equal(frames, still)
